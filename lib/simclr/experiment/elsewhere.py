"""What was measured elsewhere and is read here: choices of settings, and builds on other machines."""

import pandas as pd

from simclr import files
from simclr.experiment.stages import CONTROL, METHODS

CHOICES, BUILDS = files.PARAMS / "choices.csv", files.PARAMS / "builds.csv"


def choices() -> pd.DataFrame:
    """Mean validation accuracies in percent, by benchmarks/choose.py: method, setting, a column a number of
    labels, and the worst draw with 100."""
    tried = pd.read_csv(CHOICES)
    tried["method"] = tried.method.map(lambda key: METHODS[key].name)
    tried["accuracy"] *= 100
    by, many = ["method", "setting"], tried[tried.n_labels == 100]
    means = tried.pivot_table(index=by, columns="n_labels", values="accuracy", sort=False)
    means = means[sorted(means)].rename(columns=lambda n: f"{n} labels")
    worst = many.groupby(by).accuracy.min()
    return means.rename_axis(columns=None).assign(worst=worst).reset_index()


def builds(summary: pd.DataFrame) -> pd.DataFrame:
    """Mean test accuracy with all labels: a row a method, a column a machine, this build's `here`.

    Args:
        summary: of `statistics.summary`, of the largest number of labels.
    """
    others = pd.read_csv(BUILDS).set_index("method")
    others.insert(0, "here", summary.set_index("method")["mean"])
    return others


def numbers(builds: pd.DataFrame) -> dict[str, float]:
    """For prose, by machine and method: `H100_probe`; in points its lead `H100_probe_over_control`, and what
    fine-tuning adds to the better encoder's probe, `H100_gentle`."""
    found = {}
    for machine, means in builds.items():
        name = machine.replace(" (2)", "_2")
        for key, mean in means.items():
            found |= {f"{name}_{key}": mean, f"{name}_{key}_over_control": 100 * (mean - means[CONTROL])}
        found[f"{name}_gentle"] = 100 * (means["finetune_neighbours"] - means["probe_neighbours"])
    return found
