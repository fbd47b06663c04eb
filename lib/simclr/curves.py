"""Charts over labels or over epochs: a function a figure, returns a Figure, no I/O.

Lines are named where they end, so that no legend is needed.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from simclr.figstyle import (
    ACCENT,
    INK,
    SOFT,
    colour,
    colour_key,
    end_labels,
    epoch_axis,
    in_order,
    name,
    panels,
    percent,
    signed,
    styled,
)


@styled
def learning_curve(curve: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """Mean accuracy over draws, a line a method, and the spread between draws.

    The spread is a band of ± 2σ; for more than two methods, whose bands would hide each other, it
    is a line of σ on axes of its own below.

    Args:
        curve: method, draw, n_labels, accuracy (a fraction).
        methods: those to show; one without rows is left out.
    """
    methods = in_order(m for m in methods if m in set(curve.method))
    rows = 2 if len(methods) > 2 else 1
    fig, axes = panels(3.0 if rows == 1 else 3.9, rows=rows, height_ratios=(2.6, 1)[:rows])
    ax, *below = np.atleast_1d(axes)
    ends = []
    for method in methods:
        by = curve[curve.method == method].groupby("n_labels").accuracy
        mean, sd, c = by.mean(), by.std(ddof=1).fillna(0), colour(method)
        line = {"color": c, "marker": "o", "markersize": 2.5}
        ax.plot(mean.index, mean, label=name(method), **line)
        for spread in below:
            spread.plot(sd.index, 100 * sd, **line)
        if not below:
            band = ((mean - 2 * sd).clip(0, 1), (mean + 2 * sd).clip(0, 1))
            ax.fill_between(mean.index, *band, color=c, alpha=0.14, linewidth=0)
        ends.append((mean.iloc[-1], f"{name(method)}  {mean.iloc[-1]:.1%}", c))
    for each in (ax, *below):
        largest = _labels_axis(each, curve.n_labels)
        each.grid(axis="y")
    for spread in below:
        ax.set_xlabel("")
        spread.set_ylabel("σ of draws\n(points)")
        spread.set_ylim(bottom=0)
    ax.set_ylabel("Test accuracy")
    ax.set_ylim(top=min(1.0, ax.get_ylim()[1]))
    percent(ax.yaxis)
    end_labels(ax, largest, ends)
    return fig


@styled
def gains(differences: pd.DataFrame) -> Figure:
    """Paired differences over the number of labels: mean and its interval, a line a pair.

    Args:
        differences: a, b, n_labels, difference, low, high (fractions); one b for all.
    """
    fig, ax = panels(2.6)
    ends = []
    ax.axhline(0, color=SOFT, linewidth=0.8)
    for method in in_order(differences.a):
        rows, c = differences[differences.a == method], colour(method)
        middle, low, high = (100 * rows[column] for column in ("difference", "low", "high"))
        ax.plot(rows.n_labels, middle, color=c, marker="o", markersize=2.5)
        ax.fill_between(rows.n_labels, low, high, color=c, alpha=0.14, linewidth=0)
        ends.append((middle.iloc[-1], f"{name(method)}  {signed(middle.iloc[-1])}", c))
    largest = _labels_axis(ax, differences.n_labels)
    ax.set_ylabel(f"Over {name(differences.b.iloc[0])}\n(percentage points)")
    ax.grid(axis="y")
    end_labels(ax, largest, ends)
    return fig


def _labels_axis(ax: Axes, n_labels: pd.Series) -> int:
    """Label the x axis with the sizes of the label sets; the largest of them."""
    sizes = sorted(n_labels.unique())
    if len(sizes) <= 12:  # else Matplotlib's own choice
        ax.set_xticks(sizes)
    margin = 0.01 * (sizes[-1] - sizes[0]) or 1
    ax.set(xlabel="Labelled images", xlim=(sizes[0] - margin, sizes[-1] + margin))
    return sizes[-1]


@styled
def training_history(history: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """Training loss (log scale) and accuracy over epochs: thin line a draw, thick the mean.

    Args:
        history: method, draw, epoch, loss, accuracy (a fraction).
    """
    fig, (left, right) = panels(2.5, columns=2)
    methods = in_order(m for m in methods if m in set(history.method))
    for method in methods:
        rows = history[history.method == method]
        for ax, column in ((left, "loss"), (right, "accuracy")):
            for _, one in rows.groupby("draw"):
                ax.plot(one.epoch, one[column], color=colour(method), linewidth=0.4, alpha=0.45)
            mean = rows.groupby("epoch")[column].mean()
            marker = "o" if len(mean) == 1 else None
            ax.plot(mean.index, mean, color=colour(method), marker=marker)
    left.set(ylabel="Training loss", yscale="log")
    right.set(ylabel="Training accuracy")
    percent(right.yaxis)
    plain = FuncFormatter(lambda v, _: f"{v:g}")  # 0.5, not 5·10⁻¹
    low, high = left.get_ylim()
    left.yaxis.set_major_formatter(plain)
    left.yaxis.set_minor_formatter(plain if high < 10 * low else NullFormatter())
    for ax in (left, right):
        epoch_axis(ax)
        ax.grid(axis="y")
    colour_key(left, [(name(method), colour(method)) for method in methods])
    return fig


@styled
def pretraining_losses(history: pd.DataFrame, chance: float) -> Figure:
    """Training and validation loss over epochs with the loss of chance; beside them, their gap.

    Args:
        history: epoch, train_loss, validation_loss.
        chance: log(2N - 1).
    """
    fig, (ax, right) = panels(2.7, columns=2, width_ratios=(2, 1))
    last = history.epoch.iloc[-1]
    ax.axhline(chance, color=SOFT, linestyle=(0, (4, 3)), linewidth=0.8)
    ends = [(chance, f"chance  {chance:.2f}", SOFT)]
    for column, word, c in (
        ("train_loss", "training", INK),
        ("validation_loss", "validation", ACCENT),
    ):
        ax.plot(history.epoch, history[column], color=c, marker="o", markersize=2.5)
        ends.append((history[column].iloc[-1], f"{word}  {history[column].iloc[-1]:.2f}", c))
    gap = history.validation_loss - history.train_loss
    right.axhline(0, color=SOFT, linewidth=0.8)
    right.plot(history.epoch, gap, color=ACCENT, marker="o", markersize=2.5)
    ax.set_ylabel("NT-Xent loss (nats)")
    right.set_ylabel("Validation − training loss (nats)")
    for each in (ax, right):
        epoch_axis(each)
        each.grid(axis="y")
    if len(history) > 1:
        ax.set_xlim(right=last + 0.01 * (last - history.epoch.iloc[0]))
    end_labels(ax, ax.get_xlim()[1], ends)
    return fig


@styled
def alignment_uniformity(history: pd.DataFrame) -> Figure:
    """Alignment and uniformity over epochs, epoch 0 before training.

    Args:
        history: epoch, alignment, uniformity.
    """
    fig, axes = panels(2.4, columns=2)
    better = {"alignment": "closer views of an image", "uniformity": "images more evenly spread"}
    for ax, (column, meaning) in zip(axes, better.items(), strict=True):
        ax.plot(history.epoch, history[column], color=ACCENT, marker="o", markersize=2.5)
        ax.set(ylabel=column.capitalize(), title=f"lower: {meaning}")
        epoch_axis(ax)
        ax.grid(axis="y")
    return fig
