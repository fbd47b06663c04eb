"""Is a report reproduced? Its tables against a rebuild from nothing, within its own spread.

Another processor or version computes with other roundings, so training takes another path. What may
differ by that is of the size of what the luck of a draw does, and every tolerance follows from the
spread that the report states. Of a thousand cells some lie outside it by chance, so that one row in
twenty may, if none is twice as far off. Run times and machines are not compared.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from simclr import files
from simclr.errors import UserError
from simclr.experiment import provenance
from simclr.experiment.findings import Findings
from simclr.experiment.stages import STAGES
from simclr.experiment.study import Study

FOLDER = files.ROOT / "runs-verify"
LEAST = 0.005  # of a mean accuracy, where two draws happen to agree
CHANCE = 0.05  # share of a table's rows that may lie outside their tolerance
FAR = 2  # tolerances that no row may be off


def verify(study: Study) -> int:
    """Train everything anew in runs-verify/ and compare it with the report, table by table.

    An interrupted verification goes on. What a finished one leaves is only for reading: the next begins anew.

    Returns:
        0 if all is reproduced, 1 if something is not.
    """
    from simclr.report import publish  # brings what draws

    report = publish.folder(study)
    _read(report, "claims")  # before hours of training
    rebuilt = Study(study.profile, study.variant, runs=FOLDER / study.name)
    if (rebuilt.folder / "provenance.json").exists():  # written at the end of the last one
        shutil.rmtree(rebuilt.runs)
    rebuilt.train(*STAGES)
    publish.write_tables(Findings(rebuilt, "comparison"), rebuilt.folder)
    files.write_json(rebuilt.folder / "provenance.json", provenance.collect(rebuilt))
    return compare(report, rebuilt.folder)


def _interval(rows: pd.DataFrame) -> pd.Series:
    """Half the interval, where too few draws give none five points."""
    return ((rows.high - rows.low) / 2).fillna(10 * LEAST).clip(lower=LEAST)


def _luck(rows: pd.DataFrame) -> pd.Series:
    """For a count of images: what draws differ by, or the root of its mistakes if that is more; at least 3.

    A rebuild's encoder makes mistakes of its own, with all labels alike, of which the draws know nothing.
    """
    mistakes = rows["count"].copy()
    of_class = rows.reset_index().groupby(["method", "true"])["count"].transform("sum").to_numpy()
    right = rows.index.get_level_values("true") == rows.index.get_level_values("predicted")
    mistakes[right] = of_class[right] - mistakes[right]
    return rows.sd.fillna(100).combine(mistakes.pow(0.5), max).clip(lower=3)


# table -> the columns that name a row, what is compared, and by how much it may differ
TABLES = {
    "accuracy": (["method", "n_labels"], "mean", _interval),
    "differences": (["a", "b", "n_labels"], "difference", _interval),
    "confusions": (["method", "true", "predicted"], "count", _luck),
    "pretraining": (["seed", "epoch"], "validation_loss", lambda rows: 0.02),  # nats
    "claims": (["claim"], "verdict", None),
}


def compare(report: Path, rebuilt: Path) -> int:
    """Print how much of each table is reproduced, and what is not; 0 if all is, else 1."""
    failed = 0
    for name, (key, value, tolerance) in TABLES.items():
        old, new = (_read(folder, name).set_index(key) for folder in (report, rebuilt))
        both = pd.DataFrame({"report": old[value], "rebuilt": new[value]})
        if tolerance:
            both["allowed"] = tolerance(old)
            off = ((both.report - both.rebuilt).abs() / both.allowed).fillna(np.inf)
        else:  # a verdict may become undecided or cease to be so, but not turn into another
            same, undecided = both.report == both.rebuilt, both.isin(["undecided"]).any(axis=1)
            off = pd.Series(np.select([same, undecided], [0, FAR], np.inf), both.index)
        outside = off > 1
        wrong = outside if outside.mean() > CHANCE else off > FAR
        failed += wrong.sum()
        agree, chance = (~outside).sum(), (outside & ~wrong).sum()
        print(f"{name}: {agree} of {len(off)} rows agree, {chance} more by chance")
        if outside.any():
            print(both[outside].assign(wrong=wrong).to_string())
    print("Not compared, since they may differ: run times, machines, versions and keys.")
    print(f"{failed} not reproduced" if failed else "the report is reproduced")
    return int(failed > 0)


def _read(folder: Path, name: str) -> pd.DataFrame:
    file = folder / "tables" / f"{name}.csv"
    if not file.exists():
        raise UserError(f"{files.shown(file)}: no such file; `make report` writes it")
    return pd.read_csv(file)
