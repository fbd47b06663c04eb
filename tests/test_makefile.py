"""The build graph, on a copy of the tree whose .venv/bin/python only writes down what it is asked.

Nothing is computed: the stand-in for Python writes each stage's files as the real one does. So what
is tested is the graph: what make asks for, in what order, and when it asks for nothing.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from simclr import paths, pipeline, results

STAGES = list(pipeline.NOTEBOOKS)
EXPORTS = ["report html", "report pdf"]
LOOKS = ("plots.py", "display.py", "report.mplstyle")

FAKE_PYTHON = """#!/bin/sh
case "$1 $2" in
"-c pass") exit 0 ;;
"-c import sys"*) echo "${FAKE_STATE-new venv}"; exit 0 ;;
esac
echo "begin $*" >> calls; env > environment
report() { [ $1 = runs/full/source ] && folder=reports || folder=$1/report; mkdir -p $folder; }
[ -n "$FAKE_SLOW" ] && sleep 0.05
[ "$FAKE_FAIL" = "$3 $4" ] && { echo broken > partial; exit 1; }
case "$*" in
"-m venv --clear .venv") rm -rf .venv; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
"-m simclr.data"*) mkdir -p data/mnist; echo {} > data/mnist/checksums.json ;;
"-m simclr.pipeline run"* | "-m simclr.pipeline render"*)
    folder=${10:-runs}/$6/$8/$4; mkdir -p $folder
    [ -n "$FAKE_REUSE" ] || cp notebooks/*_$4.ipynb $folder
    [ $3 = render ] || echo {} > $folder/stage.json
    [ $4 = comparison ] && report ${10:-runs}/$6/$8 && echo > $folder/results.csv ;;
"-m simclr.report"*)
    report ${9:-runs}/$5/$7; echo > $folder/report.$3 ;;
esac
echo "end $*" >> calls
"""


class Tree:
    """A copy of what make looks at, with nothing built."""

    def __init__(self, root: Path, like: "Tree | None" = None) -> None:
        self.root = root
        if like:
            shutil.copytree(like.root, root)  # times of files included
            self.installed_here()
            return
        for name in ("lib", "params", "notebooks"):
            shutil.copytree(
                paths.ROOT / name,
                root / name,
                ignore=shutil.ignore_patterns("__pycache__", "*.egg-*"),
            )
        for name in ("Makefile", "pyproject.toml", "requirements.lock"):
            shutil.copy(paths.ROOT / name, root)
        self.python = root / "fake python"
        self.write(self.python, FAKE_PYTHON)
        self.write(root / ".venv/bin/python", FAKE_PYTHON)
        self.installed_here()
        self.age()

    def installed_here(self) -> None:
        (self.root / ".venv/.installed").write_text(f"{self.root}\n")

    def write(self, file: Path, text: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)

    def age(self) -> None:
        """Make every file 1000 s older, so that what is touched next is newer without doubt."""
        for file in self.root.rglob("*"):
            if file.is_file():
                t = file.stat().st_mtime_ns - 1000 * 10**9
                os.utime(file, ns=(t, t))

    def touch(self, file: str) -> None:
        assert (self.root / file).exists(), f"{file} is gone: this test must follow"
        (self.root / file).touch()

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        kept = {k: v for k, v in os.environ.items() if "MAKE" not in k and k != "MFLAGS"}
        return subprocess.run(
            ["make", *arguments],
            cwd=self.root,
            env={**kept, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def asked(self, *arguments: str, **environment: str) -> list[str]:
        """What a make that succeeds asked of Python, in short: `run probe`, `report html`, …"""
        self.calls(clear=True)
        done = self.make(*arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        found = [line.split(maxsplit=1)[1] for line in self.calls() if line.startswith("begin")]
        short = [re.sub(r"-m (simclr\.(pipeline )?)?| --.*", "", call) for call in found]
        self.age()
        return [call for call in short if call != "plan"]

    def calls(self, clear: bool = False) -> list[str]:
        log = self.root / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        if clear:
            log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "a folder")  # make and paths with spaces often disagree


@pytest.fixture(scope="module")
def once_built(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    tree = Tree(tmp_path_factory.mktemp("built") / "tree")
    assert tree.asked("report") == ["data", *(f"run {s}" for s in STAGES), *EXPORTS]
    return tree


@pytest.fixture
def built(tmp_path: Path, once_built: Tree) -> Tree:
    return Tree(tmp_path / "a folder", like=once_built)


def one_line(done: subprocess.CompletedProcess) -> str:
    assert done.returncode != 0
    (line,) = done.stderr.strip().splitlines()
    return line


# ---- What a newcomer meets ----


def test_make_alone_prints_every_target_and_setting(tree: Tree):
    lines = tree.make().stdout.splitlines()
    shown = {line.split()[0] for line in lines if line.startswith("  ")}
    targets = ["setup", "data", "report", "html", "pdf", "verify", "lab"]
    targets += ["test", "lint", "format", "lock", "clean", "distclean"]
    settings = {"PROFILE=full|quick|smoke", "VARIANT=name", "DATASET=fashion-mnist"}
    assert shown >= {*targets, *STAGES, *settings}
    assert tree.calls() == []


def test_every_target_without_a_file_is_declared_phony():
    text = (paths.ROOT / "Makefile").read_text()
    phony = set(" ".join(re.findall(r"^\.PHONY:(.*)", text, re.M)).split())
    helped = set(re.findall(r"^([a-z]+):[^#\n]*## ", text, re.M))
    assert helped - phony - set(STAGES) == set()  # the stages' line is in the template


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["PROFILE=fast"], ["PROFILE=fast", "full, quick or smoke"]),
        (["PROFILE="], ["full, quick or smoke"]),
        (["VARIANT=nonesuch"], ["params/variants/nonesuch.yaml", "source", "fashion-mnist"]),
        (["DATASET=cifar"], ["params/variants/cifar.yaml", "fashion-mnist"]),
        (["VARIANT=fashion-mnist", "DATASET=mnist"], ["VARIANT=", "DATASET=", "one of them"]),
        (["MAKE_VERSION=3.81"], ["GNU make 4", "3.81", "gmake"]),
    ],
)
def test_a_wrong_setting_is_one_clear_line(tree: Tree, arguments: list[str], words: list[str]):
    line = one_line(tree.make("report", *arguments))
    assert all(word in line for word in words), line
    assert tree.calls() == []


@pytest.mark.parametrize(
    ("python", "state", "words"),
    [
        ("/nonexistent", "", ["Python 3.11", "/nonexistent", "PYTHON=", "apt install"]),
        ("'./fake python'", "", ["Python 3.11", "PYTHON="]),
        ("'./fake python'", "new", ["venv module", "apt install python3-venv"]),
    ],
)
def test_a_missing_python_is_one_clear_line(tree: Tree, python: str, state: str, words: list[str]):
    shutil.rmtree(tree.root / ".venv")
    line = one_line(tree.make("report", f"PYTHON={python}", FAKE_STATE=state))
    assert all(word in line for word in words), line


# ---- .venv ----

INSTALL = ["pip install", "uv pip install", "uv pip install"]


def installs(tree: Tree, **environment: str) -> list[str]:
    return tree.asked("setup", "PYTHON='./fake python'", **environment)


def test_an_interrupted_install_is_begun_anew(tree: Tree):
    shutil.rmtree(tree.root / ".venv")
    assert tree.make("setup", "PYTHON='./fake python'", FAKE_FAIL="pip install").returncode
    assert not (tree.root / ".venv/.installed").exists()
    assert installs(tree) == ["venv", *INSTALL]
    assert installs(tree) == []


def test_a_new_lock_updates_and_a_moved_checkout_installs_anew(tree: Tree):
    tree.touch("requirements.lock")
    assert installs(tree) == INSTALL
    moved = tree.root.with_name("elsewhere")
    tree.root.rename(moved)
    tree.root = moved
    assert installs(tree) == ["venv", *INSTALL]
    assert installs(tree) == []


def test_other_environments_stay_outside_and_the_package_index_does_not(tree: Tree):
    foreign = dict.fromkeys(
        [
            "PYTHONPATH",
            "PYTHONHOME",
            "PYTHONDONTWRITEBYTECODE",
            "VIRTUAL_ENV",
            "PIP_TARGET",
            "UV_SYSTEM_PYTHON",
        ],
        "foreign",
    )
    # PROFILE and VARIANT are common names: only the command line sets ours.
    own = {"PIP_INDEX_URL": "kept", "UV_DEFAULT_INDEX": "kept", "PROFILE": "x", "VARIANT": "x"}
    tree.touch("requirements.lock")
    assert installs(tree, **foreign, **own) == INSTALL
    seen = dict(
        line.split("=", 1)
        for line in (tree.root / "environment").read_text().splitlines()
        if "=" in line
    )
    assert not foreign.keys() & seen.keys()
    assert seen["PIP_INDEX_URL"] == seen["UV_DEFAULT_INDEX"] == "kept"
    assert seen["PYTHONNOUSERSITE"] == "1"


# ---- The graph ----


def test_the_second_time_nothing_is_done(built: Tree):
    assert built.asked("report") == []
    assert "up to date: reports/report.html" in built.make("report").stdout


def test_the_makefile_knows_the_modules_that_the_pipeline_hashes():
    text = (paths.ROOT / "Makefile").read_text()
    found = re.findall(r"^\$\(eval \$\(call stage,(.*)\)\)$", text, re.M)
    for name, notebook, modules, *before in (line.split(",") for line in found):
        assert notebook == pipeline.NOTEBOOKS[name]
        assert set(modules.split()) == set(results.CODE[name])
        assert set(" ".join(before).split()) == set(results.BEFORE[name])
    assert [line.split(",")[0] for line in found] == STAGES


@pytest.mark.parametrize(
    "file", ["plots.py", "display.py", "report.mplstyle", "report.py", "params.py", "pipeline.py"]
)
def test_drawing_and_writing_code_never_retrains(built: Tree, file: str):
    built.touch(f"lib/simclr/{file}")
    redrawn = [f"render {s}" for s in STAGES] if file in LOOKS else []
    assert built.asked("report") == redrawn + (EXPORTS if redrawn or file == "report.py" else [])
    assert built.asked("report") == []


def test_an_edited_notebook_is_run_again_and_what_quotes_it(built: Tree):
    built.touch("notebooks/03_probe.ipynb")
    assert built.asked("report") == ["render probe", "render comparison", *EXPORTS]
    assert built.asked("report") == []


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("params/full/finetune.yaml", ["finetune", "comparison"]),
        ("params/full/baseline.yaml", ["baseline", "comparison"]),
        ("params/full/pretrain.yaml", ["pretrain", "probe", "finetune", "comparison"]),
        ("params/full/comparison.yaml", ["comparison"]),
        ("params/full/common.yaml", STAGES),
        ("params/smoke/pretrain.yaml", []),
        ("lib/simclr/probe.py", ["probe", "finetune", "comparison"]),
        ("lib/simclr/loss.py", ["pretrain", "probe", "finetune", "comparison"]),
        ("lib/simclr/claims.py", ["comparison"]),
    ],
)
def test_a_change_reruns_its_stages_and_what_follows(built: Tree, file: str, stages: list[str]):
    built.touch(file)
    asked = [call for call in built.asked("report") if call != "data"]
    assert asked == [f"run {s}" for s in stages] + (EXPORTS if stages else [])
    assert built.asked("report") == []


def test_a_reused_stage_renews_its_stamp_and_no_picture(built: Tree):
    built.touch("params/full/baseline.yaml")
    # Exports cost seconds, and a stage may be found in another folder, with notebooks of long ago.
    asked = built.asked("report", FAKE_REUSE="1")
    assert asked == ["run baseline", "run comparison", *EXPORTS]
    assert built.asked("report") == []


def test_a_reused_stage_is_still_redrawn_when_its_looks_changed(built: Tree):
    built.touch("params/full/baseline.yaml")
    built.touch("lib/simclr/plots.py")
    asked = built.asked("baseline", FAKE_REUSE="1")
    assert asked == ["run baseline", "render baseline"]


def test_a_failed_stage_is_never_taken_for_built(tree: Tree):
    failed = tree.make("report", FAKE_FAIL="run probe")
    assert failed.returncode != 0
    assert not (tree.root / "runs/full/source/probe/stage.json").exists()
    assert not (tree.root / "reports").exists()
    rest = ["probe", "finetune", "comparison"]
    assert tree.asked("report") == [*(f"run {s}" for s in rest), *EXPORTS]


def test_jobs_keep_the_order_and_never_run_two_at_once(tree: Tree):
    asked = tree.asked("-j4", "report", FAKE_SLOW="1")
    assert asked == ["data", *(f"run {s}" for s in STAGES), *EXPORTS]
    kinds = [line.split()[0] for line in tree.calls()]
    assert kinds == ["begin", "end"] * (len(kinds) // 2)


def test_a_removed_report_is_written_again_without_training(built: Tree):
    shutil.rmtree(built.root / "reports")
    assert built.asked("report") == ["run comparison", *EXPORTS]  # finds its numbers unchanged
    assert (built.root / "reports/results.csv").exists()


def test_one_stage_builds_what_it_needs_and_no_more(tree: Tree):
    assert tree.asked("probe") == ["data", "run pretrain", "run probe"]
    assert tree.asked("baseline") == ["run baseline"]


# ---- Profiles, variants, data, verify ----


def test_profiles_and_variants_build_in_folders_of_their_own(built: Tree):
    asked = built.asked("report", "PROFILE=smoke", "DATASET=fashion-mnist")
    assert asked == ["data", *(f"run {s}" for s in STAGES), *EXPORTS]
    assert (built.root / "runs/smoke/fashion-mnist/report/report.pdf").exists()
    assert built.asked("report") == []  # the full report is as it was
    assert built.asked("report", "PROFILE=smoke", "VARIANT=fashion-mnist") == []  # the same one
    built.touch("params/variants/fashion-mnist.yaml")
    assert "run pretrain" in built.asked("report", "PROFILE=smoke", "DATASET=fashion-mnist")
    assert built.asked("report", "DATASET=mnist") == []


def test_data_are_checked_when_asked_for_and_fetched_when_gone(built: Tree):
    assert built.asked("data") == ["data"]
    shutil.rmtree(built.root / "data")
    assert built.asked("baseline", FAKE_REUSE="1") == ["data", "run baseline"]


def test_verify_rebuilds_in_another_folder(built: Tree):
    asked = built.asked("verify")
    assert asked == ["data", *(f"run {s}" for s in STAGES), *EXPORTS, "verify"]
    assert built.calls()[-1].endswith("--runs runs-verify --against reports")
    assert (built.root / "runs-verify/full/source/report/report.html").exists()
    assert built.asked("verify") == asked  # from nothing each time
    assert built.asked("report") == []


def test_verify_needs_a_report_to_compare_with(tree: Tree):
    refused = tree.make("verify")
    assert refused.returncode == 2 and tree.calls() == []
    assert "there is no reports/results.csv to compare with" in refused.stdout


def test_clean_leaves_the_report_the_data_and_other_profiles(built: Tree):
    built.asked("report", "PROFILE=smoke")
    assert built.asked("clean", "PROFILE=smoke") == []
    left = {str(p.relative_to(built.root)) for p in (built.root / "runs").glob("*/*/*/stage.json")}
    assert left == {f"runs/full/source/{s}/stage.json" for s in STAGES}
    built.make("distclean")
    assert not any((built.root / name).exists() for name in ("runs", "data", ".venv"))
    assert (built.root / "reports/report.pdf").exists()
