"""Stages: what is run, what is reused, what is left of a failure. Notebooks are stand-ins here."""

import ast
import errno
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import papermill
import pytest
import torch
from nbclient.exceptions import DeadKernelError
from simclr.results import BEFORE, CODE

from simclr import estimate, measure, params, paths, pipeline, provenance
from simclr.errors import UserError
from simclr.files import read_json, write_json

STAGES = list(pipeline.NOTEBOOKS)
LIBRARY = Path(pipeline.__file__).parent


class Papermill:
    """Stands for `papermill.execute_notebook`: leaves a draw, an executed notebook, and a note."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.found: list[set[str]] = []  # the files that a run found in its folder
        self.options: dict = {}
        self.failure: BaseException | None = None
        self.meanwhile: Callable[[], None] = lambda: None

    def __call__(self, notebook, output, values, **options):
        folder, stage = Path(output).parent, Path(notebook).stem[3:]
        self.ran.append(stage)
        self.found.append({f.relative_to(folder).as_posix() for f in folder.rglob("*.*")})
        self.options = options | {"values": values, "notebook": notebook}
        for name in ("draws/0.npz", *(pipeline.PUBLISHED if stage == "comparison" else ())):
            file = folder / name / "table.csv" if name == "tables" else folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"run {len(self.ran)}")
        Path(output).write_text(f"notebook {len(self.ran)}")
        self.meanwhile()
        if self.failure:
            raise self.failure


class Project:
    """A project folder of its own; what it would take time to know is made up."""

    def __init__(self, root: Path, notebooks: Papermill) -> None:
        self.root, self.notebooks = root, notebooks
        self.code: dict[str, str] = {}  # module -> digest, where it is not the first one
        self.data = {"train_images": "0"}

    def digests(self, stage: str) -> list[str]:
        return [self.code.get(module, "first") for module in CODE[stage]]

    def main(self, *arguments: str) -> None:
        pipeline.main([*arguments, "--profile", "smoke"])

    def build(self, *options: str) -> list[str]:
        """Bring every stage up to date; those whose notebook was run."""
        before = len(self.notebooks.ran)
        for stage in STAGES:
            self.main("run", stage, *options)
        return self.notebooks.ran[before:]

    def variant(self, text: str) -> None:
        (self.root / "params/variants/mine.yaml").write_text(text)

    def change(self, stage: str, old: str, new: str) -> None:
        file = self.root / f"params/smoke/{stage}.yaml"
        assert old in file.read_text(), f"{file}: this test must follow"
        file.write_text(file.read_text().replace(old, new))

    def folder(self, stage: str, variant: str = "source") -> Path:
        return self.root / "runs" / "smoke" / variant / stage

    def stamp(self, stage: str, variant: str = "source") -> dict:
        return read_json(self.folder(stage, variant) / "stage.json")


@pytest.fixture
def project(tmp_path: Path, monkeypatch) -> Project:
    shutil.copytree(paths.PARAMS, tmp_path / "params")
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    for name in ("RUNS", "REPORTS", "PARAMS"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    project = Project(tmp_path, Papermill())
    monkeypatch.setattr(papermill, "execute_notebook", project.notebooks)
    monkeypatch.setattr(pipeline.Build, "data", property(lambda self: project.data))
    monkeypatch.setattr(pipeline, "code_digests", project.digests)
    monkeypatch.setattr(provenance, "here", lambda settings: {"threads": 2})
    return project


def refusal(capsys, *arguments: str) -> str:
    """What a command says that ends with status 2, in one line."""
    with pytest.raises(SystemExit) as ended:
        pipeline.main(list(arguments))
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and "Traceback" not in said
    return said.removeprefix("error: ").rstrip("\n")


# ---- run -----------------------------------------------------------------------------------------


def test_a_stage_is_run_with_its_parameters_and_stamped_last(project: Project):
    project.main("run", "pretrain")
    settings, folder = params.load("pretrain", "smoke"), project.folder("pretrain")
    assert project.notebooks.options["values"] == (
        settings.model_dump(mode="json") | {"run_dir": "runs/smoke/source"}
    )
    assert project.notebooks.options["notebook"] == paths.NOTEBOOKS / "02_pretrain.ipynb"
    assert project.notebooks.options["cwd"] == project.root
    assert project.notebooks.found == [{"params.json"}]  # nothing else was there when it ran
    assert {f.name for f in folder.iterdir()} == {
        "02_pretrain.ipynb",
        "draws",
        "params.json",
        "stage.json",
    }
    stamp = project.stamp("pretrain")
    assert stamp["params_hash"] == settings.hash
    assert stamp["params"] == read_json(folder / "params.json")["params"]
    assert stamp["seconds"] >= 0 and stamp["threads"] == 2
    newest = max(folder.rglob("*.*"), key=lambda file: file.stat().st_ctime_ns)
    assert newest.name == "stage.json"


def test_everything_is_run_once(project: Project, capsys):
    assert project.build() == STAGES
    capsys.readouterr()
    assert project.build() == []
    assert capsys.readouterr().out.splitlines() == [f"{stage}: unchanged" for stage in STAGES]


def test_an_unchanged_stage_gets_a_new_time_for_make(project: Project):
    project.main("run", "baseline")
    file = project.folder("baseline") / "stage.json"
    before = file.read_text()
    os.utime(file, (0, 0))
    project.main("run", "baseline")
    assert file.stat().st_mtime > 0 and file.read_text() == before


@pytest.mark.parametrize("command", ["run", "render"])
def test_what_is_edited_while_a_stage_runs_is_newer_for_make(project: Project, command: str):
    project.main("run", "baseline")
    if command == "run":
        project.change("baseline", "seed: 0", "seed: 1")
    edited = project.root / "edited"
    project.notebooks.meanwhile = edited.touch
    project.main(command, "baseline")
    file = "stage.json" if command == "run" else "01_baseline.ipynb"
    assert (project.folder("baseline") / file).stat().st_mtime < edited.stat().st_mtime


def test_a_full_disk_is_told_in_a_line(project: Project, capsys):
    project.notebooks.failure = OSError(errno.ENOSPC, "No space left on device")
    assert "No space left" in refusal(capsys, "run", "baseline", "--profile", "smoke")
    assert project.stamp("baseline") == {}


def test_a_stage_needs_those_before_it(project: Project, capsys):
    said = refusal(capsys, "run", "finetune", "--profile", "smoke")
    assert (
        said
        == "pretrain is not built yet and is needed here: run `make pretrain PROFILE=smoke` first"
    )
    assert project.notebooks.ran == []


def test_changed_parameters_run_their_stage_and_what_follows(project: Project):
    project.build()
    project.change("probe", "l2: 0.001", "l2: 0.01")
    (project.folder("probe") / "draws" / "old.npz").touch()
    assert project.build() == ["probe", "comparison"]
    assert project.notebooks.found[-2] == {"params.json"}  # the folder was cleared
    assert project.stamp("probe")["params"]["l2"] == 0.01


def test_changed_comments_run_nothing(project: Project):
    project.build()
    project.change("probe", "l2: 0.001", "l2: 1.0e-3  # the same")
    assert project.build() == []


@pytest.mark.parametrize(
    ("module", "rerun"),
    [
        ("loss", ["pretrain", "probe", "finetune", "comparison"]),
        ("supervised", ["baseline", "finetune", "comparison"]),
        ("measure", ["baseline", "probe", "finetune", "comparison"]),
        ("evaluate", ["comparison"]),
        ("claims", ["comparison"]),
        ("plots", []),
        ("narrative", []),
    ],
)
def test_changed_code_runs_what_it_shapes(project: Project, module: str, rerun: list[str]):
    project.build()
    project.code[module] = "second"
    assert project.build() == rerun


def test_changed_data_run_everything(project: Project):
    project.build()
    project.data = {"train_images": "1"}
    assert project.build() == STAGES


def test_the_key_of_a_stage_holds_those_before_it(project: Project):
    project.build()
    build = pipeline.Build("smoke", params.SOURCE)
    before = build.key("probe")
    stamp = project.stamp("pretrain")
    write_json(project.folder("pretrain") / "stage.json", stamp | {"key": "another"})
    assert build.key("probe") != before
    write_json(project.folder("pretrain") / "stage.json", stamp | {"seconds": 1e6})
    assert build.key("probe") == before  # what varies between equal runs is not in it


# ---- reuse ---------------------------------------------------------------------------------------


def test_a_variant_reuses_what_it_does_not_change(project: Project, capsys):
    project.build()
    project.variant("probe:\n  l2: 0.01\n")
    before = project.stamp("probe")
    capsys.readouterr()
    assert project.build("--variant", "mine") == ["probe", "comparison"]
    said = capsys.readouterr().out
    assert "baseline: the same as runs/smoke/source/baseline, reused" in said
    assert "pretrain: the same as runs/smoke/source/pretrain, reused" in said
    for stage in ("baseline", "pretrain", "finetune"):
        assert project.stamp(stage, "mine") == project.stamp(stage)
        copies = [project.folder(stage, variant) / "draws/0.npz" for variant in ("source", "mine")]
        assert copies[0].read_text() == copies[1].read_text()
    assert project.stamp("probe") == before
    assert project.stamp("probe", "mine")["key"] != before["key"]
    assert project.build("--variant", "mine") == []
    assert project.build() == []


def test_what_was_built_by_other_code_is_not_reused(project: Project):
    project.build()
    project.variant("probe:\n  l2: 0.01\n")
    project.code["loss"] = "second"
    assert project.build("--variant", "mine") == ["pretrain", "probe", "finetune", "comparison"]


def test_verification_reuses_nothing_of_the_committed_build(project: Project):
    project.build()
    assert project.build("--runs", "runs-verify") == STAGES
    assert (project.root / "runs-verify/smoke/source/comparison/stage.json").exists()
    assert project.notebooks.options["values"]["run_dir"] == "runs-verify/smoke/source"


# ---- failures ------------------------------------------------------------------------------------


def error_of(name: str, value: str) -> papermill.PapermillExecutionError:
    return papermill.PapermillExecutionError(3, 3, "code", name, value, ["a", "traceback"])


def test_a_failed_notebook_says_what_it_said_and_is_not_built(project: Project, capsys):
    project.notebooks.failure = error_of("UserError", "device: cuda is not on this machine")
    said = refusal(capsys, "run", "baseline", "--profile", "smoke")
    folder = project.folder("baseline")
    assert said.splitlines() == [
        "baseline: device: cuda is not on this machine",
        f"  the notebook so far: {folder / '01_baseline.partial.ipynb'}",
    ]
    assert {f.name for f in folder.glob("*.*")} == {"01_baseline.partial.ipynb", "params.json"}


def test_an_unforeseen_error_is_named_with_its_kind(project: Project, capsys):
    project.notebooks.failure = error_of("ZeroDivisionError", "division by zero")
    said = refusal(capsys, "run", "baseline", "--profile", "smoke")
    assert said.startswith("baseline: ZeroDivisionError: division by zero\n")


def test_a_label_draw_whose_process_dies_is_told_in_a_line(project: Project, capsys):
    project.notebooks.failure = error_of("TerminatedWorkerError", "A worker process …")
    said = refusal(capsys, "run", "baseline", "--profile", "smoke")
    assert said.startswith("baseline: a process with a label draw died, perhaps for want of memory")


def test_a_stage_whose_code_changed_while_it_ran_is_not_stamped(
    project: Project, capsys, monkeypatch
):
    def edited(*arguments, **options):
        project.notebooks(*arguments, **options)
        project.code["supervised"] = "second"

    monkeypatch.setattr(papermill, "execute_notebook", edited)
    said = refusal(capsys, "run", "baseline", "--profile", "smoke")
    assert said == "baseline: its code changed while it ran; run `make baseline` again"
    assert project.stamp("baseline") == {}


def test_runs_outside_the_project_are_refused(project: Project, capsys):
    said = refusal(capsys, "plan", "--profile", "smoke", "--runs", "/somewhere")
    assert said == f"runs: /somewhere is not in {project.root}; give a folder of the project"


def test_a_kernel_that_dies_is_told_in_a_line(project: Project, capsys):
    project.notebooks.failure = DeadKernelError("Kernel died")  # as when memory runs out
    said = refusal(capsys, "run", "baseline", "--profile", "smoke")
    assert said.startswith("baseline: ")
    assert project.stamp("baseline") == {}


def test_a_stage_that_fails_anew_is_no_longer_built(project: Project, capsys):
    project.build()
    project.change("baseline", "seed: 0", "seed: 1")
    project.notebooks.failure = error_of("UserError", "no")
    refusal(capsys, "run", "baseline", "--profile", "smoke")
    assert project.stamp("baseline") == {}
    refusal(capsys, "run", "comparison", "--profile", "smoke")


def test_an_interrupted_run_goes_on_where_it_stopped(project: Project, capsys):
    project.notebooks.failure = KeyboardInterrupt()
    with pytest.raises(SystemExit) as ended:
        project.main("run", "baseline")
    assert ended.value.code == 130
    assert "goes on where this one stopped" in capsys.readouterr().err
    assert project.stamp("baseline") == {}
    project.notebooks.failure = None
    project.main("run", "baseline")
    assert project.notebooks.ran == ["baseline", "baseline"]
    assert "draws/0.npz" in project.notebooks.found[1]
    names = {f.name for f in project.folder("baseline").glob("*.*")}
    assert names == {"01_baseline.ipynb", "params.json", "stage.json"}  # and no partial one


@pytest.mark.parametrize("what", ["parameters", "code"])
def test_an_interrupted_run_starts_anew_when_something_changed(project: Project, what: str):
    project.notebooks.failure = KeyboardInterrupt()
    with pytest.raises(SystemExit):
        project.main("run", "baseline")
    project.notebooks.failure = None
    if what == "code":
        project.code["supervised"] = "second"
    else:
        project.change("baseline", "seed: 0", "seed: 1")
    project.main("run", "baseline")
    assert project.notebooks.found[1] == {"params.json"}


# ---- render, publish, plan -----------------------------------------------------------------------


def test_a_redrawn_stage_keeps_its_stamp_and_what_it_trained(project: Project, capsys):
    assert refusal(capsys, "render", "baseline", "--profile", "smoke") == (
        "baseline is not built: run `make baseline PROFILE=smoke` first"
    )
    project.main("run", "baseline")
    before = (project.folder("baseline") / "stage.json").read_bytes()
    project.main("render", "baseline")
    assert project.notebooks.ran == ["baseline", "baseline"]
    assert "draws/0.npz" in project.notebooks.found[1]
    assert (project.folder("baseline") / "stage.json").read_bytes() == before
    assert (project.folder("baseline") / "01_baseline.ipynb").read_text() == "notebook 2"


def test_only_the_full_report_of_the_source_is_published(project: Project):
    project.variant("probe:\n  l2: 0.01\n")
    project.build()
    project.build("--variant", "mine")
    assert not paths.REPORTS.exists()
    for variant in ("source", "mine"):
        report = project.folder("report", variant)
        assert {f.name for f in report.iterdir()} == set(pipeline.PUBLISHED)
    for stage in STAGES:
        pipeline.main(["run", stage, "--profile", "full", "--runs", "runs-verify"])
    assert not paths.REPORTS.exists()
    for stage in STAGES:
        pipeline.main(["run", stage])
    assert {f.name for f in paths.REPORTS.iterdir()} == set(pipeline.PUBLISHED)


def test_what_was_published_is_put_back_and_renewed(project: Project):
    project.build()
    report = project.folder("report")
    (report / "results.csv").unlink()
    (report / "tables" / "gone.csv").touch()  # of an older comparison
    (report / "report.html").touch()
    project.main("run", "comparison")
    assert (report / "results.csv").exists() and (report / "report.html").exists()
    assert [f.name for f in (report / "tables").iterdir()] == ["table.csv"]
    project.main("render", "comparison")
    assert (report / "results.csv").read_text() == f"run {len(project.notebooks.ran)}"
    shutil.rmtree(project.folder("comparison") / "tables")  # an interrupted redrawing
    project.main("run", "comparison")
    assert [f.name for f in (report / "tables").iterdir()] == ["table.csv"]


def test_the_plan_says_what_is_to_do(project: Project, capsys, monkeypatch):
    monkeypatch.setattr(estimate, "images_per_second", lambda settings: 1000.0)
    project.main("run", "baseline")
    project.main("run", "pretrain")
    stamp = project.folder("baseline").with_name("data.stamp")
    stamp.touch()
    capsys.readouterr()
    project.main("plan")
    first, *lines, last = capsys.readouterr().out.splitlines()
    assert first == "runs/smoke/source: report in runs/smoke/source/report/"
    said = {line.split()[0]: " ".join(line.split()[1:]) for line in lines}
    assert list(said) == STAGES
    assert said["baseline"] == said["pretrain"] == "built"
    assert not stamp.exists()  # so that make asks every stage, whatever made the keys differ
    assert all(said[stage].startswith("about ") for stage in STAGES[2:])
    assert last.startswith("in all about ") and "1,000 images/s" in last
    project.change("pretrain", "temperature: 0.5", "temperature: 0.2")
    project.main("plan")
    assert "pretrain    about" in capsys.readouterr().out
    project.code["supervised"] = "second"
    project.main("plan")
    assert "baseline    about" in capsys.readouterr().out
    project.build()
    capsys.readouterr()
    stamp.touch()
    project.main("plan")
    assert "every stage is built" in capsys.readouterr().out and stamp.exists()


def test_the_plan_of_a_variant_says_what_it_reuses(project: Project, capsys, monkeypatch):
    monkeypatch.setattr(estimate, "images_per_second", lambda settings: 1000.0)
    project.build()
    project.variant("probe:\n  l2: 0.01\n")
    capsys.readouterr()
    project.main("plan", "--variant", "mine")
    lines = capsys.readouterr().out.splitlines()[1:-1]
    said = {line.split()[0]: " ".join(line.split()[1:]) for line in lines}
    assert said["pretrain"] == "the same as runs/smoke/source/pretrain"
    assert said["baseline"] == "the same as runs/smoke/source/baseline"
    assert said["finetune"] == "the same as runs/smoke/source/finetune"
    assert all(said[stage].startswith("about ") for stage in ("probe", "comparison"))


def test_a_comparison_is_not_that_of_another_variant(project: Project):
    """Its table of results names the variant."""
    project.build()
    project.variant("{}\n")
    assert project.build("--variant", "mine") == ["comparison"]


def test_the_work_of_few_labels_counts_the_steps_that_are_added(monkeypatch):
    monkeypatch.setattr(estimate, "_turns", lambda settings: 1)
    settings = params.load("finetune", "smoke")
    one = settings.model_copy(update={"n_labels": [10], "draws": [0], "min_steps": 40})
    more = one.model_copy(update={"min_steps": 50})
    added = estimate.work(more) - estimate.work(one)
    assert added == pytest.approx(10 * (50 - 40))


def test_cores_that_draws_leave_idle_are_counted(monkeypatch):
    """A draw has one thread of those that the speed was measured with."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr(measure, "workers", lambda device, draws: min(draws, 4))
    settings = params.load("probe", "smoke").model_copy(update={"device": "cpu"})
    for draws, turns in [(1, 4), (4, 4), (5, 8), (8, 8), (10, 12)]:
        assert estimate._turns(settings.model_copy(update={"draws": list(range(draws))})) == turns


