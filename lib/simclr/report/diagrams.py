"""How SimCLR learns, as a drawing whose unit is an inch; and the network, as a table."""

import textwrap

import numpy as np
import pandas as pd
import torchinfo
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon, Rectangle
from torch import nn

from simclr.report.pictures import with_phone_form
from simclr.report.style import ACCENT, INK, SMALL, SOFT, WIDTH, text

BLUE, GREEN, GREY = "#C9D9E4", "#BFE0D3", "#EFEFEF"
HEADS = "1  augment", "2  encode", "3  project", "4  compare"  # of its steps


def layers(network: nn.Module) -> pd.DataFrame:
    """The layers of a network for 28 × 28 images: layer, output, parameters; each with its batch norm."""
    rows = []
    for layer in torchinfo.summary(network, (1, 1, 28, 28), verbose=0).summary_list:
        if layer.class_name.startswith("BatchNorm"):
            rows[-1][0] += f", {layer.class_name}"
            rows[-1][2] += layer.num_params
        elif layer.is_leaf_layer and layer.class_name not in ("ReLU", "Dropout", "Flatten"):
            output = " × ".join(map(str, layer.output_size[1:]))
            rows.append([layer.class_name, output, layer.num_params])
    return pd.DataFrame(rows, columns=["layer", "output", "parameters"])


@with_phone_form
def simclr_diagram(image: np.ndarray, view_i: np.ndarray, view_j: np.ndarray, width: float = WIDTH) -> Figure:
    """One image, two random views, encoder f, projection head g, and what the loss does with z.

    The image and its two views are (H, W), uint8 or floats in [0, 1]. On a phone the last step stands
    below the others, all a fifth smaller.
    """
    below = width < WIDTH
    across, foot = (4.6, -2.55) if below else (WIDTH, 0)
    figure = Figure(figsize=(width, (2.75 - foot) * width / across))
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, across), ylim=(foot, 2.75), autoscale_on=False)
    ax.set_axis_off()
    middle, up, down = 1.38, 2.01, 0.75
    _digit(ax, image, 0.4, middle, 0.64)
    text(ax, 0.4, middle - 0.4, "image $x$", va="top")
    for y, view, t, k, side in ((up, view_i, "t", "i", 1), (down, view_j, "t'", "j", -1)):
        _arrow(ax, (0.76, middle + 0.12 * side), (1.26, y))
        text(ax, 0.87 - 0.03 * side, (middle + y) / 2 + 0.2 * side, rf"${t} \sim \mathcal{{T}}$")
        _digit(ax, view, 1.58, y, 0.56)
        text(ax, 1.58, y + 0.32, rf"$\tilde{{x}}_{k}$", va="bottom")
        for start, end in ((1.9, 2.14), (2.65, 2.88), (3.04, 3.32), (3.83, 4.06)):
            _arrow(ax, (start, y), (end, y))
        _network(ax, 2.4, y, "$f$", BLUE, "-")
        _vector(ax, 2.95, y, 10, f"$h_{k}$", BLUE)
        _network(ax, 3.58, y, "$g$", GREY, (0, (3, 2)))
        _vector(ax, 4.13, y, 6, f"$z_{k}$", GREEN)
    for x in (2.4, 3.58):
        ax.plot([x, x], [down + 0.36, up - 0.36], color=SOFT, linewidth=0.8, linestyle=":")
        text(ax, x + 0.05, middle, "same\nweights", ha="left", size=SMALL, color=SOFT)
    notes = ["rotation, crop, blur", "kept for the classifier", "then thrown away", "NT-Xent loss"]
    places = [(1.05, 2.68, 0.19), (2.55, 2.68, 0.19), (3.85, 2.68, 0.19), (5.42, 2.68, 0.19)]
    if below:
        notes = [textwrap.fill(note, 13) for note in notes]
        places = [(1.05, 2.68, 0.35), (2.55, 2.68, 0.35), (3.75, 2.68, 0.35), (0.65, -0.5, -0.75)]
        _sphere(ax, (2.3, -1.15), 0.82, {28: ((4.2, down), -0.25), -28: ((4.2, up), -0.4)}, facing=1)
    else:
        _sphere(ax, (5.42, middle), 0.72, {28: ((4.2, up), 0), -28: ((4.2, down), 0)}, facing=-1)
    for (x, y, note_y), head, note in zip(places, HEADS, notes, strict=True):
        text(ax, x, y, head, va="top", weight="bold")
        text(ax, x, note_y, note, va="top", size=SMALL, color=SOFT)
    return figure


