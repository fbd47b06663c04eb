"""The notebooks: their form, what they refer to, and one run of all of them on real images."""

import ast
import inspect
import json
import math
import os
import re
import shutil
from itertools import pairwise
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from simclr import claims, evaluate, files, narrative, params, paths, pipeline, report, results

FILES = sorted(paths.NOTEBOOKS.glob("*.ipynb"))
BOOKS = {file.stem: nbformat.read(file, as_version=4) for file in FILES}
NAMES = list(BOOKS)
LONGEST = 24  # lines of a code cell, parameters aside
KINDS = "fig|tbl|sec|eq"


def cells(name: str, kind: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in BOOKS[name].cells if cell.cell_type == kind]


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def parameters(name: str) -> nbformat.NotebookNode:
    (cell,) = [cell for cell in BOOKS[name].cells if "parameters" in tags(cell)]
    return cell


def prose(name: str) -> str:
    return "\n\n".join(cell.source for cell in cells(name, "markdown"))


def code(name: str) -> str:
    return "\n".join(cell.source for cell in cells(name, "code"))


# ---- form ----------------------------------------------------------------------------------------


def test_there_are_five_and_the_fifth_number_is_free():
    assert NAMES == ["01_baseline", "02_pretrain", "03_probe", "04_finetune", "06_comparison"]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_valid_and_stripped(name: str):
    nbformat.validate(BOOKS[name])
    for cell in cells(name, "code"):
        assert cell.outputs == [] and cell.execution_count is None
    assert set(BOOKS[name].metadata) <= {"kernelspec", "language_info", "simclr"}
    assert BOOKS[name].metadata.kernelspec.name == "python3"
    assert "version" not in BOOKS[name].metadata.get("language_info", {})
    ids = [cell.id for cell in BOOKS[name].cells]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", NAMES)
def test_it_opens_with_title_question_inputs_and_outputs(name: str):
    first = BOOKS[name].cells[0]
    assert first.cell_type == "markdown"
    assert re.match(r"# \S.* \{#sec-[a-z-]+\}\n", first.source)
    for part in ("**Question.**", "*Reads*", "*Writes*"):
        assert part in first.source
    # one H1; those of `front` cells are sections of the report's front
    heads = [
        line
        for cell in cells(name, "markdown")
        if "front" not in tags(cell)
        for line in cell.source.splitlines()
        if line.startswith("# ")
    ]
    assert len(heads) == 1
    assert "parameters" in tags(BOOKS[name].cells[1])


@pytest.mark.parametrize("name", NAMES)
def test_it_ends_by_saving_and_saying_what_is_next(name: str):
    assert "save_numbers(numbers)" in cells(name, "code")[-1].source
    assert re.search("^Saved?[: ]", cells(name, "markdown")[-1].source)
    if name != NAMES[-1]:
        assert f"Next: {NAMES[NAMES.index(name) + 1]}" in cells(name, "markdown")[-1].source


@pytest.mark.parametrize("name", NAMES)
def test_every_code_cell_is_introduced(name: str):
    kinds = [cell.cell_type for cell in BOOKS[name].cells]
    assert set(kinds) == {"markdown", "code"}
    for before, kind in pairwise(kinds):
        assert (before, kind) != ("code", "code")


@pytest.mark.parametrize("name", NAMES)
def test_cells_are_short_and_hold_no_machinery(name: str):
    for cell in cells(name, "code"):
        tree = ast.parse(cell.source)
        for node in ast.walk(tree):
            assert not isinstance(
                node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.While | ast.Try
            ), cell.source
            called = node.func if isinstance(node, ast.Call) else None
            assert getattr(called, "attr", "") not in ("backward", "step"), cell.source
        assert "parameters" in tags(cell) or len(cell.source.splitlines()) <= LONGEST, cell.source


