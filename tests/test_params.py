"""Parameters: what is shipped is valid, and every mistake is one line that says the way out."""

import re
import shutil
from pathlib import Path

import pytest

from simclr import params, paths
from simclr.errors import UserError

VARIANTS = [params.SOURCE, *sorted(file.stem for file in paths.PARAMS.glob("variants/*.yaml"))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of params/ that a test may spoil."""
    return Path(shutil.copytree(paths.PARAMS, tmp_path / "params"))


def put(file: Path, **values: str) -> None:
    """Give parameters other values, as text after `name: `; None takes the line away."""
    text = file.read_text()
    for name, value in values.items():
        line = "" if value is None else f"{name}: {value}\n"
        text, found = re.subn(rf"^{name}:.*\n", line, text, flags=re.MULTILINE)
        assert found == 1, f"{file} has no line for {name}: this test must follow"
    file.write_text(text)


def mistake(folder: Path, stage: str, profile: str = "full", variant: str = "source") -> str:
    with pytest.raises(UserError) as caught:
        params.load(stage, profile, variant, folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("profile", params.PROFILES)
def test_what_is_shipped_is_valid(profile: str, variant: str):
    found = params.check_all(profile, variant)
    assert list(found) == list(params.STAGES)
    for stage, settings in found.items():
        assert type(settings) is params.STAGES[stage]
        assert re.fullmatch("[0-9a-f]{12}", settings.hash)


def test_the_full_profile_is_the_sources_recipe():
    found = params.check_all("full", "source")
    assert found["baseline"].draws == list(range(10))
    assert found["baseline"].n_labels == list(range(10, 101, 10))
    assert found["baseline"].test_images == 10_000
    assert found["pretrain"].unlabelled_images == 49_900
    assert found["pretrain"].epochs == 20
    assert found["pretrain"].rotation == 45


def test_every_full_setting_has_its_reason_beside_it():
    bare = [
        f"{file.name}: {line}"
        for file in sorted(paths.PARAMS.glob("full/*.yaml"))
        for line in file.read_text().splitlines()
        if re.match(r"\w+:", line) and not re.search(r"\s# \S", line)
    ]
    assert not bare


# file, parameter, what the YAML says, stage, what the message says
MISTAKES = [
    ("baseline", "epochs", "three", "baseline", "'three': input should be a valid integer"),
    ("baseline", "epochs", "2.5", "baseline", "2.5: input should be a valid integer"),
    ("baseline", "seed", "true", "baseline", "True: input should be a valid integer"),
    ("baseline", "learning_rate", "1e-3", "baseline", "valid number; YAML reads 1e-3 as text"),
    ("baseline", "batch_size", "0", "baseline", "0: input should be greater than or equal to 2"),
    ("baseline", "weight_decay", ".inf", "baseline", "inf: input should be a finite number"),
    ("baseline", "rotation", "[20]", "baseline", "[20]: input should be a valid number"),
    ("pretrain", "batch_size", "0", "pretrain", "0: input should be greater than or equal to 2"),
    (
        "pretrain",
        "temperature",
        "0",
        "pretrain",
        "0: input should be greater than or equal to 0.001",
    ),
    ("pretrain", "weight_decay", "1000000.0", "pretrain", "should be less than or equal to 1"),
    ("pretrain", "temperature", ".nan", "pretrain", "nan: input should be"),
    ("pretrain", "batch_size", "10001", "pretrain", "10001 with only 10000 images; use 10000"),
    ("pretrain", "warmup_epochs", "20", "pretrain", "20.0 with epochs: 20; use less"),
    ("pretrain", "projection_size", "null", "pretrain", "None: input should be a valid integer"),
    ("probe", "l2", "-1", "probe", "-1: input should be greater than 0"),
    ("finetune", "update_norm", "no thanks", "finetune", "'no thanks': input should be a valid bo"),
    ("comparison", "confidence", "95", "comparison", "95: input should be less than 1"),
    ("common", "dataset", "cifar10", "pretrain", "'mnist', 'fashion-mnist' or 'kmnist'"),
    ("common", "device", "gpu", "pretrain", "'auto', 'cpu', 'cuda' or 'mps'"),
    ("common", "n_labels", "[7]", "probe", "7 with balanced draws; use multiples of 10"),
    (
        "common",
        "n_labels",
        "[10, 1010]",
        "probe",
        "1010: input should be less than or equal to",
    ),
    ("common", "n_labels", "[]", "probe", "[]: list should have at least 1 item"),
    ("common", "draws", "[0, 0]", "probe", "[0, 0] must increase, without repeats"),
    ("common", "draws", "[1, 0]", "probe", "[1, 0] must increase, without repeats"),
    ("common", "draws", "[-1]", "probe", "-1: input should be greater than or equal to 0"),
    ("common", "draws", "3", "probe", "3: input should be a valid list"),
    ("common", "test_images", "1000", "probe", "2500 with test_images: 1000; use as many or fewer"),
]


@pytest.mark.parametrize(("file", "name", "value", "stage", "says"), MISTAKES)
def test_an_impossible_value_is_one_line(folder, file, name, value, stage, says):
    put(folder / f"full/{file}.yaml", **{name: value})
    message = mistake(folder, stage)
    # a rule over two parameters may name the other one, which is in the same file here
    named = "curve_test_images" if name == "test_images" else name
    assert message.startswith(f"{folder}/full/{file}.yaml: {named}: ")
    assert says in message
    assert ("YAML reads" in message) == (value == "1e-3")


def test_any_labels_will_do_where_draws_are_not_balanced(folder: Path):
    put(folder / "full/common.yaml", n_labels="[7, 12]", balanced="false")
    assert params.load("probe", "full", folder=folder).n_labels == [7, 12]


@pytest.mark.parametrize("file", ["pretrain", "common"])
def test_an_unknown_name_is_told_the_known_ones(folder: Path, file: str):
    with open(folder / f"full/{file}.yaml", "a") as handle:
        handle.write("temprature: 0.5\n")
    message = mistake(folder, "pretrain")
    assert message.startswith(f"{folder}/full/{file}.yaml: temprature: unknown parameter; known: ")
    assert "temperature" in message.split("known: ")[1].split(", ")


def test_a_name_of_another_stage_is_unknown(folder: Path):
    with open(folder / "full/probe.yaml", "a") as handle:
        handle.write("temperature: 0.5\n")
    assert "probe.yaml: temperature: unknown parameter" in mistake(folder, "probe")


def test_a_missing_parameter(folder: Path):
    put(folder / "full/pretrain.yaml", temperature=None)
    assert mistake(folder, "pretrain") == f"{folder}/full/pretrain.yaml: temperature: missing"


def test_a_missing_parameter_of_all_stages_belongs_into_common(folder: Path):
    file = folder / "full/common.yaml"
    kept = [line for line in file.read_text().splitlines() if not line.startswith("draws:")]
    file.write_text("\n".join(kept))
    assert mistake(folder, "probe") == f"{folder}/full/common.yaml: draws: missing"


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        ("probe", "dataset: kmnist"),
        ("finetune", "test_images: 5000"),
        ("baseline", "draws: [0, 1]"),
        ("comparison", "balanced: false"),
    ],
)
def test_stages_must_agree_on_what_they_are_compared_by(folder: Path, stage: str, change: str):
    (folder / "variants").mkdir(exist_ok=True)
    (folder / "variants/mine.yaml").write_text(f"{stage}:\n  {change}\n")
    with pytest.raises(UserError) as error:
        params.check_all("full", "mine", folder)
    name, value = change.split(": ")
    message = str(error.value)
    assert "\n" not in message and message.startswith(f"{name}: ") and "set it in common" in message
    told = value if name != "balanced" else "False"
    assert f"{told} in {stage}" in message


def test_a_stage_may_have_a_device_of_its_own(folder: Path):
    (folder / "variants").mkdir(exist_ok=True)
    (folder / "variants/mine.yaml").write_text("probe:\n  device: cpu\n")
    assert params.check_all("full", "mine", folder)["probe"].device == "cpu"


def test_a_date_that_is_none_is_one_line(folder: Path):
    put(folder / "full/probe.yaml", l2="2024-13-01")
    assert "probe.yaml: not valid YAML: " in mistake(folder, "probe")


def test_a_missing_file(folder: Path):
    (folder / "full/probe.yaml").unlink()
    assert mistake(folder, "probe") == f"{folder}/full/probe.yaml: no such file"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"epochs: [1, 2", "not valid YAML: "),
        (b"epochs: 1\n  seed: 2\n", "not valid YAML: "),
        (b"\xff\xfe\x00", "not valid YAML: "),
        (b"- epochs\n- seed\n", "must hold lines of the form name: value"),
        (b"epochs", "must hold lines of the form name: value"),
    ],
)
def test_a_file_that_is_not_yaml(folder: Path, content: bytes, says: str):
    (folder / "full/pretrain.yaml").write_bytes(content)
    assert mistake(folder, "pretrain").startswith(f"{folder}/full/pretrain.yaml: {says}")


def test_unknown_profile_and_variant(folder: Path):
    assert mistake(folder, "probe", profile="fast") == (
        "profile: 'fast' is not one of full, quick, smoke"
    )
    known = ", ".join(VARIANTS)
    assert mistake(folder, "probe", variant="mine") == f"variant: 'mine' unknown; known: {known}"


def test_a_variant_changes_only_what_it_names(folder: Path):
    file = folder / "variants/mine.yaml"
    file.write_text("common:\n  draws: [0, 1]\n  n_labels: [100]\nprobe:\n  l2: 0.01\n")
    changed = {}
    for stage in params.STAGES:
        then = params.load(stage, folder=folder).model_dump()
        now = params.load(stage, variant="mine", folder=folder).model_dump()
        changed[stage] = {name: now[name] for name in now if now[name] != then[name]}
    labels = {"draws": [0, 1], "n_labels": [100]}
    assert changed == {
        "baseline": labels,
        "pretrain": {},
        "probe": labels | {"l2": 0.01},
        "finetune": labels,
        "comparison": {},
    }
    # the encoder, which is what takes long, is then reused
    hashes = {
        (stage, variant): params.load(stage, variant=variant, folder=folder).hash
        for stage in ("pretrain", "probe")
        for variant in ("source", "mine")
    }
    assert hashes["pretrain", "source"] == hashes["pretrain", "mine"]
    assert hashes["probe", "source"] != hashes["probe", "mine"]


def test_the_shipped_variant_changes_the_data_set_alone():
    for stage in params.STAGES:
        then = params.load(stage).model_dump()
        assert params.load(stage, variant="fashion-mnist").model_dump() == (
            then | {"dataset": "fashion-mnist"}
        )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("pretraining:\n  epochs: 3\n", "pretraining: unknown section; known: common, baseline, "),
        ("epochs: 3\n", "epochs: unknown section; known: common, baseline, "),
        ("pretrain: 3\n", "pretrain: must hold lines of the form name: value"),
        ("pretrain:\n  epoch: 3\n", "epoch: unknown parameter; known: "),
        ("pretrain:\n  epochs: 0\n", "epochs: 0: input should be greater than or equal to 1"),
    ],
)
def test_a_variant_that_is_wrong_is_named(folder: Path, content: str, says: str):
    (folder / "variants/mine.yaml").write_text(content)
    message = mistake(folder, "pretrain", variant="mine")
    assert message.startswith(f"{folder}/variants/mine.yaml: {says}")


def test_check_all_collects_every_mistake_once(folder: Path):
    put(folder / "full/common.yaml", precision="fp16")  # of four stages
    put(folder / "full/pretrain.yaml", temperature="0", epochs="three")
    put(folder / "full/comparison.yaml", mistakes="0")
    with pytest.raises(UserError) as caught:
        params.check_all("full", "source", folder)
    lines = str(caught.value).splitlines()
    assert sorted(line.split(": ")[1] for line in lines) == [
        "epochs",
        "mistakes",
        "precision",
        "temperature",
    ]


def test_a_file_of_the_project_is_named_from_its_root(folder: Path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", folder.parent)
    put(folder / "full/pretrain.yaml", temperature="0")
    assert mistake(folder, "pretrain").startswith("params/full/pretrain.yaml: temperature: 0: ")


def test_gather_takes_a_stages_own_names():
    settings = params.load("comparison", "smoke")
    cell = settings.model_dump() | {"run_dir": "runs/smoke/source", "epochs": "three", "re": re}
    assert params.gather("comparison", cell) == settings
    del cell["mistakes"]
    with pytest.raises(UserError, match=r"^parameters cell: mistakes: missing$"):
        params.gather("comparison", cell)
    with pytest.raises(UserError, match=r"^parameters cell: confidence: 2\.0: input should"):
        params.gather("comparison", cell | {"mistakes": 3, "confidence": 2.0})


def test_parameters_stay_as_they_were_checked():
    settings = params.load("comparison", "smoke")
    with pytest.raises(ValueError, match="frozen"):
        settings.mistakes = 0
