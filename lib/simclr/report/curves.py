"""Charts over labels, epochs or steps: a function a figure; lines are named where they end."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from simclr.report import style

DOTTED = {"marker": "o", "markersize": 2.5}
RUN = ("pretrain_seed", "seed", "draw")  # the columns that tell one run of a method from another


@style.styled
def learning_curve(
    summary: pd.DataFrame, methods: Sequence[str], log_errors: bool = False
) -> Figure:
    """Mean accuracy over runs, a line a method, and the spread between runs.

    The spread is a band of ± 2σ; for more than two methods, whose bands would hide each other, it
    is a line of σ on axes of its own below.

    Args:
        summary: method, n_labels, mean, sd (fractions; sd is NaN for a single run).
        methods: those to show; one without rows is left out.
        log_errors: stretch the upper end, so that halving the errors always takes about the same height.
    """
    summary = summary[summary.method.isin(methods)].sort_values("n_labels")
    methods = style.in_order(summary.method)
    rows = 2 if len(methods) > 2 and summary.sd.notna().any() else 1
    fig, axes = style.panels(2.0 + 0.7 * rows, rows, height_ratios=(2.8, 1)[:rows])
    ax, *below = np.atleast_1d(axes)
    for method in methods:
        of = summary[summary.method == method]
        band = [(of["mean"] + side * of.sd).clip(0, 1) for side in (-2, 2)]
        _line(ax, of.n_labels, of["mean"], method, ".1%", () if below else band)
        for spread in below:
            spread.plot(of.n_labels, 100 * of.sd, color=style.colour(method), **DOTTED)
    _label_counts(axes, summary.n_labels)
    for spread in below:
        ax.set_xlabel("")
        spread.set(ylabel="σ of draws\n(points)", ylim=(0, None))
    ax.set_ylabel("Test accuracy")
    if log_errors:
        style.stretched_percent(ax.yaxis, *summary["mean"].agg(["min", "max"]))
    else:
        ax.set_ylim(None, min(1.0, ax.get_ylim()[1]))
        style.percent(ax.yaxis)
    style.end_labels(ax)
    return fig


@style.styled
def gains(differences: pd.DataFrame) -> Figure:
    """Paired differences over the number of labels: mean and its interval, a line a pair.

    The columns are a, b, n_labels, difference, low, high (fractions); one b for all.
    """
    fig, ax = style.panels(2.6)
    ax.axhline(0, color=style.SOFT, linewidth=0.8)
    for method in style.in_order(differences.a):
        rows = differences[differences.a == method]
        middle, *band = (100 * rows[column] for column in ("difference", "low", "high"))
        _line(ax, rows.n_labels, middle, method, "+.1f", band)
    _label_counts(ax, differences.n_labels)
    ax.set_ylabel(f"Over {style.name(differences.b.iloc[0])}\n(percentage points)")
    style.end_labels(ax)
    return fig


def _line(ax: Axes, x: pd.Series, y: pd.Series, method: str, spec: str, band) -> None:
    """A method's line, labelled with its name and last value, and the band around it, if any."""
    c, label = style.colour(method), f"{style.name(method)}  {style.written(y.iloc[-1], spec)}"
    ax.plot(x, y, color=c, label=label, **DOTTED)
    if band:
        ax.fill_between(x, *band, color=c, alpha=0.14, linewidth=0)


def _label_counts(axes: Axes | np.ndarray, n_labels: pd.Series) -> None:
    """Mark the sizes of the label sets on the x axes."""
    for ax in np.atleast_1d(axes):
        style.whole_numbers(ax, "Labelled images")
        if n_labels.max() > 100 * n_labels.min():
            ax.set(xscale="log", xlim=(0.8 * n_labels.min(), 1.25 * n_labels.max()))
            ax.xaxis.set_minor_locator(NullLocator())
        if n_labels.nunique() <= 12:  # else Matplotlib's own choice
            counts = sorted(n_labels.unique())
            ax.set_xticks(counts, [f"{count:,}" for count in counts])