def _network(ax: Axes, x: float, y: float, symbol: str, face: str, line) -> None:
    """A trapezoid that narrows in the direction of the data."""
    corners = np.add((x, y), [(-0.22, -0.32), (-0.22, 0.32), (0.22, 0.17), (0.22, -0.17)])
    ax.add_patch(Polygon(corners, facecolor=face, edgecolor=INK, linewidth=0.8, linestyle=line))
    text(ax, x, y, symbol, size=11)


def _vector(ax: Axes, x: float, y: float, cells: int, symbol: str, face: str) -> None:
    side = 0.056
    for i in range(cells):
        corner = (x - side / 2, y + (i - cells / 2) * side)
        ax.add_patch(Rectangle(corner, side, side, facecolor=face, edgecolor=INK, linewidth=0.4))
    text(ax, x, y + 0.32, symbol, va="bottom")


def _sphere(ax: Axes, centre: tuple[float, float], radius: float, arrows: dict, facing: int) -> None:
    """The unit sphere on which z is compared: the pair drawn together, the others pushed away.

    Args:
        arrows: where on the sphere, in degrees, each z is -> where its arrow begins, and its bend.
        facing: the side on which they arrive, -1 the left, 1 the right.
    """

    def at(degrees: float, r: float = 1.0) -> np.ndarray:
        angle = np.radians(degrees)
        return np.add(centre, radius * r * np.array([facing * np.cos(angle), np.sin(angle)]))

    ax.add_patch(Circle(centre, radius, facecolor="none", edgecolor=SOFT, linewidth=0.8))
    for degrees, (start, bend) in arrows.items():
        side = np.sign(degrees)
        _arrow(ax, start, at(degrees, 1.07), bend=bend)
        ax.add_patch(Circle(at(degrees), 0.055, facecolor=ACCENT, edgecolor="none"))
        _arrow(ax, at(degrees, 0.88), at(degrees - 18 * side, 0.88), color=ACCENT, width=1.4)
        ends = at(48 * side, 1.1), at(68 * side, 1.1)
        _arrow(ax, *ends, color=SOFT, width=1.2, bend=0.2 * side * facing)
    look = {"color": ACCENT, "weight": "bold", "ha": "left" if facing < 0 else "right"}
    text(ax, *at(0, 0.78), "maximise\nagreement", **look)
    for degrees in (82, 116, 150, 183, 220, 251, 284):
        ax.add_patch(Circle(at(degrees), 0.04, facecolor="#A8A8A8", edgecolor="none"))
    others = "other images: pushed away"
    text(ax, centre[0], centre[1] - radius - 0.14, others, va="top", color=SOFT, size=SMALL)


def _digit(ax: Axes, image: np.ndarray, x: float, y: float, side: float) -> None:
    left, bottom, top = x - side / 2, y - side / 2, 255 if image.dtype == np.uint8 else 1
    box = (left, left + side, bottom, bottom + side)
    ax.imshow(image, cmap="gray_r", vmin=0, vmax=top, extent=box, zorder=2)
    look = {"facecolor": "none", "edgecolor": INK, "linewidth": 0.6, "zorder": 3}
    ax.add_patch(Rectangle((left, bottom), side, side, **look))


def _arrow(ax: Axes, start, end, color=INK, width=0.8, bend=0.0) -> None:
    look = {"arrowstyle": "-|>", "color": color, "linewidth": width, "mutation_scale": 7}
    look |= {"shrinkA": 0, "shrinkB": 0, "connectionstyle": f"arc3,rad={bend}"}
    ax.annotate("", xy=end, xytext=start, arrowprops=look)
