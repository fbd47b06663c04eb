"""Charts of methods and of classes: a function a figure, returns a Figure, no I/O."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from simclr.evaluate import interval
from simclr.figstyle import (
    INK,
    SMALL,
    SOFT,
    colour,
    halo,
    in_order,
    name,
    panels,
    percent,
    signed,
    styled,
)

# Classes, not methods: ten colours made to be told apart, by the colour-blind too (Petroff 2021).
DIGITS = (
    *("#3F90DA", "#FFA90E", "#BD1F01", "#94A4A2", "#832DB6"),
    *("#A96B59", "#E76300", "#B9AC70", "#717581", "#92DADD"),
)


# Errors of the palest and of the darkest cell, of about 1,000 images of a class: one scale for all.
FEWEST, MOST = 0.5, 150


@styled
def confusion(matrix: np.ndarray) -> Figure:
    """Counts in cells, errors coloured on a log scale so that the diagonal does not drown them.

    The scale is the same for every figure; less than half an error is left blank.

    Args:
        matrix: (10, 10), rows true classes, columns predicted ones.
    """
    fig, ax = panels(3.5, width=4.1)
    diagonal = np.eye(len(matrix), dtype=bool)
    norm = LogNorm(FEWEST, MOST)
    sns.heatmap(
        matrix,
        mask=diagonal | (matrix < FEWEST),
        norm=norm,
        vmin=FEWEST,  # for seaborn, which else looks for them among no errors
        vmax=MOST,
        cmap="Reds",
        cbar=False,
        linewidths=0.4,
        linecolor="#E4E4E4",
        square=True,
        ax=ax,
    )
    for (i, j), count in np.ndenumerate(matrix):
        if count < FEWEST:
            continue
        c = "white" if i != j and norm(count) > 0.62 else INK
        style = {"color": c, "weight": "bold" if i == j else "normal", "fontsize": SMALL}
        ax.text(j + 0.5, i + 0.5, f"{int(count + 0.5)}", ha="center", va="center", **style)
    ax.set(xlabel="Predicted class", ylabel="True class")
    ax.tick_params(length=0, rotation=0)
    _error_key(fig, ax)
    return fig


def _error_key(fig: Figure, ax) -> None:
    """What the colours of a confusion matrix mean, and its blank and bold cells."""
    reds = ScalarMappable(LogNorm(FEWEST, MOST), "Reds")
    bar = fig.colorbar(reds, ax=ax, shrink=0.55, aspect=16, pad=0.04, anchor=(0, 1), panchor=False)
    bar.set_ticks([1, 3, 10, 30, 100], labels=["1", "3", "10", "30", "100"])
    bar.ax.tick_params(length=0, labelsize=SMALL)
    bar.ax.minorticks_off()
    bar.ax.set_title("errors", fontsize=SMALL)
    bar.outline.set_visible(False)
    words = f"blank:\nfewer\nthan {FEWEST:g}\n\nbold:\nright"
    note = ax.annotate(words, (1.04, 0), xycoords="axes fraction", color=SOFT, fontsize=SMALL)
    note.set_in_layout(False)  # else it would push the bar away


@styled
def embedding_map(before: np.ndarray, after: np.ndarray, labels: np.ndarray) -> Figure:
    """Two maps of the same images, a colour a class, the digit at the median of its class.

    Args:
        before, after: (N, 2).
        labels: (N,).
    """
    fig, axes = panels(3.2, columns=2)
    titles = ("Before pre-training (random weights)", "After pre-training")
    for ax, points, title in zip(axes, (before, after), titles, strict=True):
        for digit in np.unique(labels):
            mine, c = points[labels == digit], DIGITS[digit]
            ax.scatter(*mine.T, s=3, color=c, alpha=0.6, linewidths=0, rasterized=True)
            ax.text(
                *np.median(mine, axis=0),
                str(digit),
                color=np.multiply(to_rgb(c), 0.75),  # darker than the dots
                fontsize=11,
                weight="bold",
                ha="center",
                va="center",
                path_effects=halo(2.5),
            )
        ax.set(title=title, xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    return fig


@styled
def method_dots(results: pd.DataFrame, confidence: float = 0.95) -> Figure:
    """Every draw a dot, a row a method, and the mean with its interval.

    Args:
        results: tidy rows at one number of labels: method, draw, accuracy.
        confidence: of the interval.
    """
    methods = in_order(results.method)
    fig, ax = panels(0.42 * len(methods) + 0.7)
    for row, method in enumerate(methods):
        values = results[results.method == method].accuracy.to_numpy()
        mean, low, high = interval(values, confidence)
        _dot_row(ax, row, values, (mean, low, high), colour(method), f"{mean:.1%}")
    ax.set(yticks=range(len(methods)), yticklabels=[name(m) for m in methods])
    ax.set(xlabel="Test accuracy", ylim=(len(methods) - 0.5, -0.5))
    for label, method in zip(ax.get_yticklabels(), methods, strict=True):
        label.set_color(colour(method))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    percent(ax.xaxis)
    ax.grid(axis="x")
    return fig


@styled
def paired_differences(pairs: pd.DataFrame) -> Figure:
    """Differences a - b on the same draws: dots, mean and interval, in percentage points.

    Args:
        pairs: a, b, difference, low, high and values (a list), as fractions.
    """
    fig, ax = panels(0.42 * len(pairs) + 0.7)
    ax.axvline(0, color=SOFT, linewidth=0.8)
    for row, pair in enumerate(pairs.itertuples()):
        middle, low, high = 100 * pair.difference, 100 * pair.low, 100 * pair.high
        values = 100 * np.asarray(pair.values)
        _dot_row(ax, row, values, (middle, low, high), colour(pair.a), signed(middle))
    labels = [f"{name(pair.a)} vs {name(pair.b)}" for pair in pairs.itertuples()]
    ax.set(yticks=range(len(pairs)), yticklabels=labels, ylim=(len(pairs) - 0.5, -0.5))
    ax.set_xlabel("Test accuracy, first less second (percentage points)")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    return fig


@styled
def per_class(table: pd.DataFrame) -> Figure:
    """Precision and recall of each class, a mark a method.

    Args:
        table: method, digit, precision, recall (fractions).
    """
    methods = in_order(table.method)
    fig, axes = panels(2.8, columns=2, sharey=True)
    offsets = np.linspace(-0.24, 0.24, len(methods)) if len(methods) > 1 else [0]
    for ax, column in zip(axes, ("precision", "recall"), strict=True):
        for method, offset in zip(methods, offsets, strict=True):
            rows = table[table.method == method]
            at = rows.digit + offset
            ax.scatter(at, rows[column], s=14, color=colour(method), linewidths=0)
        ax.set(xlabel="Class", title=column.capitalize(), xticks=range(10))
        percent(ax.yaxis)
        ax.grid(axis="y")
        for edge in np.arange(0.5, 9):
            ax.axvline(edge, color="#E4E4E4", linewidth=0.5, zorder=0)
    handles = [
        Line2D([], [], color=colour(m), marker="o", linestyle="", markersize=4) for m in methods
    ]
    fig.legend(
        handles,
        [name(m) for m in methods],
        loc="outside upper center",
        ncols=len(methods),
        frameon=False,
        handletextpad=0.1,
    )
    return fig


@styled
def costs(table: pd.DataFrame) -> Figure:
    """Training behind one classifier: a bar a method, its parts end to end and written below it.

    Args:
        table: method, stage, seconds; stages in the order in which they run.
    """
    methods = in_order(table.method)
    fig, ax = panels(0.45 * len(methods) + 0.6)
    totals = table.groupby("method").seconds.sum()
    unit, word = next((u, w) for u, w in UNITS if totals.max() >= 2 * u or u == 1)
    for row, method in enumerate(methods):
        parts = table[table.method == method]
        starts = parts.seconds.cumsum() - parts.seconds
        # earlier parts paler: what comes last is the method's own
        alphas = np.linspace(0.45, 0.9, len(parts)) if len(parts) > 1 else [0.9]
        for start, seconds, alpha in zip(starts, parts.seconds, alphas, strict=True):
            ax.barh(row, seconds / unit, 0.36, start / unit, color=colour(method), alpha=alpha)
        _note(ax, totals[method] / unit, row, duration(totals[method]), (4, 0), weight="bold")
        text = " + ".join(f"{p.stage}: {duration(p.seconds)}" for p in parts.itertuples())
        _note(ax, 0, row, text, (2, -12), color=SOFT, fontsize=SMALL)
    ax.set(yticks=range(len(methods)), yticklabels=[name(m) for m in methods])
    ax.set(ylim=(len(methods) - 0.3, -0.4), xlim=(0, 1.12 * totals.max() / unit))
    ax.set_xlabel(f"Training time ({word})")
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    for label, method in zip(ax.get_yticklabels(), methods, strict=True):
        label.set_color(colour(method))
    ax.tick_params(axis="y", length=0)
    return fig


UNITS = ((3600, "hours"), (60, "minutes"), (1, "seconds"))


def duration(seconds: float) -> str:
    """0.05 s, 12 s, 3.5 min, 47 min or 1.2 h."""
    if seconds < 120:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.0f} s"
    if seconds >= 7200:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds < 600 else f"{seconds / 60:.0f} min"


def _dot_row(ax, row: int, values: np.ndarray, middle: tuple, c: str, text: str) -> None:
    """A dot a draw, the mean with its interval (NaN for a single draw), and the mean in words."""
    mean, low, high = middle
    # heights part dots of nearly equal values; the same ones at every run
    jitter = np.random.default_rng(0).uniform(-0.16, 0.16, len(values)) * (len(values) > 1)
    ax.scatter(values, row + jitter, s=13, color=c, alpha=0.45, linewidths=0)
    if np.isfinite(low):
        ax.plot([low, high], [row, row], color=c, linewidth=2.4)
    ax.scatter([mean], [row], s=34, color=c, edgecolors="white", linewidths=0.8, zorder=3)
    right = {"xycoords": ("axes fraction", "data"), "annotation_clip": False}
    _note(ax, 1, row, text, (6, 0), color=c, weight="bold", **right)


def _note(ax, x: float, y: float, text: str, shift: tuple[float, float], **style) -> None:
    """Text at a point of the data, moved by some points of the page."""
    ax.annotate(text, (x, y), xytext=shift, textcoords="offset points", va="center", **style)
