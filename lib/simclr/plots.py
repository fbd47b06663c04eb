"""The report's charts: a function a figure, returns a Figure, no I/O. Pictures and drawings join in.

Methods have one name and one colour everywhere (`figstyle`); lines are named where they end, so
that no legend is needed.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from simclr.diagrams import architecture, simclr_diagram
from simclr.figstyle import (
    ACCENT,
    INK,
    SMALL,
    SOFT,
    WIDTH,
    colour,
    colour_key,
    end_labels,
    epoch_axis,
    halo,
    in_order,
    name,
    styled,
)
from simclr.pictures import label_draw, mistakes, samples, views

__all__ = [
    "alignment_uniformity",
    "architecture",
    "confusion",
    "costs",
    "embedding_map",
    "label_draw",
    "learning_curve",
    "method_dots",
    "mistakes",
    "name",
    "paired_differences",
    "per_class",
    "pretraining_losses",
    "samples",
    "simclr_diagram",
    "training_history",
    "views",
]
DIGITS = plt.get_cmap("tab10").colors  # classes, not methods


@styled
def learning_curve(curve: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """Mean accuracy over draws and the ± 2σ band between them, a line a method.

    Args:
        curve: method, draw, n_labels, accuracy (a fraction).
    """
    fig, ax = plt.subplots(figsize=(WIDTH, 3.0), layout="constrained")
    ends = []
    for method in in_order(methods):
        by = curve[curve.method == method].groupby("n_labels").accuracy
        mean, sd, c = by.mean(), by.std(ddof=1).fillna(0), colour(method)
        ax.plot(mean.index, mean, color=c, marker="o", markersize=2.5, label=name(method))
        band = ((mean - 2 * sd).clip(0, 1), (mean + 2 * sd).clip(0, 1))
        ax.fill_between(mean.index, *band, color=c, alpha=0.14, linewidth=0)
        ends.append((mean.iloc[-1], f"{name(method)}  {mean.iloc[-1]:.1%}", c))
    sizes = sorted(curve.n_labels.unique())
    ax.set(xlabel="Labelled images", ylabel="Test accuracy", xticks=sizes)
    ax.set_xlim(sizes[0] - 1, sizes[-1] + 1)
    ax.set_ylim(top=min(1.0, ax.get_ylim()[1]))
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.grid(axis="y")
    end_labels(ax, sizes[-1], ends)
    return fig


@styled
def confusion(matrix: np.ndarray, title: str = "") -> Figure:
    """Counts in cells, errors coloured on a log scale so that the diagonal does not drown them.

    Args:
        matrix: (10, 10), rows true classes, columns predicted ones.
    """
    fig, ax = plt.subplots(figsize=(4.6, 3.9), layout="constrained")
    errors = np.ma.masked_array(matrix, np.eye(len(matrix), dtype=bool) | (matrix < 0.5))
    top = max(errors.max() if errors.count() else 1.0, 2.0)
    text = np.vectorize(lambda v: f"{v:.0f}" if v >= 0.5 else "")(matrix)
    sns.heatmap(
        matrix,
        mask=np.ma.getmaskarray(errors),
        norm=LogNorm(0.5, top),
        cmap="Oranges",
        cbar_kws={"label": "Errors (log scale)", "format": FuncFormatter(lambda v, _: f"{v:g}")},
        linewidths=0.4,
        linecolor="#E4E4E4",
        square=True,
        ax=ax,
    )
    for (i, j), word in np.ndenumerate(text):
        dark = i != j and matrix[i, j] > 0.55 * top
        ax.text(
            j + 0.5,
            i + 0.5,
            word,
            ha="center",
            va="center",
            fontsize=SMALL,
            color="white" if dark else INK,
            weight="bold" if i == j else "normal",
        )
    ax.set(xlabel="Predicted class", ylabel="True class", title=title)
    ax.tick_params(length=0, rotation=0)
    return fig


@styled
def training_history(history: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """Training loss (log scale) and training accuracy over epochs: thin line a draw, thick the mean.

    Args:
        history: method, draw, epoch, loss, accuracy (a fraction).
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 2.5), layout="constrained")
    for method in in_order(methods):
        rows = history[history.method == method]
        for ax, column in ((left, "loss"), (right, "accuracy")):
            for _, one in rows.groupby("draw"):
                ax.plot(one.epoch, one[column], color=colour(method), linewidth=0.4, alpha=0.45)
            mean = rows.groupby("epoch")[column].mean()
            ax.plot(mean.index, mean, color=colour(method))
    left.set(ylabel="Training loss", yscale="log")
    right.set(ylabel="Training accuracy")
    right.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    left.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    for ax in (left, right):
        epoch_axis(ax)
        ax.grid(axis="y")
    colour_key(left, [(name(method), colour(method)) for method in in_order(methods)])
    return fig


