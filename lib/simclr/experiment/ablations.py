"""What the report measures besides its stages: a grid of changes, each point trained and tested by itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import torchinfo
from joblib import Parallel, delayed
from pydantic import Field, TypeAdapter, ValidationError

from simclr import files
from simclr.errors import UserError
from simclr.experiment import params, statistics
from simclr.experiment.sections import Section
from simclr.experiment.stages import METHODS
from simclr.experiment.study import Run, Study
from simclr.model import Encoder
from simclr.networks import NETWORKS, SOURCE

GRID = files.PARAMS / "ablations.yaml"
RESULTS = files.REPORTS / "ablations.csv"
MACHINE = ["device", "precision", "torch", "data"]  # its columns of that name


class Group(Section):
    """A group of points, as the file has it."""

    variant: str
    methods: list[Literal[*METHODS]]
    changes: dict[str, dict] = Field(default_factory=dict)
    points: dict[str, dict[str, dict]]


class Point(NamedTuple):
    """One point of the grid: its group and name, and what is trained there."""

    group: str
    name: str
    variant: str
    methods: list[str]
    changes: Mapping[str, Mapping]

    def study(self) -> Study:
        return Study(variant=self.variant, changes=self.changes)

    def runs(self, study: Study) -> list[Run]:
        return study.measurements(METHODS[key] for key in self.methods)


def grid(file: Path = GRID) -> list[Point]:
    """All points, in the order of the file; the first changes nothing.

    Raises:
        UserError: a mistake in the file.
    """
    try:
        groups = TypeAdapter(dict[str, Group]).validate_python(params.read(file)[0])
    except ValidationError as error:
        mistake = error.errors()[0]
        place = ".".join(map(str, mistake["loc"]))
        raise UserError(f"{files.shown(file)}: {place}: {mistake['msg']}") from None
    points: dict[str, Point] = {}
    for group, about in groups.items():
        for name, own in about.points.items():
            if name in points:
                raise UserError(f"{files.shown(file)}: {group}: two points are called {name!r}")
            sections = about.changes | own
            changes = {each: about.changes.get(each, {}) | own.get(each, {}) for each in sections}
            points[name] = Point(group, name, about.variant, about.methods, changes)
    return list(points.values())


def measure() -> pd.DataFrame:
    """Measure what `RESULTS` does not hold and write all to it; a point that fails does not stop the others.

    Points go through joblib: inside `joblib.parallel_config(backend="dask")` they run on a cluster
    whose machines share the folder `runs`.

    Returns:
        A row a classifier: group, point, method, draw, n_labels, correct, n_test, accuracy, minutes (of
        its encoder, without the one that this starts from), key, device, precision, torch, data.

    Raises:
        UserError: some points failed; says which and why. The file stays as it was.
    """
    points = grid()
    there = pd.read_csv(RESULTS) if RESULTS.exists() else pd.DataFrame(columns=["point", *MACHINE])
    done = Parallel()(delayed(_point)(point, there) for point in points)
    failed = [f"{p.name}: {found}" for p, found in zip(points, done, strict=True) if isinstance(found, str)]
    if failed:
        raise UserError("ablations: " + "\n".join(failed))
    table = pd.DataFrame([row for rows in done for row in rows])
    files.write(RESULTS, table.to_csv(index=False))
    return table


def numbers(table: pd.DataFrame) -> dict[str, float]:
    """Mean accuracies by point, for prose, and with `_worst` the worst draw's.

    A name is made of the letters, digits and underscores of the point's. Where a group measures several
    methods it ends with the method's.
    """
    found = {}
    for (group, point, method), rows in table.groupby(["group", "point", "method"]):
        name = "".join(c if c.isalnum() else "_" for c in point)
        alone = table.method[table.group == group].nunique() == 1
        name = f"ablation_{name}" if alone else f"ablation_{name}_{method}"
        found |= {name: rows.accuracy.mean(), f"{name}_worst": rows.accuracy.min()}
    return found


def summary(table: pd.DataFrame, group: str) -> pd.DataFrame:
    """The `statistics.summary` of a group."""
    return statistics.summary(table[table.group == group].assign(pretrain_seed=np.nan))


def strengths(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy by how strong rotation or crop is, all else as in the first point.

    Returns:
        view (a parameter of `pretrain`), value, mean, worst and best, by value.
    """
    points, rows = grid(), []
    usual = points[0].study().params["pretrain"]
    for view in ("rotation", "crop_scale"):
        for point in points:
            change = point.changes.get("pretrain", {})
            changed = {section for section in point.changes if section != "pretrain"}
            changed |= set(change) - {"crop_aspect"}  # of a whole image there is none
            if point.variant == points[0].variant and changed <= {view}:
                accuracy = table.accuracy[table.point == point.name]
                value = change.get(view, getattr(usual, view))
                rows.append((view, value, accuracy.mean(), accuracy.min(), accuracy.max()))
    names = ["view", "value", "mean", "worst", "best"]
    return pd.DataFrame(rows, columns=names).sort_values(["view", "value"], ignore_index=True)


