"""What the report's numbers were when it was built on other machines: read, since each was built once."""

import pandas as pd

from simclr import files
from simclr.experiment.stages import CONTROL

FILE = files.PARAMS / "builds.csv"
HERE = "here"


def table(summary: pd.DataFrame) -> pd.DataFrame:
    """Mean test accuracy with all labels: a row a method, a column a machine, this build's `HERE`.

    Args:
        summary: of `statistics.summary`, of the largest number of labels.
    """
    others = pd.read_csv(FILE).set_index("method")
    others.insert(0, HERE, summary.set_index("method")["mean"])
    return others


def numbers(builds: pd.DataFrame) -> dict[str, float]:
    """For prose, by machine and method: `H100_probe`, and in points the lead `H100_probe_over_control`."""
    leads, found = 100 * (builds - builds.loc[CONTROL]), {}
    for machine in builds:
        for key in builds.index:
            name = f"{machine.replace(' (2)', '_2')}_{key}"
            found |= {name: float(builds.loc[key, machine]), f"{name}_over_control": leads.loc[key, machine]}
    return found