def test_the_full_plan_takes_longer_than_the_others():
    def seconds(profile: str) -> float:
        found = params.check_all(profile, params.SOURCE)
        return sum(estimate.work(settings) for settings in found.values())

    assert seconds("full") > 5 * seconds("quick") > 10 * seconds("smoke") > 0


# ---- command line --------------------------------------------------------------------------------


def test_mistakes_in_parameters_are_told_before_anything_runs(project: Project, capsys):
    project.change("pretrain", "temperature: 0.5", "temperature: 0")
    project.change("comparison", "mistakes: 24", "mistakes: many")
    for command in (["check"], ["plan"], ["run", "baseline"]):
        lines = refusal(capsys, *command, "--profile", "smoke").splitlines()
        assert [line.split(": ")[:2] for line in lines] == [
            ["params/smoke/pretrain.yaml", "temperature"],
            ["params/smoke/comparison.yaml", "mistakes"],
        ]
    assert project.notebooks.ran == [] and not paths.RUNS.exists()


def test_check_is_silent_where_all_is_well(project: Project, capsys):
    project.main("check")
    assert capsys.readouterr() == ("", "")


def test_unknown_names_are_refused_in_one_line(project: Project, capsys):
    said = refusal(capsys, "check", "--profile", "fast")
    assert said == "profile: 'fast' is not one of full, quick, smoke"
    said = refusal(capsys, "check", "--variant", "mine")
    assert said.startswith("variant: 'mine' unknown; known: source, ")