@pytest.mark.parametrize("name", NAMES)
def test_tags_are_those_that_the_report_knows(name: str):
    known = {"parameters", "remove-cell", "remove-input", "front"}
    for cell in BOOKS[name].cells:
        assert set(tags(cell)) <= known
        assert "front" not in tags(cell) or name == NAMES[-1]


# ---- parameters ----------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", params.STAGES)
def test_the_parameters_cell_is_what_make_builds_with(stage: str):
    tree = ast.parse(parameters(pipeline.NOTEBOOKS[stage]).source)
    assert all(isinstance(node, ast.Assign) and len(node.targets) == 1 for node in tree.body)
    cell = {node.targets[0].id: ast.literal_eval(node.value) for node in tree.body}
    assert len(cell) == len(tree.body)
    assert cell.pop("run_dir") == "runs/full/source"
    full = params.load(stage, "full").model_dump(mode="json")
    assert cell == full
    # of the types that papermill shows, too: 20 where a float belongs would be shown as int
    assert {name: type(value) for name, value in cell.items()} == {
        name: type(value) for name, value in full.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_has_its_comment(name: str):
    for line in parameters(name).source.splitlines():
        assert re.fullmatch(r"\w+ = .*\S  # \S.*", line), line


# ---- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES[:4])
def test_no_result_is_typed_by_hand(name: str):
    """Neither in the text nor in the sentences that numbers are filled into."""
    spoken = [
        node.value
        for node in ast.walk(ast.parse(code(name)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
    ]
    texts = [re.sub(r"\{[^{}]*\}", "", text) for text in spoken]
    for cell in cells(name, "markdown"):
        texts.append(re.sub(r"\$[^$]+\$", "", cell.source))
    for text in texts:
        found = re.findall(r"\d+\.\d+|\d+\s*%|\d+ points|\d+ per ?cent", text)
        assert not found, text


def labels() -> list[str]:
    """Every label that is defined, as often as it is."""
    found = []
    for name in NAMES:
        found += re.findall(rf"\{{#((?:{KINDS})-[a-z0-9-]+)\b", prose(name))
        for node in ast.walk(ast.parse(code(name))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found += re.findall(rf"^(?:{KINDS})-[a-z0-9-]+$", node.value)
    return found


def texts() -> dict[str, str]:
    """Whatever may hold a reference."""
    modules = {m.__name__: Path(m.__file__).read_text() for m in (narrative, claims)}
    return modules | {name: prose(name) + "\n" + code(name) for name in NAMES}


def test_labels_are_unique():
    found = labels()
    assert len(found) > 30
    assert sorted(set(found)) == sorted(found)


@pytest.mark.parametrize("where", texts())
def test_every_reference_leads_somewhere(where: str):
    text = texts()[where]
    assert set(re.findall(rf"@((?:{KINDS})-[a-z0-9-]*[a-z0-9])", text)) <= set(labels())
    for link in re.findall(r"\]\(([^)#\s]+)\)", text):
        assert (paths.NOTEBOOKS / link).exists(), link


def test_every_citation_is_in_the_bibliography():
    entries = re.findall(r"^@\w+\{([\w-]+),", report.BIBLIOGRAPHY.read_text(), re.MULTILINE)
    assert len(set(entries)) == len(entries)
    cited = set()
    for name in NAMES:
        cited |= set(re.findall(r"(?<![\w.])@([A-Za-z][\w-]*)", prose(name)))
    cited = {key for key in cited if not re.match(rf"({KINDS})-", key)}
    assert len(cited) > 10
    assert cited <= set(entries)


def test_what_the_prose_quotes_is_computed_somewhere():
    """Names in the sentences of 01 to 04, which say them with the numbers of their own notebook."""
    summed_up = inspect.getsource(evaluate.pretraining)
    for name in NAMES[:4]:
        quoted = set()
        for call in ast.walk(ast.parse(code(name))):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "say":
                strings = [n.value for n in ast.walk(call.args[0]) if isinstance(n, ast.Constant)]
                quoted |= set(re.findall(r"\{(\w+)[:}]", "".join(map(str, strings))))
        assert quoted
        unknown = {
            quote
            for quote in quoted
            if f'"{quote}"' not in code(name)
            and f'"{quote.removeprefix("pretrain_")}"' not in summed_up
            and not re.match(rf"({'|'.join(results.METHODS)})_accuracy_", quote)
        }
        assert not unknown, name


# ---- the whole, on real images -------------------------------------------------------------------

OPTIONS = ["--profile", "smoke", "--runs", f"runs/test-{os.getpid()}"]
METHODS, DRAWS, SIZES = list(results.METHODS), [0, 1], [10, 20]


@pytest.fixture(scope="module")
def built():
    """A smoke run of every notebook and both exports, by the commands that make uses."""
    runs = paths.ROOT / OPTIONS[-1]
    try:
        for stage in pipeline.NOTEBOOKS:
            pipeline.main(["run", stage, *OPTIONS])
        for kind in ("html", "pdf"):
            report.main([kind, *OPTIONS])
        yield runs / "smoke" / "source"
    finally:
        shutil.rmtree(runs, ignore_errors=True)


@pytest.mark.slow
def test_every_stage_is_built_and_stamped(built: Path):
    for stage, name in pipeline.NOTEBOOKS.items():
        stamp = files.read_json(built / stage / "stage.json")
        assert stamp["params_hash"] == params.load(stage, "smoke").hash
        assert stamp["seconds"] > 0 and stamp["versions"]["torch"] and stamp["threads"] >= 1
        assert (built / stage / f"{name}.ipynb").exists()
    assert not list(built.rglob("*.partial.ipynb"))
    assert not list(built.rglob("*.tmp*"))
    for method, stage in results.METHODS.items():  # and nothing went to runs/explore/
        folder = built / stage
        assert [f.name for f in sorted((folder / "draws").glob(f"{method}-[0-9]*"))] == [
            f"{method}-{draw:03d}.npz" for draw in DRAWS
        ]
        classifier = results.load_classifier(folder / f"classifier-{method}.safetensors")
        assert sum(p.numel() for p in classifier.parameters()) == 1_677_674


@pytest.mark.slow
def test_the_results_are_whole(built: Path):
    table = pd.read_csv(built / "report" / "results.csv")
    assert list(table.columns) == results.COLUMNS
    keys = {(row.method, row.draw, row.n_labels) for row in table.itertuples()}
    assert keys == {(m, k, n) for m in METHODS for k in DRAWS for n in SIZES}
    assert len(table) == len(keys)
    assert (table.accuracy == table.correct / table.n_test).all()
    assert table.accuracy.between(0, 1).all()
    assert set(table.n_test[table.n_labels == 20]) == {500}
    assert set(table.n_test[table.n_labels == 10]) == {200}
    assert set(table.variant) == {"source"} and set(table.dataset) == {"mnist"}
    assert table.pretrain_seed.notna().equals(table.method.isin(["probe", "finetune"]))


@pytest.mark.slow
def test_the_numbers_are_finite_and_the_provenance_whole(built: Path):
    numbers = json.loads((built / "report" / "numbers.json").read_text())
    assert len(numbers) > 400
    for name, value in numbers.items():
        assert isinstance(value, str) or math.isfinite(value), name
    assert numbers["compared_draws"] == 2 and numbers["compared_labels"] == 20
    assert numbers["network_parameters"] == 1_677_674
    for method in METHODS:
        assert sum(
            numbers[f"{method}_confusion_{i}_{j}"] for i in range(10) for j in range(10)
        ) == pytest.approx(10_000)
    provenance = json.loads((built / "report" / "provenance.json").read_text())
    assert set(provenance["stages"]) == {"baseline", "pretrain", "probe", "finetune"}
    assert len(provenance["data"]["idx"]) == 4
    tables = {file.stem for file in (built / "report" / "tables").glob("*.csv")}
    assert {"accuracy", "differences", "classes", "costs", "claims"} <= tables


@pytest.mark.slow
def test_the_report_holds_every_figure(built: Path):
    wanted = {label for label in labels() if label.startswith("fig-")}
    assert {file.stem for file in (built / "report" / "figures").glob("*.svg")} == wanted
    page = (built / "report" / "report.html").read_text()
    assert all(f'id="{label}"' in page for label in labels() if not label.startswith("eq-"))
    assert (built / "report" / "report.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.slow
def test_the_mistakes_are_counted_as_they_are_shown(built: Path):
    """The caption's number is that of the pictures."""
    book = nbformat.read(built / "comparison" / "06_comparison.ipynb", as_version=4)
    (caption,) = [
        output.metadata.simclr.caption
        for cell in book.cells
        for output in cell.get("outputs", [])
        if output.get("metadata", {}).get("simclr", {}).get("label") == "fig-mistakes"
    ]
    many = params.load("comparison", "smoke").mistakes
    assert caption.startswith(f"The {many} most confident mistakes")


@pytest.mark.slow
def test_executed_notebooks_leave_no_widget_and_no_error(built: Path):
    for stage, name in pipeline.NOTEBOOKS.items():
        book = nbformat.read(built / stage / f"{name}.ipynb", as_version=4)
        assert "widgets" not in book.metadata
        for cell in book.cells:
            for output in cell.get("outputs", []):
                assert output.output_type != "error"
                assert output.get("name") != "stderr", output.text


def trained(built: Path) -> dict[str, object]:
    """When training wrote each draw and checkpoint, and the weights that it left.

    (Notebook 02 saves the encoder that it has each time, so the weights' bytes are what counts.)
    """
    files = [f for f in built.rglob("*") if f.suffix in (".npz", ".pt")]
    weights = {str(f): f.read_bytes() for f in built.rglob("*.safetensors")}
    return {str(f): f.stat().st_mtime_ns for f in files} | weights


@pytest.mark.slow
def test_a_second_run_does_nothing(built: Path, capsys):
    before, books = trained(built), {f: f.stat().st_mtime_ns for f in built.rglob("*.ipynb")}
    assert len(before) > 12
    for stage in pipeline.NOTEBOOKS:
        pipeline.main(["run", stage, *OPTIONS])
    assert capsys.readouterr().out.splitlines() == [f"{s}: unchanged" for s in pipeline.NOTEBOOKS]
    assert (trained(built) == before) is True  # no listing of megabytes where it is not
    assert {f: f.stat().st_mtime_ns for f in built.rglob("*.ipynb")} == books


@pytest.mark.slow
def test_a_notebook_run_again_trains_nothing(built: Path):
    """What Run All in Jupyter does on what is built, and what make does when plots.py changed."""
    before = trained(built)
    numbers = (built / "pretrain" / "numbers.json").read_bytes()
    pipeline.main(["render", "pretrain", *OPTIONS])
    assert (trained(built) == before) is True
    assert (built / "pretrain" / "numbers.json").read_bytes() == numbers


@pytest.mark.slow
def test_a_build_agrees_with_itself_and_with_no_other(built: Path, tmp_path: Path, capsys):
    other = shutil.copytree(built / "report", tmp_path / "other")
    numbers = files.read_json(other / "numbers.json")
    files.write_json(other / "numbers.json", numbers | {"probe_accuracy_mean": 2.0})
    for against, status, said in [
        (built / "report", 0, "the committed report is reproduced\n"),
        (other, 1, "1 not reproduced\n"),
    ]:
        with pytest.raises(SystemExit) as ended:
            pipeline.main(["verify", *OPTIONS, "--against", str(against)])
        assert ended.value.code == status
        assert capsys.readouterr().out.endswith(said)
