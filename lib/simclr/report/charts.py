"""Charts of methods and of classes: a function a figure."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from simclr.report import style

# Classes, not methods: ten colours made to be told apart, by the colour-blind too (Petroff 2021).
DIGITS = matplotlib.color_sequences["petroff10"]
# Errors of the palest and of the darkest cell, of about 1,000 images of a class: one scale for all.
FEWEST, MOST = 0.5, 150
FAINT = "#E4E4E4"


@style.styled
def confusions(matrices: Mapping[str, np.ndarray]) -> Figure:
    """Counts in cells, a matrix (10, 10) a method, two in a row; rows are true classes.

    Errors are coloured on a log scale, the same for all, so that the diagonal does not drown them; less
    than half an error is left blank.
    """
    rows = -(-len(matrices) // 2)
    fig, axes = style.panels(2.75 * rows, rows, 2, width=5.6, squeeze=False)
    for ax, (method, matrix) in zip(axes.flat, matrices.items(), strict=False):
        _confusion(ax, matrix)
        ax.set_title(style.name(method), color=style.colour(method))
    for ax in axes.flat[len(matrices) :]:
        ax.set_axis_off()
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
            ax.text(j + 0.5, i + 0.5, f"{int(count + 0.5)}", ha="center", va="center", **look)
    ax.set(xlabel="Predicted class", ylabel="True class")
    ax.tick_params(length=0, rotation=0)


@style.styled
def embedding_maps(maps: Mapping[int, np.ndarray], labels: np.ndarray) -> Figure:
    """Maps (N, 2) of the same images by epoch, a colour a class, the digit at the median of its class."""
    fig, axes = style.panels(2 if len(maps) > 2 else 2.9, columns=len(maps), squeeze=False)
    look = {"fontsize": 9, "weight": "bold", "ha": "center", "va": "center"}
    look["path_effects"] = [withStroke(linewidth=2.5, foreground="white")]  # readable on the dots
    for ax, (epoch, points) in zip(axes[0], maps.items(), strict=True):
        for digit in np.unique(labels):
            mine, c = points[labels == digit], DIGITS[digit]
            ax.scatter(*mine.T, s=2, color=c, alpha=0.6, linewidths=0, rasterized=True)
            look["color"] = np.multiply(to_rgb(c), 0.75)  # darker than the dots
            ax.text(*np.median(mine, axis=0), str(digit), **look)
        ax.set(title=f"Epoch {epoch}" if epoch else "Random weights", xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    return fig


@style.styled
def method_dots(results: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Every run a dot, a row a method, and the mean with its interval.

    Args:
        results: method, accuracy, a row a run, all at one number of labels.
        summary: method, mean, low, high at that number; low and high NaN for a single run.
    """
    methods = style.in_order(results.method)
    fig, ax = _rows(methods)
    middles = summary.set_index("method")[["mean", "low", "high"]]
    for row, method in enumerate(methods):
        values, middle = results.accuracy[results.method == method], middles.loc[method]
        _dots(ax, row, values, middle, style.colour(method), f"{middle['mean']:.1%}")
    ax.set_xlabel("Test accuracy")
    style.percent(ax.xaxis)
    return fig


@style.styled
def ablations(table: pd.DataFrame, method: str) -> Figure:
    """Every draw a dot, a row a change, groups apart; a line marks the first, which changes nothing.

    Args:
        table: group, point, accuracy, a row a draw.
        method: that the accuracies are of, for the colour.
    """
    means = table.groupby(["group", "point"], sort=False).accuracy.mean()
    groups = means.index.get_level_values("group")
    places = np.arange(len(means)) + 0.7 * pd.factorize(groups)[0]
    fig, ax = style.panels(0.2 * (places[-1] + 1) + 0.6)
    ax.axvline(means.iloc[0], color=style.SOFT, linewidth=0.8)
    nothing = {"low": np.nan, "high": np.nan}
    for place, ((_, point), mean) in zip(places, means.items(), strict=True):
        values, middle = table.accuracy[table.point == point], {"mean": mean, **nothing}
        _dots(ax, place, values, middle.values(), style.colour(method), f"{mean:.1%}")
    ax.set_yticks(places, [point for _, point in means.index])
    ax.set_ylim(places[-1] + 0.6, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    ax.set_xlabel("Test accuracy")
    style.percent(ax.xaxis)
    return fig


@style.styled
def paired_differences(pairs: pd.DataFrame) -> Figure:
    """Differences a - b on the same draws: dots, mean and interval, in percentage points.

    The columns of `pairs` are a, b, difference, low, high and values (a list), as fractions.
    """
    fig, ax = _rows(pairs.a)
    names = [f"{style.name(a)} vs {style.name(b)}" for a, b in zip(pairs.a, pairs.b, strict=True)]
    ax.set_yticklabels(names, color=style.INK)
    ax.axvline(0, color=style.SOFT, linewidth=0.8)
    for row, pair in enumerate(pairs.itertuples()):
        middle = 100 * np.array([pair.difference, pair.low, pair.high])
        text = style.written(middle[0], "+.1f")
        _dots(ax, row, 100 * np.asarray(pair.values), middle, style.colour(pair.a), text)
    ax.set_xlabel("Test accuracy, first minus second (percentage points)")
    return fig


def _rows(methods: Sequence[str]) -> tuple[Figure, Axes]:
    """A figure with a row for each method, the first on top."""
    fig, ax = style.panels(0.33 * len(methods) + 0.65)
    ax.set_yticks(range(len(methods)), [style.name(method) for method in methods])
    for label, method in zip(ax.get_yticklabels(), methods, strict=True):
        label.set_color(style.colour(method))
    ax.set_ylim(len(methods) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    return fig, ax


def _dots(ax: Axes, row: int, values: Sequence[float], middle, c: str, text: str) -> None:
    """A dot a run, the mean with its interval (NaN for a single run), and the mean in words."""
    mean, low, high = middle
    # heights part dots of nearly equal values; the same ones at every run
    jitter = np.random.default_rng(0).uniform(-0.16, 0.16, len(values)) * (len(values) > 1)
    ax.scatter(values, row + jitter, s=13, color=c, alpha=0.45, linewidths=0)
    ax.plot([low, high], [row, row], color=c, linewidth=2.4)
    ax.scatter([mean], [row], s=34, color=c, edgecolors="white", linewidths=0.8, zorder=3)
    right = {"xycoords": ("axes fraction", "data"), "annotation_clip": False}
    _note(ax, 1, row, text, (6, 0), color=c, weight="bold", **right)


@style.styled
def recalls(table: pd.DataFrame) -> Figure:
    """The share of each class that is found, a row a method, the lowest share the darkest.

    The columns of `table` are method, digit and recall (a fraction).
    """
    rows = 100 * table.pivot(index="method", columns="digit", values="recall")
    rows = rows.loc[style.in_order(rows.index)]
    fig, ax = style.panels(0.3 * len(rows) + 0.75)
    look = {"fmt": ".1f", "annot": True, "cbar": False, "cmap": "Reds_r", "linewidths": 0.4}
    sns.heatmap(rows, vmin=60, vmax=105, ax=ax, annot_kws={"size": style.SMALL}, **look)
    ax.set(xlabel="Class", ylabel="", yticklabels=[style.name(method) for method in rows.index])
    ax.tick_params(length=0, rotation=0)
    return fig


def _note(ax: Axes, x: float, y: float, text: str, shift: tuple[float, float], **look) -> None:
    """Text at a point of the data, moved by some points of the page."""
    ax.annotate(text, (x, y), xytext=shift, textcoords="offset points", va="center", **look)
