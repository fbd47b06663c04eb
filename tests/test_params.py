"""Parameters: what is shipped is valid, and every mistake is one line that says the way out."""

import shutil
from pathlib import Path

import pytest
import yaml

from simclr import files
from simclr.errors import UserError
from simclr.experiment import params
from simclr.experiment.stages import SECTIONS

VARIANTS = [params.SOURCE, *sorted(file.stem for file in files.PARAMS.glob("variants/*.yaml"))]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of params/ that a test may spoil."""
    return Path(shutil.copytree(files.PARAMS, tmp_path / "params"))


def load(folder=files.PARAMS, profile="full", variant=params.SOURCE, changes=None):
    return params.load(profile, variant, changes, folder)


def mistake(folder: Path, **what) -> str:
    with pytest.raises(UserError) as caught:
        load(folder, **what)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("profile", params.PROFILES)
def test_what_is_shipped_is_valid_and_every_value_has_its_reason(profile, variant):
    found, table = load(profile=profile, variant=variant)
    assert {name: type(section) for name, section in found.items()} == SECTIONS
    assert list(table.columns) == ["section", "parameter", "value", "reason", "file"]
    bare = table[table.reason.str.len() < 3]
    assert list(zip(bare.section, bare.parameter, strict=True)) == []
    for row in table.itertuples():
        assert getattr(found[row.section], row.parameter) == row.value
    fields = [(name, field) for name, kind in SECTIONS.items() for field in kind.model_fields]
    assert sorted(zip(table.section, table.parameter, strict=True)) == sorted(fields)


def test_later_layers_go_over_earlier_ones(folder):
    (folder / "variants/mine.yaml").write_text(
        "common:\n  draws: [0, 1, 2]   # three are enough\nprobe:\n  map_images: 300\n"
    )
    changes = {"probe": {"map_images": 400}, "pretrain": {"epochs": 5}}
    found, table = load(folder, "quick", "mine", changes)
    assert found["common"].draws == [0, 1, 2] and found["common"].n_labels == [20, 100]
    assert found["common"].probe_l2 == 0.001 and found["probe"] != load()[0]["probe"]
    assert found["comparison"] == load()[0]["comparison"]
    assert found["probe"].map_images == 400 and found["pretrain"].epochs == 5
    assert not table.duplicated(["section", "parameter"]).any()
    rows = table.set_index(["section", "parameter"])[["reason", "file"]]
    draws, labels, images = ("common", "draws"), ("common", "n_labels"), ("probe", "map_images")
    assert rows.loc[draws].tolist() == ["three are enough", f"{folder}/variants/mine.yaml"]
    assert rows.loc[labels].tolist() == ["two points of the curve", f"{folder}/quick.yaml"]
    assert rows.loc[images].tolist() == ["", "changes"]
    assert rows.loc[("baseline", "rotation")].tolist() != rows.loc[("pretrain", "rotation")].tolist()


# parameter, what the YAML says, what the message says
MISTAKES = [
    ("baseline.steps", "three", "'three': input should be a valid integer"),
    ("baseline.learning_rate", "1e-3", "valid number; YAML reads 1e-3 as text"),
    ("pretrain.temperature", "0", "0: input should be greater than or equal to 0.001"),
    ("pretrain.temperature", ".nan", "nan: input should be"),
    ("pretrain.batch_size", "10001", "10001 with only 10000 images; use 10000"),
    ("pretrain.warmup_epochs", "20", "20.0 with epochs: 20; use less"),
    ("pretrain.blur", "0.05", "0.05 is below blur_least: 0.1; use as much or more"),
    ("pretrain.seeds", "[0, x]", "'x': input should be a valid integer"),
    ("common.dataset", "cifar10", "'mnist', 'fashion-mnist' or 'kmnist'"),
    ("common.n_labels", "[7]", "7 with balanced draws; use multiples of 10"),
    ("common.draws", "[0, 0]", "[0, 0]: must increase, without repeats"),
]


@pytest.mark.parametrize(("where", "value", "says"), MISTAKES)
def test_an_impossible_value_is_one_line(folder, where, value, says):
    section, name = where.split(".")
    file = folder / "variants/mine.yaml"
    file.write_text(f"{section}:\n  {name}: {value}\n")
    message = mistake(folder, variant="mine")
    assert message.startswith(f"{file}: {where}: ") and says in message
    assert ("YAML reads" in message) == (value == "1e-3")


def test_what_just_fits_is_allowed(folder):
    changes = {"n_labels": [7, 12], "balanced": False, "curve_test_images": 10_000}
    assert load(folder, changes={"common": changes})[0]["common"].n_labels == [7, 12]
    assert load(folder, changes={"pretrain": {"blur": 0.0}})[0]["pretrain"].blur == 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pretrain": {"epochs": 0}}, "pretrain.epochs: 0: input should be greater than"),
        ({"pretrain": {"epoch": 3}}, "pretrain.epoch: unknown parameter; known: rotation, "),
        ({"pretraining": {"epochs": 3}}, "pretraining: unknown section; known: common, baseline, "),
        ({"pretrain": 3}, "pretrain: must hold lines of the form name: value"),
        ({"common": {"test_images": 800, "curve_test_images": 900}}, "common.curve_test_images: 900 with"),
    ],
)
def test_changes_that_are_wrong_are_named(folder, changes, says):
    assert mistake(folder, changes=changes).startswith(f"changes: {says}")
    (folder / "variants/mine.yaml").write_text(yaml.safe_dump(changes))  # and so is a variant
    assert mistake(folder, variant="mine").startswith(f"{folder}/variants/mine.yaml: {says}")


def test_every_mistake_is_told_once(folder):
    file = folder / "full.yaml"
    content = yaml.safe_load(file.read_text())
    content["common"]["precision"] = "fp16"
    content["pretrain"] |= {"temperature": 0, "epochs": "three"}
    del content["comparison"]["mistakes"]
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError) as caught:
        load(folder, changes={"probe": {"colour": 1}})
    lines = sorted(str(caught.value).splitlines())
    names = "common.precision comparison.mistakes pretrain.epochs pretrain.temperature probe.colour"
    assert [line.split(": ")[1] for line in lines] == names.split()
    assert lines[1] == f"{folder}/full.yaml: comparison.mistakes: missing"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"pretrain:\n  epochs: 1\n    seed: 2\n", "not valid YAML: "),
        (b"\xff\xfe\x00", "not valid YAML: "),
        (b"epochs", "must hold sections of lines name: value"),
    ],
)
def test_a_file_that_is_not_yaml(folder, content, says):
    (folder / "quick.yaml").write_bytes(content)
    assert mistake(folder, profile="quick").startswith(f"{folder}/quick.yaml: {says}")


def test_files_profiles_and_variants_that_are_not_there(folder):
    assert mistake(folder, profile="fast") == "profile: 'fast' is not one of full, quick, smoke"
    known = ", ".join(VARIANTS)
    assert mistake(folder, variant="mine") == f"variant: 'mine' unknown; known: {known}"
    (folder / "full.yaml").unlink()
    assert mistake(folder) == f"{folder}/full.yaml: no such file"