@styled
def pretraining_losses(history: pd.DataFrame, chance: float) -> Figure:
    """Training and validation loss over epochs, and the loss of chance.

    Args:
        history: epoch, train_loss, validation_loss.
        chance: log(2N - 1).
    """
    fig, ax = plt.subplots(figsize=(WIDTH, 2.7), layout="constrained")
    ax.axhline(chance, color=SOFT, linestyle=(0, (4, 3)), linewidth=0.8)
    ends = [(chance, f"chance  {chance:.2f}", SOFT)]
    for column, word, c in (
        ("train_loss", "training", INK),
        ("validation_loss", "validation", ACCENT),
    ):
        ax.plot(history.epoch, history[column], color=c, marker="o", markersize=2.5)
        ends.append((history[column].iloc[-1], f"{word}  {history[column].iloc[-1]:.2f}", c))
    ax.set_ylabel("NT-Xent loss (nats)")
    ax.set_xlim(history.epoch.iloc[0] - 0.3, history.epoch.iloc[-1] + 0.1)
    epoch_axis(ax)
    ax.grid(axis="y")
    end_labels(ax, history.epoch.iloc[-1], ends)
    return fig


@styled
def alignment_uniformity(history: pd.DataFrame) -> Figure:
    """Alignment and uniformity over epochs, epoch 0 before training.

    Args:
        history: epoch, alignment, uniformity.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.4), layout="constrained")
    better = {"alignment": "views of an image lie together", "uniformity": "images spread evenly"}
    for ax, (column, meaning) in zip(axes, better.items(), strict=True):
        ax.plot(history.epoch, history[column], color=ACCENT, marker="o", markersize=2.5)
        ax.set(ylabel=column.capitalize(), title=f"↓ {meaning}")
        epoch_axis(ax)
        ax.grid(axis="y")
    return fig


@styled
def embedding_map(before: np.ndarray, after: np.ndarray, labels: np.ndarray) -> Figure:
    """Two maps of the same images, a colour a class, the digit at the median of its class.

    Args:
        before, after: (N, 2).
        labels: (N,).
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.2), layout="constrained")
    titles = ("Before pre-training (random weights)", "After pre-training")
    for ax, points, title in zip(axes, (before, after), titles, strict=True):
        for digit in np.unique(labels):
            mine, c = points[labels == digit], DIGITS[digit]
            ax.scatter(*mine.T, s=3, color=c, alpha=0.6, linewidths=0, rasterized=True)
            ax.text(
                *np.median(mine, axis=0),
                str(digit),
                color=c,
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
def method_dots(results: pd.DataFrame) -> Figure:
    """Every draw a dot, a row a method, and the mean with its 95 % interval.

    Args:
        results: tidy rows at one number of labels: method, draw, accuracy.
    """
    from simclr.evaluate import interval

    methods = in_order(results.method)
    fig, ax = plt.subplots(figsize=(WIDTH, 0.42 * len(methods) + 0.7), layout="constrained")
    rng = np.random.default_rng(0)
    for row, method in enumerate(methods):
        values, c = results[results.method == method].accuracy.to_numpy(), colour(method)
        mean, low, high = interval(values)
        jitter = rng.uniform(-0.16, 0.16, len(values))
        ax.scatter(values, row + jitter, s=13, color=c, alpha=0.45, linewidths=0)
        if len(values) > 1:
            ax.plot([low, high], [row, row], color=c, linewidth=2.4)
        ax.scatter([mean], [row], s=34, color=c, edgecolors="white", linewidths=0.8, zorder=3)
        ax.annotate(
            f"{mean:.1%}",
            (1, row),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=c,
            weight="bold",
            annotation_clip=False,
        )
    ax.set(yticks=range(len(methods)), yticklabels=[name(m) for m in methods])
    ax.set(xlabel="Test accuracy", ylim=(len(methods) - 0.5, -0.5))
    for label, method in zip(ax.get_yticklabels(), methods, strict=True):
        label.set_color(colour(method))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.grid(axis="x")
    return fig


@styled
def paired_differences(pairs: pd.DataFrame) -> Figure:
    """Differences a - b on the same draws: dots, mean and interval, in percentage points.

    Args:
        pairs: a, b, difference, low, high and values (a list), as fractions.
    """
    fig, ax = plt.subplots(figsize=(WIDTH, 0.42 * len(pairs) + 0.7), layout="constrained")
    ax.axvline(0, color=SOFT, linewidth=0.8)
    rng = np.random.default_rng(0)
    for row, pair in enumerate(pairs.itertuples()):
        c, values = colour(pair.a), 100 * np.asarray(pair.values)
        ax.scatter(
            values,
            row + rng.uniform(-0.16, 0.16, len(values)),
            s=13,
            color=c,
            alpha=0.45,
            linewidths=0,
        )
        if np.isfinite(pair.low):
            ax.plot([100 * pair.low, 100 * pair.high], [row, row], color=c, linewidth=2.4)
        ax.scatter([100 * pair.difference], [row], s=34, color=c, edgecolors="white", zorder=3)
        ax.annotate(
            f"{100 * pair.difference:+.1f}",
            (1, row),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=c,
            weight="bold",
            annotation_clip=False,
        )
    labels = [f"{name(pair.a)} − {name(pair.b).lower()}" for pair in pairs.itertuples()]
    ax.set(yticks=range(len(pairs)), yticklabels=labels, ylim=(len(pairs) - 0.5, -0.5))
    ax.set_xlabel("Difference of test accuracy (percentage points)")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    return fig


@styled
def per_class(table: pd.DataFrame) -> Figure:
    """Precision and recall of each class, a mark a method, joined so that gains can be seen.

    Args:
        table: method, digit, precision, recall (fractions).
    """
    methods = in_order(table.method)
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.8), sharey=True, layout="constrained")
    offsets = np.linspace(-0.24, 0.24, len(methods)) if len(methods) > 1 else [0]
    for ax, column in zip(axes, ("precision", "recall"), strict=True):
        for method, offset in zip(methods, offsets, strict=True):
            rows = table[table.method == method]
            at = rows.digit + offset
            ax.scatter(at, rows[column], s=14, color=colour(method), linewidths=0)
        ax.set(xlabel="Class", title=column.capitalize(), xticks=range(10))
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        ax.grid(axis="y")
        for edge in np.arange(0.5, 9):
            ax.axvline(edge, color="#E4E4E4", linewidth=0.5, zorder=0)
    handles = [
        plt.Line2D([], [], color=colour(m), marker="o", linestyle="", markersize=4) for m in methods
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
    """Seconds of training behind one classifier, on a log scale, a row for each part.

    Args:
        table: method, stage, seconds.
    """
    labels = [f"{name(row.method)}: {row.stage}" for row in table.itertuples()]
    fig, ax = plt.subplots(figsize=(WIDTH, 0.3 * len(table) + 0.6), layout="constrained")
    for row, part in enumerate(table.itertuples()):
        c = colour(part.method)
        ax.barh(row, part.seconds, color=c, height=0.6, alpha=0.9 if "fit" in part.stage else 0.45)
        ax.annotate(
            duration(part.seconds),
            (part.seconds, row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=INK,
        )
    ax.set(yticks=range(len(table)), yticklabels=labels, ylim=(len(table) - 0.4, -0.6))
    ax.set(xscale="log", xlabel="Seconds of training (log scale)")
    ax.set_xlim(min(0.01, table.seconds.min() / 2), table.seconds.max() * 6)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    ax.tick_params(axis="y", length=0)
    ax.minorticks_off()
    return fig


def duration(seconds: float) -> str:
    """0.05 s, 12 s, 3.5 min or 1.2 h."""
    if seconds < 120:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
