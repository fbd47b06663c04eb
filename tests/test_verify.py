"""Whether a report is reproduced: what is compared, what may differ and by how much."""

from pathlib import Path

import pandas as pd
import pytest

from simclr import pipeline, verify
from simclr.errors import UserError
from simclr.files import write_csv, write_json

NUMBERS = {
    "baseline_accuracy_mean": 0.86,
    "baseline_accuracy_sd": 0.021,
    "probe_accuracy_mean": 0.95,
    "probe_confusion_4_9": 31.4,
    "probe_fit_seconds": 0.4,
    "probe_less_baseline_difference": 9.0,  # percentage points
    "probe_less_baseline_low": 7.5,
    "probe_less_baseline_high": 10.5,
    "pretrain_train_loss_last": 5.07,
    "pretrain_seconds": 300.0,
    "pretrain_views_per_second": 9000.0,
    "pretrain_epochs": 20.0,
    "network_parameters": 1677674,
    "best_method": "probe",
    "probe_ahead_with": "10, 20",
    "finetune_behind_with": "90",
    "probe_varies_no_less_with": "10",
    "dataset": "MNIST",
}


def report(folder: Path, numbers: dict, shift: dict | None = None) -> Path:
    """A report's numbers.json and results.csv; `shift` is added to a method's accuracies."""
    write_json(folder / "numbers.json", numbers)
    rows = [
        ("mnist", method, draw, n, accuracy + (shift or {}).get(method, 0.0))
        for method, accuracy in {"baseline": 0.86, "probe": 0.95}.items()
        for draw in range(3)
        for n in (10, 100)
    ]
    names = ["dataset", "method", "draw", "n_labels", "accuracy"]
    write_csv(folder / "results.csv", pd.DataFrame(rows, columns=names))
    return folder


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    return report(tmp_path / "committed", NUMBERS)


def compare(committed: Path, capsys, numbers: dict, shift: dict | None = None) -> tuple[int, list]:
    """The status, and what was said not to be reproduced."""
    status = verify.compare(committed, report(committed.parent / "rebuilt", numbers, shift))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == (
        f"{len(lines) - 1 - sum(line.startswith('ok ') for line in lines)} not reproduced"
        if status
        else "the committed report is reproduced"
    )
    return status, [line[4:].split(":")[0] for line in lines if line.startswith("NOT ")]


def test_the_same_numbers_are_reproduced(committed: Path, capsys):
    assert verify.compare(committed, report(committed.parent / "rebuilt", NUMBERS)) == 0
    said = capsys.readouterr().out
    for name in NUMBERS:  # number by number, times and what hangs on near equals aside
        aside = "second" in name or name == "best_method" or name.endswith("_with")
        assert (f"ok  {name}: " in said) != aside, name
    assert "ok  mean accuracy mnist probe 100: 0.9500 | 0.9500" in said


def test_a_changed_mean_is_named(committed: Path, capsys):
    status, wrong = compare(committed, capsys, NUMBERS | {"probe_accuracy_mean": 0.93})
    assert (status, wrong) == (1, ["probe_accuracy_mean"])


def test_changed_results_are_named(committed: Path, capsys):
    status, wrong = compare(committed, capsys, NUMBERS, shift={"baseline": -0.03})
    assert status == 1
    assert wrong == ["mean accuracy mnist baseline 10", "mean accuracy mnist baseline 100"]


def test_times_may_differ(committed: Path, capsys):
    slow = {"probe_fit_seconds": 40.0, "pretrain_seconds": 9e4, "pretrain_views_per_second": 1.0}
    assert compare(committed, capsys, NUMBERS | slow) == (0, [])


def test_other_arithmetic_is_allowed_for(committed: Path, capsys):
    """Every mean half a point away, and with it every difference of means."""
    near = {
        "baseline_accuracy_mean": 0.865,
        "probe_accuracy_mean": 0.945,
        "probe_confusion_4_9": 40.0,
        "probe_less_baseline_difference": 8.0,
        "probe_less_baseline_low": 6.5,
        "probe_less_baseline_high": 9.5,
        "pretrain_train_loss_last": 5.09,
        "best_method": "baseline",  # where they are that near
        "finetune_behind_with": "80, 90",
        "probe_varies_no_less_with": "10, 20",
    }
    shift = {"baseline": 0.005, "probe": -0.005}
    assert compare(committed, capsys, NUMBERS | near, shift) == (0, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pretrain_train_loss_last", 5.2),
        ("probe_confusion_4_9", 60.0),
        ("baseline_accuracy_sd", 0.05),
        ("probe_less_baseline_difference", 5.0),
        ("pretrain_epochs", 19.0),
        ("network_parameters", 1677675),
        ("dataset", "KMNIST"),
        ("probe_accuracy_mean", None),
        ("probe_accuracy_mean", "0.95"),
    ],
)
def test_more_than_the_tolerance_is_not(committed: Path, capsys, name: str, value):
    assert compare(committed, capsys, NUMBERS | {name: value}) == (1, [name])


def test_a_number_that_only_one_has_is_not_reproduced(committed: Path, capsys):
    fewer = {name: value for name, value in NUMBERS.items() if name != "probe_accuracy_mean"}
    assert compare(committed, capsys, fewer) == (1, ["probe_accuracy_mean"])
    assert compare(committed, capsys, NUMBERS | {"new_gain": 0.1}) == (1, ["new_gain"])


def test_a_row_that_only_one_has_is_not_reproduced(committed: Path, capsys):
    rebuilt = report(committed.parent / "rebuilt", NUMBERS)
    table = pd.read_csv(rebuilt / "results.csv")
    write_csv(rebuilt / "results.csv", table[table.method != "probe"])
    assert verify.compare(committed, rebuilt) == 1
    assert "NOT mean accuracy mnist probe 100: 0.9500 | nan" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["numbers.json", "results.csv"])
@pytest.mark.parametrize("side", ["committed", "rebuilt"])
def test_a_missing_file_is_one_line(committed: Path, name: str, side: str):
    rebuilt = report(committed.parent / "rebuilt", NUMBERS)
    (committed.parent / side / name).unlink()
    with pytest.raises(UserError, match=rf"{side}/{name}: no such file; `make report` writes it"):
        verify.compare(committed, rebuilt)


def test_the_command_ends_with_the_status(committed: Path, monkeypatch, capsys):
    rebuilt = report(committed.parent / "rebuilt", NUMBERS | {"probe_accuracy_mean": 0.9})
    monkeypatch.setattr(pipeline.Build, "__init__", lambda self, *_: None)
    monkeypatch.setattr(pipeline.Build, "report", rebuilt, raising=False)
    for against, status in [(committed, 1), (rebuilt, 0), (rebuilt / "none", 2)]:
        with pytest.raises(SystemExit) as ended:
            pipeline.main(["verify", "--against", str(against)])
        assert ended.value.code == status
    assert "error: " in capsys.readouterr().err
