"""What was tried when settings were chosen: read, since it is measured once (benchmarks/choose_steps.py)."""

import pandas as pd

from simclr import files
from simclr.experiment.stages import METHODS

FILE = files.PARAMS / "choices.csv"


def table() -> pd.DataFrame:
    """Mean validation accuracies in percent: method, rate, steps, then a column a number of labels."""
    tried = pd.read_csv(FILE)
    tried["method"] = tried.method.map(lambda key: METHODS[key].name)
    tried["learning_rate"] = tried.learning_rate.map("{:g}".format)
    means = tried.pivot_table(
        index=["method", "learning_rate", "steps"], columns="n_labels", values="accuracy"
    )
    means = (100 * means).round(1).rename(columns=lambda n: f"{n} labels")
    return means.rename_axis(columns=None).reset_index().rename(columns={"learning_rate": "rate"})
