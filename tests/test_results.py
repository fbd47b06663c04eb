"""What stages hand each other: whole files or none, and folders that keep apart."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from simclr import params, paths, results
from simclr.errors import UserError
from simclr.files import locked, read_json, write_atomically, write_csv, write_json
from simclr.model import Classifier, Encoder

RUN = "runs/smoke/source"


@pytest.fixture
def root(tmp_path: Path, monkeypatch) -> Path:
    """A project folder of its own."""
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    return tmp_path


@pytest.fixture(scope="module")
def probe_settings() -> params.ProbeParams:
    return params.load("probe", "smoke")


@pytest.fixture(scope="module")
def network() -> Classifier:
    torch.manual_seed(0)
    return Classifier(Encoder()).eval()


def make_draw(labels=(10, 20), tests=(50, 80), seed=0) -> results.Draw:
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame({"n_labels": labels, "correct": rng.integers(0, 50, 2), "n_test": tests})
    rows["accuracy"], rows["seconds"] = rows.correct / rows.n_test, 1.5
    history = pd.DataFrame({"epoch": [1, 2], "loss": [2.3, 0.4], "accuracy": [0.1, 1.0]})
    return results.Draw(rows, history, rng.random((80, 10)).astype(np.float16))


def mark_built(root: Path, stage: str, settings, run_dir: str = RUN) -> Path:
    """The two files that the pipeline writes around a stage."""
    folder, made = root / run_dir / stage, {"params": settings.model_dump(mode="json")}
    write_json(folder / "params.json", made | {"code": results.code_digests(stage)})
    write_json(folder / "stage.json", made | {"params_hash": settings.hash})
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


# ---- files ---------------------------------------------------------------------------------------


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    file = tmp_path / "new folder" / "a.txt"
    with write_atomically(file) as temporary:
        temporary.write_text("old")
        assert not file.exists() and temporary.parent == file.parent
    with pytest.raises(KeyboardInterrupt), write_atomically(file) as temporary:
        temporary.write_text("half of the new")
        raise KeyboardInterrupt
    assert files(file.parent) == {"a.txt": b"old"}


def test_a_second_process_says_that_it_waits(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from simclr.files import locked\n"
        "with locked(Path(sys.argv[1])): print('in')"
    )
    with locked(tmp_path / "new" / ".lock"):
        other = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "new" / ".lock")],
            stdout=subprocess.PIPE,
            text=True,
        )
        said = other.stdout.readline()
        assert said == f"{tmp_path / 'new'}: waiting for another process that works there\n"
        assert other.poll() is None
    assert other.communicate(timeout=60)[0] == "in\n"


def test_json_and_csv_are_written_whole(tmp_path: Path):
    write_json(tmp_path / "a.json", {"σ": 1})
    assert read_json(tmp_path / "a.json") == {"σ": 1}
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"σ": object()})
    write_csv(tmp_path / "a.csv", pd.DataFrame({"a": [1, 2]}))
    assert files(tmp_path) == {"a.json": '{\n "σ": 1\n}\n'.encode(), "a.csv": b"a\n1\n2\n"}


def test_reading_json_that_is_absent_or_broken(tmp_path: Path):
    assert read_json(tmp_path / "a.json") == {}
    (tmp_path / "a.json").write_text('{"a": ')
    with pytest.raises(UserError, match=r"a\.json: not valid JSON .* make it again"):
        read_json(tmp_path / "a.json")


def test_a_draw_comes_back_as_it_was(tmp_path: Path):
    draw, file = make_draw(), tmp_path / "draws" / "probe-003.npz"
    draw.save(file)
    again = results.Draw.load(file)
    pd.testing.assert_frame_equal(again.rows, draw.rows)
    pd.testing.assert_frame_equal(again.history, draw.history)
    assert again.probabilities.dtype == np.float16
    np.testing.assert_array_equal(again.probabilities, draw.probabilities)
    assert list(files(tmp_path)) == ["draws/probe-003.npz"]


def test_a_draw_without_history_comes_back(tmp_path: Path):
    draw = make_draw()
    empty = pd.DataFrame(columns=["epoch", "loss", "accuracy"], dtype=float)  # the probe's
    results.Draw(draw.rows, empty, draw.probabilities).save(tmp_path / "a.npz")
    pd.testing.assert_frame_equal(results.Draw.load(tmp_path / "a.npz").history, empty)


@pytest.mark.parametrize("spoil", ["truncated", "garbage", "empty", "other"])
def test_a_spoilt_draw_is_one_line(tmp_path: Path, spoil: str):
    file = tmp_path / "a.npz"
    make_draw().save(file)
    content = file.read_bytes()
    if spoil == "other":
        np.savez(file, something=np.zeros(3))
    else:
        spoilt = {"truncated": content[: len(content) // 2], "garbage": b"x" * 500, "empty": b""}
        file.write_bytes(spoilt[spoil])
    with pytest.raises(
        UserError, match=r"a\.npz: cannot be read .*; delete .* and build the stage again"
    ):
        results.Draw.load(file)


# ---- stages --------------------------------------------------------------------------------------


def test_a_stage_works_where_it_was_made_with_the_same_parameters(root, probe_settings):
    folder = mark_built(root, "probe", probe_settings)
    assert results.Stage("probe", RUN, probe_settings).folder == folder
    assert results.Stage("probe", root / RUN, probe_settings).folder == folder
    assert results.Stage("probe", RUN, probe_settings).draw_file("probe", 3) == (
        folder / "draws" / "probe-003.npz"
    )


def test_what_other_code_made_is_not_taken_for_built(root, probe_settings, monkeypatch):
    folder = mark_built(root, "probe", probe_settings)
    monkeypatch.setattr(results, "code_digests", lambda stage: ["edited since"])
    assert results.Stage("probe", RUN, probe_settings).folder != folder


def test_other_parameters_never_touch_what_is_built(root, probe_settings):
    folder = mark_built(root, "probe", probe_settings)
    before = files(folder)
    other = probe_settings.model_copy(update={"l2": 0.5})
    stage = results.Stage("probe", RUN, other)
    assert re.fullmatch("runs/explore/[0-9a-f]{8}/probe", str(stage.folder.relative_to(root)))
    stage.save_numbers({"a": 1.0})
    make_draw().save(stage.draw_file("probe", 0))
    assert files(folder) == before
    assert set(files(stage.folder)) == {"numbers.json", "draws/probe-000.npz"}
    # the same values find their way back, others and other builds go elsewhere
    assert results.Stage("probe", RUN, other).folder == stage.folder
    third = probe_settings.model_copy(update={"l2": 0.6})
    elsewhere = [("probe", RUN, third), ("probe", "runs/quick/source", other)]
    assert len({results.Stage(*where).folder for where in elsewhere} | {stage.folder}) == 3


def test_exploring_starts_anew_when_a_stage_that_is_read_was_built_anew(root, probe_settings):
    def folder() -> Path:
        return results.Stage("probe", RUN, probe_settings).folder

    write_json(root / RUN / "pretrain" / "stage.json", {"key": "a"})
    first = folder()
    write_json(root / RUN / "finetune" / "stage.json", {"key": "x"})  # not read
    assert folder() == first
    write_json(root / RUN / "pretrain" / "stage.json", {"key": "b"})
    assert folder() != first


def test_a_saved_network_may_be_read_by_all_whom_the_umask_allows(root):
    results.save_network(root / "e.safetensors", Encoder(), {})
    modes = {file.stat().st_mode & 0o777 for file in (root / "e.safetensors", root / "e.json")}
    assert len(modes) == 1


def test_exploring_before_anything_is_built(root, probe_settings):
    stage = results.Stage("probe", RUN, probe_settings)
    assert stage.folder.is_relative_to(root / "runs" / "explore")
    assert not (root / RUN).exists()


def test_an_earlier_stage_that_is_not_built_is_named(root, probe_settings):
    stage = results.Stage("probe", RUN, probe_settings)
    with pytest.raises(
        UserError, match="pretrain: not built yet; run `make pretrain PROFILE=smoke` first"
    ):
        stage.before("pretrain")
    write_json(root / RUN / "pretrain" / "params.json", {})  # begun is not built
    with pytest.raises(UserError, match="make pretrain"):
        stage.before("pretrain")
    folder = mark_built(root, "pretrain", params.load("pretrain", "smoke"))
    assert stage.before("pretrain") == folder


@pytest.mark.parametrize(("name", "value"), [("dataset", "kmnist"), ("balanced", False)])
def test_an_earlier_stage_of_other_data_is_refused(root, probe_settings, name, value):
    mark_built(root, "pretrain", params.load("pretrain", "smoke"))
    stage = results.Stage("probe", RUN, probe_settings.model_copy(update={name: value}))
    with pytest.raises(UserError, match=f"^{name}: {value!r} here, but .*pretrain was built with"):
        stage.before("pretrain")


def test_numbers_that_are_none_are_left_out(root, probe_settings):
    stage = results.Stage("probe", RUN, probe_settings)
    stage.save_numbers({"mean": 0.9, "sd": float("nan"), "best_method": "probe", "draws": 1})
    assert read_json(stage.folder / "numbers.json") == {
        "mean": 0.9,
        "best_method": "probe",
        "draws": 1,
    }


# ---- classifiers ---------------------------------------------------------------------------------


def test_a_classifier_comes_back_by_the_three_lines_of_the_readme(
    root, probe_settings, network, monkeypatch
):
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (lines,) = [block for block in blocks if "load_classifier" in block]
    assert len([line for line in lines.splitlines() if line]) == 3
    (place,) = re.findall(r'load_classifier\("(.+?)"\)', lines)
    run_dir, stage_name, file = place.rsplit("/", 2)
    method = Path(file).stem.removeprefix("classifier-")
    assert (run_dir, results.METHODS[method]) == ("runs/full/source", stage_name)

    settings = params.load(stage_name)
    mark_built(root, stage_name, settings, run_dir)
    results.Stage(stage_name, run_dir, settings).save_classifier(method, network, {"draw": 0})
    monkeypatch.chdir(root)
    images = torch.rand(3, 1, 28, 28)
    names = {"images": images}
    exec(lines, names)
    classifier = names["classifier"]
    assert not classifier.training
    with torch.no_grad():
        torch.testing.assert_close(classifier(images), network(images), rtol=1e-4, atol=1e-4)
    assert torch.equal(names["digits"], network(images).argmax(1))


def test_a_classifiers_json_says_how_it_was_made(root, probe_settings, network):
    stage = results.Stage("probe", RUN, probe_settings)
    stage.save_classifier("probe", network, {"method": "probe", "draw": 0, "accuracy": 0.9})
    about = json.loads((stage.folder / "classifier-probe.json").read_text())
    assert about["params"] == probe_settings.model_dump(mode="json")
    assert about["params_hash"] == probe_settings.hash
    assert (about["method"], about["draw"], about["accuracy"]) == ("probe", 0, 0.9)
    assert "[0, 1]" in about["input"] and "logits" in about["output"]


def test_an_encoder_comes_back(tmp_path: Path, network):
    results.save_network(tmp_path / "encoder.safetensors", network.encoder, {})
    again = results.load_encoder(tmp_path / "encoder.safetensors")
    assert not again.training
    for name, value in network.encoder.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


@pytest.mark.parametrize("spoil", ["truncated", "garbage", "empty", "encoder"])
def test_weights_that_are_none_of_this_network(tmp_path: Path, network, spoil: str):
    file = tmp_path / "classifier.safetensors"
    results.save_network(file, network.encoder if spoil == "encoder" else network, {})
    content = file.read_bytes()
    if spoil != "encoder":
        spoilt = {"truncated": content[: len(content) // 2], "garbage": b"x" * 500, "empty": b""}
        file.write_bytes(spoilt[spoil])
    with pytest.raises(UserError, match=r"not weights of this network .* make it again") as caught:
        results.load_classifier(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


def test_weights_that_are_not_there_name_the_command(tmp_path: Path):
    with pytest.raises(UserError, match=r"no such file; `make report` builds it"):
        results.load_classifier(str(tmp_path / "probe" / "classifier-probe.safetensors"))


# ---- the tidy table ------------------------------------------------------------------------------


@pytest.fixture
def run_folder(root: Path) -> Path:
    """A run of all methods on draws 0 and 2, the control's numbers unlike the baseline's."""
    for stage in ("baseline", "pretrain", "probe", "finetune"):
        settings = params.load(stage, "smoke")
        chosen = {"draws": [0, 2]} if stage != "pretrain" else {}
        mark_built(root, stage, settings.model_copy(update=chosen))
    for position, (method, stage) in enumerate(results.METHODS.items()):
        for k in (0, 2):
            file = root / RUN / stage / "draws" / f"{method}-{k:03d}.npz"
            make_draw(seed=10 * position + k).save(file)
    return root / RUN


def test_the_results_table(run_folder: Path):
    table = results.read_results(run_folder, "source")
    assert list(table.columns) == results.COLUMNS
    keys = ["method", "draw", "n_labels"]
    assert len(table) == len(table[keys].drop_duplicates()) == len(results.METHODS) * 2 * 2
    assert list(table.method.unique()) == list(results.METHODS)
    assert set(table.draw) == {0, 2}
    assert (table.accuracy == table.correct / table.n_test).all()
    assert table.accuracy.between(0, 1).all()
    assert (table.dataset == "mnist").all() and (table.variant == "source").all()
    for name in ("draw", "n_labels", "correct", "n_test"):
        assert pd.api.types.is_integer_dtype(table[name]), name
    for name in ("accuracy", "seconds"):
        assert pd.api.types.is_float_dtype(table[name]), name
    assert table.pretrain_seed.dtype == "Int64"
    pretrained = table.method.isin(["probe", "finetune"])
    assert (table.pretrain_seed[pretrained] == 0).all()
    assert table.pretrain_seed[~pretrained].isna().all()
    for stage in ("baseline", "probe", "finetune"):
        of_stage = table.method.map(results.METHODS) == stage
        stamp = read_json(run_folder / stage / "stage.json")
        assert set(table.params_hash[of_stage]) == {stamp["params_hash"]}


def test_the_table_survives_csv(run_folder: Path, tmp_path: Path):
    table = results.read_results(run_folder, "source")
    write_csv(tmp_path / "results.csv", table)
    again = pd.read_csv(tmp_path / "results.csv", dtype={"pretrain_seed": "Int64"})
    pd.testing.assert_frame_equal(again, table, check_dtype=False)


def test_the_control_is_not_taken_for_the_baseline(run_folder: Path):
    plain = results.read_draws(run_folder, "baseline")
    control = results.read_draws(run_folder, "baseline_augmented")
    assert list(plain) == list(control) == [0, 2]
    assert not np.array_equal(plain[0].probabilities, control[0].probabilities)


def test_a_method_without_results_names_the_command(run_folder: Path):
    (run_folder / "baseline" / "stage.json").unlink()
    make = "`make baseline PROFILE=smoke`"
    with pytest.raises(UserError, match=f"no results of baseline_augmented; run {make} first"):
        results.read_draws(run_folder, "baseline_augmented")


def test_a_draw_that_is_missing_is_not_passed_over(run_folder: Path):
    (run_folder / "probe" / "draws" / "probe-002.npz").unlink()
    wanted = "probe-002.npz: missing; delete .*probe and run `make probe PROFILE=smoke`"
    with pytest.raises(UserError, match=wanted):
        results.read_draws(run_folder, "probe")
