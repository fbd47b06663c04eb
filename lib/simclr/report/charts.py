"""Charts of methods and of classes: a function a figure."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from simclr.report import curves, style

# Classes, not methods: ten colours that were searched for, of at least 3:1 contrast with white and any two of
# which are 11 apart (OKLab, times 100), also for those who do not see red or green.
DIGITS = ["#0189a2", "#ca8413", "#cf476a", "#ff1acd", "#1200f7", "#9205af", "#676b00", "#762f2c"]
DIGITS += ["#034b6e", "#7d87ff"]
# Errors of the palest and of the darkest cell, of about 1,000 images of a class: one scale for all.
FEWEST, MOST = 0.5, 150
FAINT = "#E4E4E4"
# Of words beside a chart: a share of its width, a value of its y axis, then so many points from there.
BESIDE = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}


def confusions(matrices: Mapping[str, np.ndarray]) -> Figure:
    """Errors in cells, a matrix of counts (10, 10) a method, three in a row; rows are true classes.

    They are coloured on a log scale, the same for all; less than half an error is left blank. On the
    diagonal stands the recall of the class, below its column the precision, both in percent.
    """
    rows, columns = -(-len(matrices) // 3), min(3, len(matrices))
    width = columns * style.WIDTH / 3
    fig, axes = style.panels(2.4 * rows, rows, columns, width, squeeze=False)
    for ax, (method, matrix) in zip(axes.flat, matrices.items(), strict=False):
        _confusion(ax, matrix)
        ax.set_title(style.name(method), color=style.colour(method))
    for ax in axes.flat[len(matrices) :]:
        ax.remove()
    return fig


def _confusion(ax: Axes, matrix: np.ndarray) -> None:
    # seaborn looks for the limits among the errors, of which there may be none, if not told
    scale = {"norm": LogNorm(FEWEST, MOST), "vmin": FEWEST, "vmax": MOST, "cmap": "Reds"}
    look = {"linewidths": 0.4, "linecolor": FAINT, "square": True, "cbar": False}
    mask = np.eye(len(matrix), dtype=bool) | (matrix < FEWEST)
    sns.heatmap(matrix, mask=mask, ax=ax, **scale, **look)
    for (i, j), count in np.ndenumerate(matrix):
        if count >= FEWEST:
            c = "white" if i != j and scale["norm"](count) > 0.62 else style.INK
            look = {"color": c, "weight": "bold" if i == j else "normal", "size": style.SMALL}
            shown = int(100 * count / matrix[i].sum() if i == j else count + 0.5)  # 99.9% is not all
            style.text(ax, j + 0.5, i + 0.5, f"{shown}", **look)
    for j, (right, called) in enumerate(zip(matrix.diagonal(), matrix.sum(0), strict=True)):
        if called:
            precision = int(100 * right / called)
            style.text(ax, j + 0.5, len(matrix) + 0.6, f"{precision}", weight="bold", size=style.SMALL)
    style.text(ax, -0.2, len(matrix) + 0.6, "prec.", ha="right", size=style.SMALL)
    ax.set(xlabel="Predicted class", ylabel="True class", ylim=(len(matrix) + 1.1, 0))
    ax.tick_params(length=0, rotation=0)


def embedding_maps(maps: Mapping[int, np.ndarray], labels: np.ndarray) -> Figure:
    """Maps (N, 2) of the same images by epoch, a colour a class, the digit at the median of its class."""
    fig, axes = style.panels(1.8 if len(maps) > 2 else 2.9, columns=len(maps), squeeze=False)
    look = {"fontsize": 10, "weight": "bold", "ha": "center", "va": "center", "color": style.INK}
    look["path_effects"] = [withStroke(linewidth=2.5, foreground="white")]  # readable on the dots
    for ax, (epoch, points) in zip(axes[0], maps.items(), strict=True):
        for digit in np.unique(labels):
            mine, c = points[labels == digit], DIGITS[digit]
            ax.scatter(*mine.T, s=2, color=c, alpha=0.6, linewidths=0, rasterized=True)
            ax.text(*np.median(mine, axis=0), str(digit), **look)
        ax.set(title=f"Epoch {epoch}" if epoch else "Random weights", xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    return fig


def headline(results: pd.DataFrame, summary: pd.DataFrame, record: float | None = None) -> Figure:
    """Mean accuracy over the number of labels, beside it `method_dots` at the largest, a colour a method.

    Args:
        results, summary: as for `method_dots`, but with every number of labels.
        record: the highest published accuracy at the largest number, a dashed line.
    """
    most = summary.n_labels.max()
    fig, (means, dots) = style.panels(3.1, columns=2, width_ratios=(1, 0.85))
    curves.accuracies(means, summary)
    if record:
        look = BESIDE | {"size": style.SMALL, "color": style.SOFT, "annotation_clip": False}
        means.axhline(1 - record, color=style.SOFT, linewidth=0.8, linestyle="--")
        means.annotate(f"published {style.accuracy(record)}", (0.02, 1 - record), (0, 8), **look)
    _method_dots(dots, results[results.n_labels == most], summary[summary.n_labels == most])
    dots.set_xlabel(f"Test accuracy with {most} labels")
    return fig


def method_dots(results: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Every run a dot, a row a method, and the mean with its interval, on the scale of `style.log_errors`.

    Args:
        results: method, accuracy, a row a run, all at one number of labels.
        summary: method, mean, low, high at that number; low and high NaN for a single run.
    """
    fig, ax = style.panels(0.33 * results.method.nunique() + 0.65)
    _method_dots(ax, results, summary)
    return fig


