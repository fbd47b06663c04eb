"""What all figures share: the style sheet, the colours and a few small helpers."""

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path

import matplotlib.patheffects
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea
from matplotlib.ticker import FuncFormatter, MaxNLocator

STYLE = Path(__file__).with_name("report.mplstyle")
WIDTH = 6.3  # inches, the text width of the report

# Key -> (name, colour). At least 20 apart (CIE Lab distance) for normal vision and for the three
# kinds of colour blindness, and at least 3.8:1 against white, so that the colours can carry text.
METHODS = {
    "baseline": ("Baseline", "#5F5F5F"),
    "baseline_augmented": ("Baseline + augmentation", "#CC6600"),
    "probe_untrained": ("Probe, untrained encoder", "#A3155B"),
    "probe": ("Linear probe", "#1787B5"),
    "finetune": ("Fine-tuning", "#7526C4"),
}
INK = "#222222"  # text and the first series that is no method
SOFT = "#6E6E6E"  # secondary text, thin lines
ACCENT = "#0B7A5B"  # the second series that is no method
SMALL = 7  # points, the smallest text anywhere


def name(method: str) -> str:
    """The name that readers see; an unknown method keeps its key."""
    return METHODS.get(method, (method, INK))[0]


def colour(method: str) -> str:
    """The method's colour, the same in every figure; black for an unknown one."""
    return METHODS.get(method, (method, INK))[1]


def in_order(methods: Iterable[str]) -> list[str]:
    """The distinct methods, in the order of METHODS, unknown ones last."""
    order = list(METHODS)
    return sorted(dict.fromkeys(methods), key=lambda m: order.index(m) if m in order else 99)


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw in the report's style whatever the caller's own settings are, and leave those alone."""

    @wraps(draw)
    def inside(*args, **kwargs) -> Figure:
        with matplotlib.style.context(STYLE, after_reset=True):
            figure = draw(*args, **kwargs)
            figure.draw_without_rendering()  # makes ticks and layout while the style holds
            return figure

    return inside


def panels(
    height: float, columns: int = 1, width: float = WIDTH, rows: int = 1, **options
) -> tuple[Figure, Axes | np.ndarray]:
    """A figure with its axes, sizes in inches; pyplot, which would keep it open, is not asked."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def percent(axis: Axis) -> None:
    """Label fractions as percentages, on ticks that a label states exactly."""
    axis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:.5g}%"))


def signed(value: float) -> str:
    """One decimal with its sign: a true minus, and none before what rounds to zero."""
    return f"{value:+z.1f}".replace("-", "−")


def halo(width: float = 2.0) -> list:
    """White edge that keeps text readable on marks."""
    return [matplotlib.patheffects.withStroke(linewidth=width, foreground="white")]


def colour_key(ax: Axes, entries: Sequence[tuple[str, str]]) -> None:
    """Coloured words above `ax`, in place of a legend. Entries are (text, colour)."""
    words = [TextArea(text, textprops={"color": c, "weight": "bold"}) for text, c in entries]
    row = HPacker(children=words, pad=0, sep=12)
    ax.add_artist(
        AnchoredOffsetbox(
            "lower left",
            child=row,
            frameon=False,
            pad=0,
            borderpad=0,
            bbox_to_anchor=(0, 1.04),
            bbox_transform=ax.transAxes,
        )
    )


# A thin line from the end of a line to the middle of the left edge of its name.
LEADER = {"arrowstyle": "-", "linewidth": 0.5, "relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 2}


def end_labels(ax: Axes, x: float, ends: Sequence[tuple[float, str, str]], gap: float = 4) -> None:
    """Name lines at their right ends; labels that would touch are moved apart, with thin leaders.

    Args:
        x: where the lines end, in data units; `gap` points right of it the labels begin.
        ends: (y, text, colour) of each line.
    """
    if not ends:
        return
    ax.figure.draw_without_rendering()  # the height of the axes, before labels take room
    height = ax.get_window_extent().height / ax.figure.dpi * 72  # points
    low, high = ax.get_ylim()
    wanted = [(y - low) / (high - low) * height for y, _, _ in ends]
    lines = max(text.count("\n") for _, text, _ in ends) + 1
    places = spread(wanted, 9.6 * lines, height)
    moved_far = max(abs(a - b) for a, b in zip(places, wanted, strict=True)) > 3  # points
    for (y, text, c), at, was in zip(ends, places, wanted, strict=True):
        ax.annotate(
            text,
            xy=(x, y),
            xytext=(gap + 10 * moved_far, at - was),
            textcoords="offset points",
            arrowprops={**LEADER, "color": c} if moved_far else None,
            va="center",
            color=c,
            annotation_clip=False,
            gid="end-label",
        )


def spread(wanted: Sequence[float], distance: float, top: float) -> list[float]:
    """Positions nearest to the wanted ones that are `distance` apart, inside [0, top] if they fit.

    >>> spread([5.0, 5.0, 40.0], 10, 100)
    [0.0, 10.0, 40.0]
    """
    order = np.argsort(wanted, kind="stable")
    groups: list[list[float]] = []  # [sum of (wanted - offset), size]: pool adjacent violators
    for k, i in enumerate(order):
        groups.append([wanted[i] - k * distance, 1])
        while len(groups) > 1 and groups[-2][0] / groups[-2][1] > groups[-1][0] / groups[-1][1]:
            total, size = groups.pop()
            groups[-1] = [groups[-1][0] + total, groups[-1][1] + size]
    starts = np.repeat([total / size for total, size in groups], [size for _, size in groups])
    starts = np.clip(starts, 0, max(0, top - (len(order) - 1) * distance))
    places = np.empty(len(order))
    places[order] = starts + distance * np.arange(len(order))
    return places.tolist()


def epoch_axis(ax: Axes) -> None:
    """Whole epochs only, also for a run of one epoch."""
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    ax.set_xlabel("Epoch")
    low, high = ax.dataLim.intervalx
    if low == high:
        ax.set_xlim(low - 0.5, high + 0.5)