@style.styled
def training_history(history: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """Training loss (log scale) and accuracy over optimiser steps: thin line a run, thick the mean.

    The columns are method, draw, step (at the end of an epoch), loss and accuracy (a fraction);
    where there is a column pretrain_seed, a run is a seed and a draw. Of long trainings, a point is
    the mean over several epochs, as the losses of single ones jump.
    """
    fig, (left, right) = style.panels(2.5, columns=2)
    for ax, column in ((left, "loss"), (right, "accuracy")):
        for method in style.in_order(set(methods) & set(history.method)):
            rows, c = _thinned(history[history.method == method]), style.colour(method)
            _runs(ax, rows, "step", column, style.name(method), color=c)
    left.set(ylabel="Training loss", yscale="log")
    low, high = left.get_ylim()
    left.yaxis.set_major_formatter("{x:g}")  # 0.5, not 5·10⁻¹
    left.yaxis.set_minor_formatter("{x:g}" if high < 10 * low else "")
    right.set(ylabel="Training accuracy")
    style.percent(right.yaxis)
    words = {"labelcolor": "linecolor", "prop": {"weight": "bold", "size": 8}, "frameon": False}
    words |= {"handlelength": 0, "handletextpad": 0, "borderpad": 0, "borderaxespad": 0}
    left.legend(loc="lower left", bbox_to_anchor=(0, 1.04), ncols=9, markerscale=0, **words)
    return fig


def _thinned(history: pd.DataFrame, points: int = 40) -> pd.DataFrame:
    """At most so many points a run, each the mean over the epochs up to its step."""
    length = max(1, history.step.nunique() // points)
    steps = np.sort(history.step.unique())
    last = np.arange(len(steps)) // length * length + length - 1
    ends = dict(zip(steps, steps[last.clip(max=len(steps) - 1)], strict=True))
    runs = [column for column in RUN if column in history]
    shown = history.assign(step=history.step.map(ends)).groupby([*runs, "step"], dropna=False)
    return shown[["loss", "accuracy"]].mean().reset_index()


@style.styled
def pretraining(history: pd.DataFrame) -> Figure:
    """Training and validation loss over epochs, and the alignment and uniformity of projections.

    The columns are epoch (0 before training), train_loss, validation_loss, alignment, uniformity and, for
    several pre-trainings, seed.
    """
    fig, (loss, *others) = style.panels(2.4, columns=3, width_ratios=(1.5, 1, 1))
    train, validation = {"color": style.INK} | DOTTED, {"color": style.ACCENT} | DOTTED
    _runs(loss, history, "epoch", "train_loss", "training  {:.2f}", **train)
    _runs(loss, history, "epoch", "validation_loss", "validation  {:.2f}", **validation)
    loss.set(ylabel="nats", title="NT-Xent loss")
    for ax, column in zip(others, ("alignment", "uniformity"), strict=True):
        _runs(ax, history, "epoch", column, **validation)
        ax.set_title(column.capitalize())
    style.end_labels(loss)
    return fig


def _runs(ax: Axes, history: pd.DataFrame, x: str, y: str, label: str = "", **thick) -> None:
    """A thin line a run, where there are several, and a thick one of their mean, labelled."""
    by = [column for column in RUN if column in history]
    runs = [run for _, run in history.groupby(by, dropna=False)] if by else []
    for run in runs if len(runs) > 1 else ():
        ax.plot(run[x], run[y], color=thick["color"], linewidth=0.4, alpha=0.45)
    mean = history.groupby(x)[y].mean()
    marker = {"marker": "o"} if len(mean) == 1 else {}
    ax.plot(mean.index, mean, label=label.format(mean.iloc[-1]), **marker | thick)
    style.whole_numbers(ax, {"epoch": "Epoch", "step": "Optimiser step"}[x])
