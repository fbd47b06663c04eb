"""What was tried when settings were chosen: read, since it is measured once (benchmarks/choose.py)."""

import pandas as pd

from simclr import files
from simclr.experiment.stages import METHODS

FILE = files.PARAMS / "choices.csv"


def table() -> pd.DataFrame:
    """Mean validation accuracies in percent: method, setting, a column a number of labels, and the
    worst draw with 100."""
    tried = pd.read_csv(FILE)
    tried["method"] = tried.method.map(lambda key: METHODS[key].name)
    tried["accuracy"] *= 100
    by, many = ["method", "setting"], tried[tried.n_labels == 100]
    means = tried.pivot_table(index=by, columns="n_labels", values="accuracy", sort=False)
    means = means[sorted(means)].rename(columns=lambda n: f"{n} labels")
    worst = many.groupby(by).accuracy.min()
    return means.rename_axis(columns=None).assign(worst=worst).reset_index()