def _method_dots(ax: Axes, results: pd.DataFrame, summary: pd.DataFrame) -> None:
    methods, middles = style.in_order(results.method), summary.set_index("method")
    _name_rows(ax, [style.name(method) for method in methods], np.arange(len(methods)))
    for row, method in enumerate(methods):
        errors, middle = 1 - results.accuracy[results.method == method], middles.loc[method]
        _dots(ax, row, errors, 1 - middle["mean"], method, style.accuracy(middle["mean"]))
        ax.plot([1 - middle.low, 1 - middle.high], [row, row], color=style.colour(method), linewidth=2.4)
        ax.get_yticklabels()[row].set_color(style.colour(method))
    ax.set_xlabel("Test accuracy")
    style.log_errors(ax.xaxis)


def ablations(table: pd.DataFrame, method: str) -> Figure:
    """Every draw a dot, a row a change, below the name of its group; a line marks the first.

    Args:
        table: group, point, accuracy, a row a draw.
        method: that the accuracies are of, for the colour.
    """
    means = table.groupby(["group", "point"], sort=False).accuracy.mean()
    groups, points = means.index.get_level_values("group"), [point for _, point in means.index]
    places = np.arange(len(means)) + 1.2 * pd.factorize(groups)[0]
    fig, ax = _rows(points, places, 0.155)
    ax.set_ylim(top=-1.4)
    for group in groups.unique():
        first = places[list(groups).index(group)]
        look = BESIDE | {"ha": "right", "va": "center", "weight": "bold", "annotation_clip": False}
        ax.annotate(group.capitalize(), (0, first - 1), (-6, 0), **look)
    ax.axvline(means.iloc[0], color=style.SOFT, linewidth=0.8)
    for place, point, mean in zip(places, points, means, strict=True):
        values = table.accuracy[table.point == point]
        _dots(ax, place, values, mean, method, f"{mean:.1%}")
    ax.set_xlabel("Test accuracy")
    style.percent(ax.xaxis)
    return fig


def paired_differences(pairs: pd.DataFrame) -> Figure:
    """Differences a - b on the same draws: dots, mean and interval, in percentage points.

    The columns of `pairs` are a, b, difference, low, high and values (a list), as fractions.
    """
    names = [f"{style.name(a)} vs {style.name(b)}" for a, b in zip(pairs.a, pairs.b, strict=True)]
    fig, ax = _rows(names, np.arange(len(names)), 0.38)
    ax.axvline(0, color=style.SOFT, linewidth=0.8)
    for row, pair in enumerate(pairs.itertuples()):
        mean, *interval = 100 * np.array([pair.difference, pair.low, pair.high])
        _dots(ax, row, 100 * np.asarray(pair.values), mean, pair.a, style.written(mean, "+.1f"))
        ax.plot(interval, [row, row], color=style.colour(pair.a), linewidth=2.4)
    ax.set_xlabel("Test accuracy, first minus second (percentage points)")
    return fig


def _rows(names: Sequence[str], places: np.ndarray, pitch: float) -> tuple[Figure, Axes]:
    """A figure with a named row at each place, the first on top, `pitch` inches apart."""
    fig, ax = style.panels(pitch * (places[-1] + 1) + 0.65)
    _name_rows(ax, names, places)
    return fig, ax


def _name_rows(ax: Axes, names: Sequence[str], places: np.ndarray) -> None:
    ax.set_yticks(places, names)
    ax.set_ylim(places[-1] + 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")


def _dots(ax: Axes, row: float, values: Sequence[float], mean: float, method: str, text: str) -> None:
    """A dot a run and the method's marker at their mean, which is written on the right."""
    c, marker = style.colour(method), style.marker(method)
    # heights part dots of nearly equal values; the same ones at every run
    jitter = np.random.default_rng(0).uniform(-0.16, 0.16, len(values)) * (len(values) > 1)
    ax.scatter(values, row + jitter, s=13, color=c, alpha=0.45, linewidths=0)
    ax.scatter([mean], [row], s=34, color=c, marker=marker, edgecolors="white", linewidths=0.8, zorder=3)
    look = BESIDE | {"color": c, "weight": "bold", "va": "center", "annotation_clip": False}
    ax.annotate(text, (1, row), (6, 0), **look)
