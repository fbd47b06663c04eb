"""What all figures share: the style sheet, the colours of the methods and a few small helpers."""

import re
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from scipy.optimize import isotonic_regression

from simclr.experiment.stages import METHODS

STYLE = Path(__file__).with_name("report.mplstyle")
WIDTH = 6.3  # inches, the text width of the report
PHONE = 3.5  # inches, of a figure on a phone
INK = "#222222"  # text and the first series that is no method
SOFT = "#6E6E6E"  # secondary text, thin lines
ACCENT = "#0B7A5B"  # the second series that is no method
MARKERS = "osvD^P>Xh<*"  # a colour of the methods each
SMALL = 8  # points, the smallest text anywhere


def name(method: str) -> str:
    """The name that readers see."""
    return METHODS[method].name


def accuracy(value: float) -> str:
    """For a label; from 98.5% on with two decimals."""
    return f"{value:{'.2%' if value > 0.985 else '.1%'}}"


def colour(method: str) -> str:
    """The method's colour, the same in every figure.

    Its contrast with white is at least 4.5:1, so that it can carry text. No eight colours are told apart
    by everyone: what has a colour has its marker or its name, too.
    """
    return METHODS[method].colour


def marker(method: str) -> str:
    """The method's marker, the same for methods of one colour."""
    colours = list(dict.fromkeys(each.colour for each in METHODS.values()))
    return MARKERS[colours.index(colour(method))]


def in_order(methods: Iterable[str]) -> list[str]:
    """The distinct methods, in the order of METHODS."""
    return sorted(set(methods), key=list(METHODS).index)


def written(value: object, spec: str) -> str:
    """Numbers with a true minus sign, and none before one that rounds to zero; words as they are."""
    text = format(value, spec)
    if isinstance(value, str):
        return text
    return (text if re.search("[1-9]", text) else text.lstrip("-")).replace("-", "−")


def setup() -> None:
    """Draw everything in the report's style from here on, whatever the settings were before."""
    matplotlib.rcdefaults()
    matplotlib.style.use(STYLE)


def panels(height: float, rows=1, columns=1, width=WIDTH, **options) -> tuple[Figure, Axes]:
    """A figure with its axes, sizes in inches; pyplot, which would keep it open, is not asked."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def narrow(figure: Figure) -> None:
    """Change a figure for a phone: panels below each other, each as high as it was."""
    axes = [ax for ax in figure.axes if ax.get_subplotspec() and ax.axison]
    old = axes[0].get_subplotspec().get_gridspec()
    height = figure.get_figheight() / old.nrows
    if old.ncols > 1:
        for place, ax in zip(GridSpec(len(axes), 1, figure=figure), axes, strict=True):
            ax.set_subplotspec(place)
            ax.tick_params(labelleft=True)
    figure.set_size_inches(PHONE, height * len(axes))
    for ax in axes:
        _labels_above(ax)
        if isinstance(ax.xaxis.get_major_locator(), MaxNLocator):
            ax.xaxis.get_major_locator().set_params(nbins=4)
        ax.set_xlabel(textwrap.fill(ax.get_xlabel(), 32))
        names = [textwrap.fill(label.get_text(), 27) for label in ax.get_yticklabels()]
        if any("\n" in name for name in names):
            ax.set_yticks(ax.get_yticks(), names)
    figure.draw_without_rendering()
    for ax in axes:
        _drop_crowded(ax)


def _labels_above(ax: Axes) -> None:
    """Move the labels at the ends of lines, which would take half of a phone, above the axes."""
    ends = [text for text in ax.texts if text.get_label() == "end label"]
    if not ends:
        return
    for text in ends:
        text.remove()
    found = zip(*ax.get_legend_handles_labels(), strict=True)
    lines, labels = zip(*sorted(found, key=lambda each: -_end(ax, each[0])), strict=True)
    look = {"labelcolor": "linecolor", "frameon": False, "handlelength": 1, "labelspacing": 0.25}
    title = ax.get_title("left")  # stands above the names, which would cover it
    ax.set_title("", loc="left")
    look |= {"title": title, "alignment": "left"} if title else {}
    ax.legend(lines, labels, loc="lower left", bbox_to_anchor=(-0.02, 1), borderpad=0, **look)
    ax.figure.set_figheight(ax.figure.get_figheight() + 0.17 * (len(lines) + bool(title)))


def _end(ax: Axes, line: Line2D) -> float:
    """How high a line ends, in pixels."""
    return ax.transData.transform((1, line.get_ydata()[-1]))[1]


def _drop_crowded(ax: Axes) -> None:
    """Hide labels of the x axis that would touch the one before."""
    ends = sorted(ax.get_xlim())  # of an axis that may be inverted, and has ticks beyond them
    ticks = zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
    shown = [label for x, label in ticks if label.get_text() and ends[0] <= x <= ends[1]]
    placed, last = [(label.get_window_extent(), label) for label in shown], -np.inf
    for box, label in sorted(placed, key=lambda each: each[0].x0):
        if box.x0 < last + 2:
            label.set_visible(False)
        else:
            last = box.x1


def text(ax: Axes, x: float, y: float, words: str, ha="center", va="center", **look) -> None:
    """Words at a point, centred on it unless told otherwise."""
    ax.text(x, y, words, ha=ha, va=va, **look)


def percent(axis: Axis) -> None:
    """Label fractions as percentages, on ticks that a label states exactly."""
    axis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(lambda v, _: f"{100 * v:.5g}%")


def log_errors(axis: Axis) -> None:
    """Label errors, plotted as fractions on a log scale, by the accuracy that they leave, the best last."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_inverted(True)
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda error, _: f"{100 * (1 - error):.5g}%")


def whole_numbers(ax: Axes, label: str) -> None:
    """Whole numbers only on the x axis, which ends where the data do, and a grid to read values."""
    low, high = ax.dataLim.intervalx
    margin = 0.02 * (high - low) or 0.5
    ax.set(xlabel=label, xlim=(low - margin, high + margin))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    ax.grid(axis="y")


def end_labels(ax: Axes) -> None:
    """Write the labels of lines at their right ends; where some would touch, apart, with leaders."""
    ax.figure.draw_without_rendering()  # the height of the axes, before labels take room
    point = ax.figure.dpi / 72  # in pixels
    box, height = ax.get_window_extent(), ax.get_window_extent().height / point
    lines, texts = ax.get_legend_handles_labels()
    wanted = [(_end(ax, line) - box.y0) / point for line in lines]
    places = spread(wanted, 9.6, height)
    moved = np.abs(np.subtract(places, wanted)).max() > 3  # points
    look = {"textcoords": "offset points", "va": "center", "annotation_clip": False}
    leader = {"arrowstyle": "-", "linewidth": 0.5, "relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 2}
    for line, text, place, was in zip(lines, texts, places, wanted, strict=True):
        c, end = line.get_color(), (ax.get_xlim()[1], line.get_ydata()[-1])
        shift = (14 if moved else 4, place - was)
        arrow = {**leader, "color": c} if moved else None
        ax.annotate(text, end, shift, color=c, arrowprops=arrow, label="end label", **look)


def spread(wanted: Sequence[float], distance: float, top: float) -> list[float]:
    """Positions nearest to the wanted ones that are `distance` apart, inside [0, top] if they fit."""
    order = np.argsort(wanted, kind="stable")
    steps = distance * np.arange(len(order))
    starts = isotonic_regression(np.asarray(wanted)[order] - steps).x
    places = np.empty(len(order))
    places[order] = np.clip(starts, 0, max(0, top - steps[-1])) + steps
    return places.tolist()
