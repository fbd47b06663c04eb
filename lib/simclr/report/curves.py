"""Charts over labels and epochs: a function a figure; lines are named where they end."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from simclr.report import style

DOTTED = {"marker": "o", "markersize": 2.5}


def learning_curve(summary: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """Mean accuracy over runs, a line a method, and below it σ between runs, if there are several.

    Halving the errors always takes the same height: the scale is that of the errors' logarithm.

    Args:
        summary: method, n_labels, mean, sd (fractions; sd is NaN for a single run).
        methods: those to show; one without rows is left out.
    """
    summary = summary[summary.method.isin(methods)].sort_values("n_labels")
    rows = 2 if summary.sd.notna().any() else 1
    fig, axes = style.panels(1.9 + 0.75 * rows, rows, height_ratios=(2.8, 1)[:rows])
    ax, *below = np.atleast_1d(axes)
    accuracies(ax, summary)
    for spread in below:
        for method in style.in_order(summary.method):
            of = summary[summary.method == method]
            spread.plot(of.n_labels, 100 * of.sd, **_look(method))
        _label_counts(spread, summary.n_labels)
        ax.set_xlabel("")
        spread.set(ylabel="σ of draws\n(points)", yscale="log")
        spread.yaxis.set_major_locator(LogLocator(numticks=5))
        spread.yaxis.set_major_formatter("{x:g}")
        spread.yaxis.set_minor_locator(NullLocator())
    style.end_labels(ax)
    return fig


def accuracies(ax: Axes, summary: pd.DataFrame) -> None:
    """Draw mean accuracies over the number of labels, a line a method, on the scale of `style.log_errors`."""
    for method in style.in_order(summary.method):
        of = summary[summary.method == method].sort_values("n_labels")
        last = of["mean"].iloc[-1]
        label = f"{style.name(method)}  {style.accuracy(last)}"
        ax.plot(of.n_labels, (1 - of["mean"]).clip(1e-4), label=label, **_look(method))
    _label_counts(ax, summary.n_labels)
    ax.set_ylabel("Test accuracy")
    style.log_errors(ax.yaxis)


def gains(differences: pd.DataFrame) -> Figure:
    """Paired differences over the number of labels: mean and its interval, a line a pair.

    The columns are a, b, n_labels, difference, low, high (fractions); one b for all.
    """
    fig, ax = style.panels(3.1)
    ax.axhline(0, color=style.SOFT, linewidth=0.8)
    for method in style.in_order(differences.a):
        rows = differences[differences.a == method]
        middle, *band = (100 * rows[column] for column in ("difference", "low", "high"))
        label = f"{style.name(method)}  {style.written(middle.iloc[-1], '+.1f')}"
        ax.plot(rows.n_labels, middle, label=label, **_look(method))
        ax.fill_between(rows.n_labels, *band, color=style.colour(method), alpha=0.14, linewidth=0)
    _label_counts(ax, differences.n_labels)
    ax.set_ylabel(f"Over {style.name(differences.b.iloc[0])}\n(percentage points)")
    style.end_labels(ax)
    return fig


def strengths(table: pd.DataFrame, method: str) -> Figure:
    """Accuracy over the strength of a view, a panel a view: the mean over draws, and worst to best.

    Args:
        table: view (rotation or crop_scale), value, mean, worst, best.
        method: that the accuracies are of, for the colour.
    """
    labels = {"rotation": "Rotation up to (degrees)", "crop_scale": "Crops from (share of the area)"}
    fig, axes = style.panels(2.2, columns=len(labels), sharey=True)
    for ax, (view, label) in zip(axes, labels.items(), strict=True):
        rows, c = table[table["view"] == view], style.colour(method)
        ax.fill_between(rows.value, rows.worst, rows.best, color=c, alpha=0.14, linewidth=0)
        ax.plot(rows.value, rows["mean"], color=c, **DOTTED)
        ax.set(xlabel=label, xticks=rows.value)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.grid(axis="y")
    axes[0].set_ylabel("Test accuracy")
    style.percent(axes[0].yaxis)
    return fig


def _look(method: str) -> dict:
    """Of a method's line."""
    return {"color": style.colour(method), "marker": style.marker(method), "markersize": 4.5, "mew": 0}


def _label_counts(ax: Axes, n_labels: pd.Series) -> None:
    """Mark the sizes of the label sets on the x axis."""
    style.whole_numbers(ax, "Labelled images")
    if n_labels.max() > 100 * n_labels.min():
        ax.set(xscale="log", xlim=(0.8 * n_labels.min(), 1.25 * n_labels.max()))
        ax.xaxis.set_minor_locator(NullLocator())
    if n_labels.nunique() <= 12:  # else Matplotlib's own choice
        counts = sorted(n_labels.unique())
        ax.set_xticks(counts, [f"{count:,}" for count in counts])


def pretraining(history: pd.DataFrame) -> Figure:
    """Training and validation loss over epochs, and the alignment and uniformity of projections.

    The columns are seed, epoch (0 before training), train_loss, validation_loss, alignment and uniformity.
    """
    fig, (loss, *others) = style.panels(2.1, columns=3, width_ratios=(1.5, 1, 1))
    fig.get_layout_engine().set(wspace=0.06)  # room for the labels of the first
    train, validation = {"color": style.INK} | DOTTED, {"color": style.ACCENT} | DOTTED
    after = history[history.epoch > 0]  # before it, the loss is that of chance and would flatten the curve
    _epochs(loss, after, "train_loss", "training  {:.2f}", **train)
    _epochs(loss, after, "validation_loss", "validation  {:.2f}", **validation)
    loss.set(ylabel="nats", title="NT-Xent loss")
    for ax, column in zip(others, ("alignment", "uniformity"), strict=True):
        _epochs(ax, history, column, **validation)
        ax.set_title(column.capitalize())
    style.end_labels(loss)
    return fig


def _epochs(ax: Axes, history: pd.DataFrame, column: str, label: str = "", **thick) -> None:
    """A thin line a seed, where there are several, and a thick one of their mean, labelled."""
    seeds = history.groupby("seed")
    for _, rows in seeds if len(seeds) > 1 else ():
        ax.plot(rows.epoch, rows[column], color=thick["color"], linewidth=0.4, alpha=0.45)
    mean = history.groupby("epoch")[column].mean()
    ax.plot(mean.index, mean, label=label.format(mean.iloc[-1]), **thick)
    style.whole_numbers(ax, "Epoch")
