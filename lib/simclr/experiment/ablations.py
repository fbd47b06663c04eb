"""What becomes of pre-training when one thing is changed: a grid, each point measured by a linear probe."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from joblib import Parallel, delayed

from simclr import files
from simclr.errors import UserError
from simclr.experiment.params import SOURCE
from simclr.experiment.study import Run, Study

VARIANT = "ablations"  # the small pre-training that is changed
GRID = files.PARAMS / "ablations.yaml"
RESULTS = files.REPORTS / "ablations.csv"


def grid() -> pd.DataFrame:
    """A row a point: group, point, and its change of section `pretrain`; the first changes nothing."""
    groups = yaml.safe_load(GRID.read_text())
    rows = [(group, point, change) for group in groups for point, change in groups[group].items()]
    return pd.DataFrame(rows, columns=["group", "point", "change"])


def runs(study: Study) -> list[Run]:
    """The probes of one point."""
    return [run for run in study.measured("probe") if run.method.key == "probe"]


def measure(profile: str, progress: Callable[[str], None] = lambda text: None) -> pd.DataFrame:
    """Train what is missing and gather the results; a point that fails does not stop the others.

    Points go through joblib: inside `joblib.parallel_config(backend="dask")` they run on a cluster
    whose machines share the folder `runs`.

    Returns:
        A row a probe: group, point, draw, n_labels, correct, n_test, accuracy, minutes (of
        pre-training), key, device, precision, torch.

    Raises:
        UserError: some points failed; says which and why.
    """
    points = list(grid().itertuples(index=False))
    done = Parallel()(delayed(_point)(profile, point.change, progress) for point in points)
    tables, failed = [], []
    for point, found in zip(points, done, strict=True):
        if isinstance(found, str):
            failed.append(f"{point.point}: {found}")
        else:
            tables.append(pd.DataFrame(found).assign(group=point.group, point=point.point))
    if tables:
        _write(pd.concat(tables), results_file(profile))
    if failed:
        raise UserError("ablations: " + "\n".join(failed))
    return pd.read_csv(results_file(profile))


def results_file(profile: str) -> Path:
    """Where the results of a profile go: beside the report for the full one."""
    return RESULTS if profile == "full" else files.RUNS / profile / VARIANT / "ablations.csv"


def numbers(table: pd.DataFrame) -> dict[str, float]:
    """Mean accuracies by point, for prose: letters, digits and underscores of its name."""
    means = table.groupby("point").accuracy.mean()
    return {
        "ablation_" + "".join(c if c.isalnum() else "_" for c in k): v for k, v in means.items()
    }


def _point(profile: str, change: dict, progress: Callable[[str], None]) -> list[dict] | str:
    """The rows of one point, or what went wrong."""
    try:
        variant = VARIANT if profile == "full" else SOURCE  # other profiles are small as they are
        study = Study(profile, variant, {"pretrain": change})
        study.make([run.job for run in runs(study)], progress)
        return [_row(study, run) for run in runs(study)]
    except UserError as error:
        return str(error)


def _row(study: Study, run: Run) -> dict:
    with np.load(run.job.file("result.npz")) as found:
        correct, n_test = found["correct"].item(), found["n_test"].item()
    encoder = run.job.reads["encoder"]
    return {
        "draw": run.draw,
        "n_labels": run.n_labels,
        "correct": correct,
        "n_test": n_test,
        "accuracy": correct / n_test,
        "minutes": round(encoder.about()["seconds"] / 60, 2),
        "key": run.job.key,
        **study.machine,
    }


def _write(table: pd.DataFrame, file: Path) -> None:
    first = ["group", "point"]
    with files.write_atomically(file) as temporary:
        table[first + [name for name in table if name not in first]].to_csv(temporary, index=False)