def networks(table: pd.DataFrame) -> pd.DataFrame:
    """What each network costs and brings: a row a network, the source's first.

    Returns:
        network, convolutions (as in `NETWORKS`), parameters, multiply-adds (millions, of one image
        forward), mean and worst (accuracy in percent).
    """
    rows, points = [], grid()
    for point in (points[0], *(point for point in points if point.group == "network")):
        key = point.changes.get("pretrain", {}).get("network", SOURCE)
        encoder = Encoder(network=key).eval()
        size = torchinfo.summary(encoder, (1, 1, 28, 28), verbose=0)
        accuracy = 100 * table.accuracy[table.point == point.name]
        row = (
            "the source's" if key == SOURCE else point.name,
            NETWORKS[key],
            size.total_params,
            size.total_mult_adds / 1e6,
            accuracy.mean(),
            accuracy.min(),
        )
        rows.append(row)
    names = ["network", "convolutions", "parameters", "multiply-adds", "mean", "worst"]
    return pd.DataFrame(rows, columns=names)


def known(point: Point, table: pd.DataFrame) -> dict[tuple, dict | None]:
    """The rows of a table that this code would measure for a point on the machine they name.

    Returns:
        method, number of labels and draw -> the row, or None; empty without any row.
    """
    found: dict[tuple, dict | None] = {}
    for machine, rows in table[table.point == point.name].groupby(MACHINE):
        study = point.study()
        study.environment = dict(zip(MACHINE, machine, strict=True))
        study.environment["balanced"] = study.params["common"].balanced
        study.data = files.DATA  # no image is needed for a key
        places = {run.job.key: _place(run) for run in point.runs(study)}
        kept = {places[row["key"]]: row for row in rows.to_dict("records") if row["key"] in places}
        found = dict.fromkeys(places.values()) | found | kept
    return found


def _place(run: Run) -> tuple[str, int, int]:
    return run.method.key, run.n_labels, run.draw


def _point(point: Point, there: pd.DataFrame) -> list[dict] | str:
    """The rows of one point, or what went wrong."""
    try:
        found, study = known(point, there), point.study()
        runs = point.runs(study)
        study.make([run.job for run in runs if not found.get(_place(run))])
        names = {"group": point.group, "point": point.name}
        return [found.get(_place(run)) or names | _row(study, run) for run in runs]
    except UserError as error:
        return str(error)


def _row(study: Study, run: Run) -> dict:
    found = run.job.arrays("result.npz")
    correct, n_test = found["correct"].item(), found["n_test"].item()
    encoder = run.job.reads.get("encoder")
    return {
        "method": run.method.key,
        "draw": run.draw,
        "n_labels": run.n_labels,
        "correct": correct,
        "n_test": n_test,
        "accuracy": correct / n_test,
        "minutes": round(encoder.about()["seconds"] / 60, 2) if encoder else 0.0,
        "key": run.job.key,
        **{name: study.environment[name] for name in MACHINE},
    }
