"""What was tried when settings were chosen: read, since it is measured once (benchmarks/choose.py)."""

import pandas as pd

from simclr import files
from simclr.experiment.stages import METHODS

FILE = files.PARAMS / "choices.csv"


def table() -> pd.DataFrame:
    """Mean validation accuracies in percent: method, setting, a column a number of labels, and of the
    largest number the worst draw."""
    tried = pd.read_csv(FILE)
    tried["method"] = tried.method.map(lambda key: METHODS[key].name)
    by = tried.assign(accuracy=100 * tried.accuracy).groupby(["method", "setting"], sort=False)
    means = by.apply(lambda rows: rows.groupby("n_labels").accuracy.mean(), include_groups=False)
    means = means.unstack().rename(columns=lambda n: f"{n} labels")
    worst = by.apply(lambda rows: rows[rows.n_labels == 100].accuracy.min(), include_groups=False)
    return means.rename_axis(columns=None).assign(worst=worst).reset_index()
