"""What was tried when settings were chosen: read, since it is measured once (benchmarks/choose_*.py)."""

import pandas as pd

from simclr import files
from simclr.experiment.stages import METHODS

FILE = files.PARAMS / "choices.csv"
SPREAD_FILE = files.PARAMS / "choices_spread.csv"
SELFTRAIN_FILE = files.PARAMS / "choices_selftrain.csv"
SPREAD = ["exponent", "memory"]


def table() -> pd.DataFrame:
    """Mean validation accuracies in percent: method, rate, steps, then a column a number of labels."""
    tried = pd.read_csv(FILE)
    tried["method"] = tried.method.map(lambda key: METHODS[key].name)
    tried["rate"] = tried.learning_rate.map(lambda rate: f"{rate:.5f}".rstrip("0"))
    return _means(tried, ["method", "rate", "steps"])


def spread_table() -> pd.DataFrame:
    """The same for label spreading: its settings, then a column a number of labels."""
    tried = pd.read_csv(SPREAD_FILE)
    tried[SPREAD] = tried[SPREAD].map("{:g}".format)
    return _means(tried, SPREAD)


def selftrain_table() -> pd.DataFrame:
    """The same for self-training with 100 labels: what was changed, mean and worst draw, in percent."""
    tried = pd.read_csv(SELFTRAIN_FILE, keep_default_na=False)
    found = 100 * tried.groupby("change", sort=False).accuracy.agg(["mean", "min"])
    found = found.rename(columns={"mean": "mean of the draws", "min": "worst draw"})
    return found.rename(index={"": "none"}).reset_index()


def _means(tried: pd.DataFrame, settings: list[str]) -> pd.DataFrame:
    means = tried.pivot_table(index=settings, columns="n_labels", values="accuracy")
    means = (100 * means).rename(columns=lambda n: f"{n} labels")
    return means.rename_axis(columns=None).reset_index()
