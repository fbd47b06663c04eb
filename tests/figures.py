"""Usual and tiny inputs of every figure of the report, and what their words are."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from simclr.report import charts, curves, diagrams, pictures

FINAL = {"baseline": 0.86, "baseline_augmented": 0.93, "probe": 0.945, "finetune": 0.947}
TENS = range(10, 101, 10)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape)


def digits(n: int) -> np.ndarray:
    return (255 * noise(n, 28, 28)).astype(np.uint8)


def every(**parts) -> pd.DataFrame:
    """A row for each combination of the parts."""
    return pd.DataFrame(itertools.product(*parts.values()), columns=list(parts))


def results(runs=10) -> pd.DataFrame:
    table = every(method=FINAL, draw=range(runs))
    return table.assign(accuracy=table.method.map(FINAL) + 0.02 * noise(len(table)))


def summary(runs=10, sizes=TENS, methods=FINAL) -> pd.DataFrame:
    table = every(method=methods, n_labels=sizes)
    mean = table.method.map(FINAL) - 3 / table.n_labels
    sd = (0.03 if runs > 1 else np.nan) / table.n_labels**0.5
    return table.assign(mean=mean, sd=sd, low=mean - sd, high=mean + sd)


def losses(epochs: int, seeds=1) -> pd.DataFrame:
    table = every(seed=range(seeds), epoch=range(1, epochs + 1))
    low, add = 1 / table.epoch, 0.1 * table.seed
    table = table.assign(train_loss=5 + low + add, validation_loss=5.02 + 0.9 * low + add)
    return table.assign(alignment=low + add, uniformity=-3 + low + add)


def pairs(runs: int) -> pd.DataFrame:
    low = np.nan if runs == 1 else 0.01
    table = pd.DataFrame({"a": ["probe", "finetune"], "b": ["baseline_augmented", "probe"]})
    table = table.assign(difference=[0.02, -0.001], low=[low, low - 0.02], high=[low + 0.02, low])
    return table.assign(values=[list(0.04 * noise(runs)), list(0.01 * noise(runs))])


def over_labels(runs: int, sizes=(10, 50, 100)) -> pd.DataFrame:
    table = every(a=["probe", "finetune"], b=["baseline_augmented"], n_labels=sizes)
    middle = table.a.map({"probe": 1.2, "finetune": -0.1}) / table.n_labels
    half = np.nan if runs == 1 else 0.02
    return table.assign(difference=middle, low=middle - half, high=middle + half)


def strengths() -> pd.DataFrame:
    table = every(view=["rotation", "crop_scale"], value=[0.1, 0.5, 1.0])
    mean = 0.9 + 0.05 * table.value
    return table.assign(mean=mean, worst=mean - 0.01, best=mean + 0.01)


# What each function is called with: a usual input and the smallest ones that a smoke run gives.
VIEWS = noise(8, 28, 28), {"crop and resize": noise(8, 28, 28)}, noise(8, 2, 28, 28)
PAIRS = noise(2, 3, 28, 28)
POINTS = {epoch: noise(300, 2) for epoch in (0, 1, 2, 5, 20)}, np.arange(300) % 10


def ablated() -> pd.DataFrame:
    points = [("views", "all"), ("views", "without rotation"), ("training", "20 epochs")]
    rows = [(*point, 0.9 - 0.01 * i + 0.001 * k) for i, point in enumerate(points) for k in range(4)]
    return pd.DataFrame(rows, columns=["group", "point", "accuracy"])


CASES = {
    pictures.label_draw: [(digits(100), np.arange(100) % 10), (digits(3), np.array([1, 1, 4]))],
    pictures.views: [VIEWS, (VIEWS[0][:1], {}, VIEWS[2][:1])],
    pictures.rows: [([("coat", digits(9)), ("shoe", digits(1))],), ([("a", digits(2))] * 2,)],
    pictures.neighbours: [(digits(2), {"pixels": (PAIRS, PAIRS[:, :, 0, 0] > 0.5)}, "image")],
    pictures.mistakes: [(digits(20), [4] * 20, [9] * 20, [0.98] * 20), (digits(0), [], [], [])],
    diagrams.simclr_diagram: [(digits(1)[0], noise(28, 28), noise(28, 28))],
    curves.learning_curve: [
        (summary(), list(FINAL)),
        (summary(1, methods=["probe"]), ["probe"]),
        (summary(1, sizes=[10]), list(FINAL)),
        (summary(methods=["probe"]), list(FINAL)),
        (summary(sizes=range(10, 501, 10)), ["baseline"]),
        (summary(sizes=[10, 1000, 40_000]), list(FINAL)),
    ],
    curves.gains: [(over_labels(10),), (over_labels(1),), (over_labels(10, sizes=[20]),)],
    curves.strengths: [(strengths(), "probe")],
    curves.pretraining: [(losses(20),), (losses(1),), (losses(20, seeds=3),)],
    charts.confusions: [
        ({"baseline": 900 * np.eye(10) + 9 * noise(10, 10)},),
        (dict.fromkeys(FINAL, np.diag(np.arange(10.0))),),
        ({"probe": np.zeros((10, 10))},),
    ],
    charts.embedding_maps: [POINTS, ({0: noise(2, 2), 20: noise(2, 2)}, np.array([0, 9]))],
    charts.headline: [
        (results().assign(n_labels=100), summary(), 0.99),
        (results(1).assign(n_labels=10), summary(1, sizes=[10])),
    ],
    charts.method_dots: [(results(), summary(10, [100])), (results(1), summary(1, [100]))],
    charts.ablations: [(ablated(), "probe"), (ablated()[:1], "probe")],
    charts.paired_differences: [(pairs(10),), (pairs(1),)],
}
EACH = [pytest.param(f, a, id=f"{f.__name__}-{i}") for f, c in CASES.items() for i, a in enumerate(c)]


def usual(function) -> Figure:
    return function(*CASES[function][0])


def texts(figure: Figure) -> list[Text]:
    return [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]


def words(figure: Figure) -> list[str]:
    return [t.get_text() for t in texts(figure)]
