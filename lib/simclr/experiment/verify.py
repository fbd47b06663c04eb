"""Is a report reproduced? Its tables against a rebuild from nothing, within its own spread.

Another processor or version computes with other roundings, so training takes another path. What may
differ by that is of the size of what the luck of a draw does, and every tolerance follows from the
spread that the report states; run times and machines are not compared.
"""

import shutil
from pathlib import Path

import pandas as pd

from simclr import files
from simclr.errors import UserError
from simclr.experiment.findings import Findings
from simclr.experiment.stages import STAGES
from simclr.experiment.study import Study

FOLDER = files.ROOT / "runs-verify"
LEAST = 0.005  # of a mean accuracy, where two draws happen to agree


def verify(study: Study) -> int:
    """Train everything anew in runs-verify/ and compare it with the report, table by table.

    An interrupted verification goes on. What a finished one leaves is only for reading: the next begins anew.

    Returns:
        0 if all is reproduced, 1 if something is not.
    """
    from simclr.report import publish  # brings what draws

    report = publish.folder(study)
    _read(report, "claims")  # before hours of training
    rebuilt = Study(study.profile, study.variant, runs=FOLDER / study.profile)
    if (rebuilt.folder / "provenance.json").exists():  # written at the end of the last one
        shutil.rmtree(rebuilt.runs)
    for stage in STAGES:
        rebuilt.train(stage)
    publish.write_tables(rebuilt, Findings(rebuilt, "comparison"), rebuilt.folder)
    return compare(report, rebuilt.folder)


def _interval(rows: pd.DataFrame) -> pd.Series:
    """Half the interval, where too few draws give none five points."""
    return ((rows.high - rows.low) / 2).fillna(10 * LEAST).clip(lower=LEAST)


def _deviation(rows: pd.DataFrame) -> pd.Series:
    """The standard deviation between draws, three images at least."""
    return rows.sd.fillna(100).clip(lower=3)


# table -> the columns that name a row, what is compared, by how much it may differ (None: not at all)
TABLES = {
    "accuracy": (["method", "n_labels"], "mean", _interval),
    "differences": (["a", "b", "n_labels"], "difference", _interval),
    "confusions": (["method", "true", "predicted"], "count", _deviation),
    "pretraining": (["seed", "epoch"], "validation_loss", lambda rows: 0.02),  # nats
    "claims": (["claim"], "verdict", None),
}


def compare(report: Path, rebuilt: Path) -> int:
    """Print how much of each table is reproduced, and what is not; 0 if all is, else 1."""
    failed = 0
    for name, (key, value, tolerance) in TABLES.items():
        old, new = (_read(folder, name).set_index(key) for folder in (report, rebuilt))
        both = pd.DataFrame({"report": old[value], "rebuilt": new[value]})
        if tolerance is None:
            same = both.report == both.rebuilt
        else:
            both["allowed"] = tolerance(old)
            same = (both.report - both.rebuilt).abs() <= both.allowed
        print(f"{name}: {same.sum()} of {len(same)} reproduced")
        if not same.all():
            print(both[~same].to_string())
        failed += (~same).sum()
    print("Not compared, since they may differ: run times, machines, versions and keys.")
    print(f"{failed} not reproduced" if failed else "the report is reproduced")
    return int(failed > 0)


def _read(folder: Path, name: str) -> pd.DataFrame:
    file = folder / "tables" / f"{name}.csv"
    if not file.exists():
        raise UserError(f"{files.shown(file)}: no such file; `make report` writes it")
    return pd.read_csv(file)
