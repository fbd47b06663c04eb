"""What counts as reproduced: numbers within their own spread, but for chance, and the same verdicts."""

import pandas as pd
import pytest

from simclr.errors import UserError
from simclr.experiment.verify import compare

NAN = float("nan")
TABLES = {
    "accuracy": [
        {"method": "probe", "n_labels": 100, "mean": 0.94, "low": 0.93, "high": 0.95},
        {"method": "probe", "n_labels": 10, "mean": 0.60, "low": NAN, "high": NAN},
        {"method": "baseline", "n_labels": 100, "mean": 0.88, "low": 0.8799, "high": 0.8801},
    ],
    "differences": [
        {"a": "probe", "b": "baseline", "n_labels": 100, "difference": 0.06, "low": 0.05, "high": 0.07}
    ],
    "confusions": [
        {"method": "probe", "true": 4, "predicted": 9, "count": 30.0, "sd": 12.0},
        {"method": "probe", "true": 0, "predicted": 1, "count": 0.2, "sd": 0.4},
        {"method": "probe", "true": 4, "predicted": 4, "count": 951.0, "sd": 4.0},
    ],
    "pretraining": [{"seed": 0, "epoch": 20, "validation_loss": 5.07}],
    "claims": [{"claim": "The probe wins", "verdict": "reproduced"}],
}


@pytest.fixture
def folders(tmp_path):
    """A committed report and a rebuilt one with the same tables."""
    for name in ("committed", "rebuilt"):
        for table, rows in TABLES.items():
            (tmp_path / name / "tables").mkdir(parents=True, exist_ok=True)
            pd.DataFrame(rows).to_csv(tmp_path / name / f"tables/{table}.csv", index=False)
    return tmp_path / "committed", tmp_path / "rebuilt"


def put(folder, table, row, column, value):
    file = folder / f"tables/{table}.csv"
    content = pd.read_csv(file)
    content.loc[row, column] = value
    content.to_csv(file, index=False)


@pytest.mark.parametrize(
    ("table", "row", "column", "within", "beyond"),
    [
        ("accuracy", 0, "mean", 0.949, 0.951),  # half the interval
        ("accuracy", 1, "mean", 0.64, 0.66),  # no interval: five points
        ("accuracy", 2, "mean", 0.884, 0.886),  # half a point, however narrow the interval
        ("differences", 0, "difference", 0.051, 0.049),
        ("confusions", 0, "count", 41.0, 43.0),  # a standard deviation
        ("confusions", 1, "count", 3.0, 3.3),  # three images, however seldom
        ("confusions", 2, "count", 956.4, 956.6),  # the root of the thirty that are missing
        ("pretraining", 0, "validation_loss", 5.089, 5.091),
        ("claims", 0, "verdict", "reproduced", "undecided"),
    ],
)
def test_tolerances_follow_from_the_committed_spread(folders, capsys, table, row, column, within, beyond):
    committed, rebuilt = folders
    put(rebuilt, table, row, column, within)
    assert compare(committed, rebuilt) == 0
    put(rebuilt, table, row, column, beyond)
    assert compare(committed, rebuilt) == 1
    said = capsys.readouterr().out
    assert "the report is reproduced" in said and said.endswith("1 not reproduced\n")
    same, many = len(TABLES[table]) - 1, len(TABLES[table])
    assert f"{table}: {same} of {many} rows agree, 0 more by chance\n" in said


@pytest.mark.parametrize(
    ("table", "column", "chance", "beyond"),
    [("confusions", "count", 53.0, 55.0), ("claims", "verdict", "undecided", "different")],
)
def test_one_row_in_twenty_may_differ_but_not_by_much(folders, table, column, chance, beyond):
    committed, rebuilt = folders
    name = {"confusions": "true", "claims": "claim"}[table]
    rows = pd.DataFrame([TABLES[table][0] | {name: i} for i in range(40)])
    for folder in folders:
        rows.to_csv(folder / f"tables/{table}.csv", index=False)
    for row in range(2):
        put(rebuilt, table, row, column, chance)
    assert compare(committed, rebuilt) == 0
    put(rebuilt, table, 2, column, chance)
    assert compare(committed, rebuilt) == 1
    rows.to_csv(rebuilt / f"tables/{table}.csv", index=False)
    put(rebuilt, table, 0, column, beyond)
    assert compare(committed, rebuilt) == 1


def test_a_row_that_is_gone_or_new_is_not_reproduced(folders):
    committed, rebuilt = folders
    put(rebuilt, "accuracy", 0, "method", "finetune")
    assert compare(committed, rebuilt) == 1


def test_a_report_without_tables_is_one_line(folders):
    committed, rebuilt = folders
    (committed / "tables/claims.csv").unlink()
    with pytest.raises(UserError, match=r"claims\.csv: no such file; `make report` writes it"):
        compare(committed, rebuilt)
