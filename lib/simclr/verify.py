"""Is a committed report reproduced? Number by number, within stated tolerances."""

import re
from pathlib import Path

import pandas as pd

from simclr.errors import UserError
from simclr.files import read_json

# The first pattern that a number's name matches decides. The same machine, thread count and
# versions give the same numbers; the tolerances allow for other arithmetic (bf16, other kernels).
TOLERANCES: list[tuple[str, float | None, str]] = [
    (r"(seconds|minutes|per_second|hash|revision|device|threads|precision)", None, "not compared"),
    (r"^(best_method|hardest_class)$|_ahead_|_(behind|no_less)_with$", None, "near equals"),
    (r"_(wins|ties|losses)$", 2.0, "draws"),
    (r"_labels_to_match", 20.0, "labels, in steps of ten"),
    (r"_(difference|gain)$|_less_.*_(low|high)$", 2.0, "differences of means, in points"),
    (r"(loss|alignment|uniformity)", 0.05, "training curves"),
    (r"confusion", 25.0, "images out of about 1,000 of a class"),
    (r"_(sd|worst|best|low|high)$", 0.02, "spreads of accuracies"),
    (r"_at_\d+_mean$|_smallest_mean$|_recall$", 0.02, "means of fewer labels or of one class"),
    (r"(accuracy|_mean$)", 0.01, "mean accuracies"),
    (r"", 0.0, "settings and counts"),
]
MEAN_TOLERANCE = 0.02  # of a method's mean accuracy over draws, at each number of labels


def compare(committed: Path, rebuilt: Path) -> int:
    """Print a line a number; 0 if all are reproduced, 1 if one is not.

    Raises:
        UserError: a report without numbers.json or results.csv.
    """
    failed = _compare_numbers(*(_read(folder, "numbers.json") for folder in (committed, rebuilt)))
    old, new = (pd.read_csv(_file(folder, "results.csv")) for folder in (committed, rebuilt))
    failed += _compare_means(old, new)
    print(f"{failed} not reproduced" if failed else "the committed report is reproduced")
    return int(failed > 0)


def _compare_numbers(old: dict, new: dict) -> int:
    failed = 0
    for name in sorted(old.keys() | new.keys()):
        pattern = next(row for row in TOLERANCES if re.search(row[0], name))
        a, b, tolerance = old.get(name), new.get(name), pattern[1]
        if tolerance is None:
            continue
        numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (a, b))
        same = abs(a - b) <= tolerance + 1e-12 if numeric else a == b
        allowed = f"± {tolerance:g}, {pattern[2]}" if numeric else "equal"
        print(f"{'ok ' if same else 'NOT'} {name}: {a} | {b}  ({allowed})")
        failed += not same
    return failed


def _compare_means(old: pd.DataFrame, new: pd.DataFrame) -> int:
    failed, by = 0, ["dataset", "method", "n_labels"]
    both = pd.concat(
        [t.groupby(by).accuracy.mean() for t in (old, new)], axis=1, keys=["old", "new"]
    )
    for key, row in both.iterrows():
        same = abs(row.old - row.new) <= MEAN_TOLERANCE  # False for NaN: a row only one has
        name = " ".join(map(str, key))
        print(f"{'ok ' if same else 'NOT'} mean accuracy {name}: {row.old:.4f} | {row.new:.4f}")
        failed += not same
    return failed


def _file(folder: Path, name: str) -> Path:
    if not (folder / name).exists():
        raise UserError(f"{folder / name}: no such file; `make report` writes it")
    return folder / name


def _read(folder: Path, name: str) -> dict:
    return read_json(_file(folder, name))