@pytest.mark.parametrize(
    "arguments", [["run"], ["render"], ["plan", "probe"], ["run", "selftrain"]]
)
def test_a_command_and_its_stage(project: Project, capsys, arguments: list[str]):
    with pytest.raises(SystemExit) as ended:
        pipeline.main(arguments)
    assert ended.value.code == 2 and "usage:" in capsys.readouterr().err


def test_a_log_holds_a_live_line_once_a_minute_and_at_its_end(capsys, monkeypatch):
    """Where there is no terminal; chunks come as the kernel sends them, one a flush."""
    clock = iter([100, 100, 101, 159, 161, 161, 162])  # a line that is shown looks twice
    monkeypatch.setattr(pipeline, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    terminal = pipeline._Terminal()
    live = ["\rfit 1/9", "\rfit 2/9", "\rfit 3/9", "\rfit 4/9 ", "\rfit 9/9"]
    for chunk in ["start\n", *live, "\n", "half of a ", "line\n", "\rnext 1/1\nend\n"]:
        terminal.write(chunk)
    said = capsys.readouterr().out
    assert said == "start\nfit 1/9\nfit 4/9\nfit 9/9\nhalf of a line\nnext 1/1\nend\n"


# ---- what a stage rests on -----------------------------------------------------------------------

# They hand on, draw, tell or check, and compute nothing that a report quotes; fetch's bytes are in
# the key by their checksums. What evaluate computes is computed anew whenever a notebook is drawn.
NOT_NUMERIC = {
    *("params", "paths", "errors", "results", "display", "plots", "figstyle", "pictures"),
    *("curves", "charts", "files", "evaluate", "settings"),
    *("diagrams", "narrative", "provenance", "report", "fetch"),
}
# supervised imports probe for fine-tuning's head; the baseline does without, as is tested below.
NOT_USED = {"baseline": {"probe"}}


def imported(tree: ast.AST) -> set[str]:
    """The library's modules that some code imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "simclr":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("simclr."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("simclr.")}
    return {name for name in found if (LIBRARY / f"{name}.py").exists()}


def notebook_code(stage: str) -> str:
    book = json.loads((paths.NOTEBOOKS / f"{pipeline.NOTEBOOKS[stage]}.ipynb").read_text())
    return "\n".join("".join(c["source"]) for c in book["cells"] if c["cell_type"] == "code")


def resting_on(stage: str) -> set[str]:
    """The modules that a notebook imports, and those that these import, and so on."""
    found, waiting = set(), imported(ast.parse(notebook_code(stage))) - NOT_NUMERIC
    while waiting:
        module = waiting.pop()
        found.add(module)
        new = imported(ast.parse((LIBRARY / f"{module}.py").read_text())) - NOT_NUMERIC
        waiting |= new - found
    return found


def hashed(stage: str) -> set[str]:
    """The modules in a stage's key, with those in the keys of the stages before it."""
    return set(CODE[stage]).union(*map(hashed, BEFORE[stage]))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stages_key_holds_every_module_that_shapes_its_numbers(stage: str):
    needed = resting_on(stage) - NOT_USED.get(stage, set())
    assert needed - hashed(stage) == set()
    assert set(CODE[stage]) - {"evaluate"} <= resting_on(stage)  # and none that it does not use


def test_the_baseline_uses_nothing_of_the_probe():
    tree = ast.parse((LIBRARY / "supervised.py").read_text())
    (names,) = [
        {alias.asname or alias.name for alias in node.names}
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "simclr.probe"
    ]
    users = {
        function.name
        for function in tree.body
        if isinstance(function, ast.FunctionDef)
        and names & {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    }
    assert users == {"finetuning"}


def test_the_stages_are_the_notebooks_in_order():
    on_disk = sorted(file.stem for file in paths.NOTEBOOKS.glob("*.ipynb"))
    assert sorted(pipeline.NOTEBOOKS.values()) == list(pipeline.NOTEBOOKS.values()) == on_disk
    assert STAGES == list(params.STAGES) == list(BEFORE) == list(CODE)
    for position, stage in enumerate(STAGES):
        assert pipeline.NOTEBOOKS[stage][3:] == stage
        assert set(BEFORE[stage]) <= set(STAGES[:position])


def test_make_draws_again_for_every_module_that_draws():
    found, waiting = set(), {"plots"}
    while waiting:
        module = waiting.pop()
        found.add(module)
        new = imported(ast.parse((LIBRARY / f"{module}.py").read_text())) & NOT_NUMERIC
        waiting |= new - found
    rule = re.search(r"^LOOKS := (.*?\n\t.*)$", (paths.ROOT / "Makefile").read_text(), re.M)
    listed = set(re.findall(r"(\w+)\.py", rule[1]))
    handing_on = {"paths", "errors", "params", "results", "files"}
    assert listed == (found | {"narrative", "settings", "display"}) - handing_on


@pytest.mark.parametrize("stage", STAGES)
def test_a_notebook_reads_only_stages_that_its_key_holds(stage: str):
    """By name, `stage.before("x")`; the comparison goes through all that it may read."""
    read, dynamic = set(), False
    for node in ast.walk(ast.parse(notebook_code(stage))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "before":
                (argument,) = node.args
                dynamic |= not isinstance(argument, ast.Constant)
                read |= {argument.value} if isinstance(argument, ast.Constant) else set()
            assert node.func.attr != "read_draws" or stage == "comparison"
    assert dynamic == (stage == "comparison")
    assert read <= set(BEFORE[stage]) and (dynamic or read == set(BEFORE[stage]))


def test_user_errors_reach_the_caller_of_the_library(project: Project):
    with pytest.raises(UserError, match="make pretrain"):
        pipeline.Build("smoke", params.SOURCE).key("probe")
