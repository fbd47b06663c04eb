"""Is a committed report reproduced? Its tables against a rebuild from nothing, within its own spread.

Another processor or version computes with other roundings, so training takes another path. What may
differ by that is of the size of what the luck of a draw does, and every tolerance follows from the
spread that the committed report states; run times and machines are not compared.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from simclr import files
from simclr.errors import UserError
from simclr.experiment.findings import Findings
from simclr.experiment.stages import STAGES
from simclr.experiment.study import Study

FOLDER = files.ROOT / "runs-verify"
LEAST = 0.005  # of a mean accuracy, where two draws happen to agree
Row = tuple[str, float | str, float | str, float]  # name, committed, rebuilt, tolerance


def verify(study: Study, against: Path) -> int:
    """Train everything anew in runs-verify/, and print a line a number that is compared.

    An interrupted verification goes on; one that came to its end leaves nothing behind.

    Returns:
        0 if all is reproduced, 1 if something is not.
    """
    from simclr.report import publish

    if not (against / "results.csv").exists():
        raise UserError(
            f"{files.shown(against)}/results.csv: no such file; `make report` writes it"
        )
    rebuilt = Study(study.profile, study.variant, runs=FOLDER)
    for stage in STAGES:
        rebuilt.train(stage, lambda text: print(f"\r{text}", end="", flush=True))
    tables = FOLDER / study.profile / study.variant
    publish.write_tables(rebuilt, Findings(rebuilt, "comparison"), tables)
    failed = compare(against, tables)
    shutil.rmtree(FOLDER, ignore_errors=True)
    return failed


def compare(committed: Path, rebuilt: Path) -> int:
    """Print what is compared and whether it is within its tolerance; 0 if all is, else 1."""
    failed = 0
    for name, old, new, tolerance in _rows(committed, rebuilt):
        if isinstance(old, str) or isinstance(new, str):
            same, allowed = old == new, "the same"
        else:
            same = abs(old - new) <= tolerance or (old != old and new != new)
            allowed = f"± {tolerance:.3g}"
        failed += not same
        print(f"{'ok ' if same else 'NOT'} {name}: {_text(old)} | {_text(new)}  ({allowed})")
    print("Not compared, since they may differ: run times, machines, versions and keys.")
    print(f"{failed} not reproduced" if failed else "the committed report is reproduced")
    return int(failed > 0)


def _rows(committed: Path, rebuilt: Path) -> Iterator[Row]:
    """What is compared: means and differences within their intervals, counts within their
    standard error, losses within a hundredth, and the verdicts on the source's claims."""
    keys = {
        "accuracy": (["method", "n_labels"], "mean"),
        "differences": (["a", "b", "n_labels"], "difference"),
        "confusions": (["method", "true", "predicted"], "count"),
        "pretraining": (["seed", "epoch"], "validation_loss"),
        "claims": (["claim"], "verdict"),
    }
    for name, (key, value) in keys.items():
        old, new = (_read(folder, name).set_index(key) for folder in (committed, rebuilt))
        for label in old.index.union(new.index):
            a = old[value].get(label, "missing")
            b = new[value].get(label, "missing")
            row = old.loc[label] if label in old.index else new.loc[label]
            parts = label if isinstance(label, tuple) else (label,)
            yield f"{name} {' '.join(map(str, parts))}", a, b, _tolerance(name, row)


def _tolerance(table: str, row: pd.Series) -> float:
    if table in ("accuracy", "differences"):
        half = (row.high - row.low) / 2
        return max(LEAST, half) if half == half else 10 * LEAST  # too few draws for an interval
    if table == "confusions":
        return max(3.0, row.sd) if row.sd == row.sd else 100.0
    return 0.02 if table == "pretraining" else 0.0  # nats


def _read(folder: Path, name: str) -> pd.DataFrame:
    file = folder / "tables" / f"{name}.csv"
    if not file.exists():
        raise UserError(f"{files.shown(file)}: no such file; `make report` writes it")
    return pd.read_csv(file)


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4f}"
