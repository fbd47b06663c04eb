"""The two drawn diagrams: the network, and how SimCLR learns. One unit is one inch."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon, Rectangle

from simclr.figstyle import ACCENT, INK, SMALL, SOFT, WIDTH, styled

FACES = {"Conv": "#C9D9E4", "MaxPool": "#EFDCC2", "Linear": "#D3E4D6", "Input": "#E8E8E8"}
KINDS = {"BatchNorm": "batch norm", "ReLU": "ReLU", "Dropout": "dropout", "MaxPool": "max pool"}


# -- the network ----------------------------------------------------------------------------------


@styled
def architecture(layers: Sequence[Mapping]) -> Figure:
    """The classifier as a row of feature maps, what is done to get each, and its parameters.

    Args:
        layers: the rows of `model.summary`, in order: `kind` (class of the layer), `shape` of its
            output without the batch, `parameters`. The last dense layer is the classifier.
    """
    steps = _steps(layers)
    figure, ax = _page(2.75)
    pitch = WIDTH / (len(steps) + 1)
    centres = pitch * (np.arange(len(steps) + 1) + 0.5)
    side = steps[0]["shape"][-1]
    edge = _block(ax, centres[0], "Input", (1, side, side))
    _lines(ax, centres[0], ["image"])
    ax.text(centres[0], 0.62, "parameters", ha="center", color=SOFT, size=SMALL)
    for x, step in zip(centres[1:], steps, strict=True):
        start = edge
        edge = _block(ax, x, step["kind"], step["shape"], before=start)
        _lines(ax, x, step["text"])
        count = f"{step['parameters']:,}" if step["parameters"] else "–"
        ax.text(x, 0.62, count, ha="center", size=SMALL, weight="bold")
    encoder = sum(step["parameters"] for step in steps[:-1])
    _brace(ax, 0.06, centres[-2] + 0.46 * pitch, f"encoder $f$: {encoder:,} parameters")
    _brace(ax, centres[-1] - 0.42 * pitch, WIDTH - 0.02, "classifier")
    total = encoder + steps[-1]["parameters"]
    ax.text(WIDTH - 0.05, 2.62, f"{total:,} parameters in all", ha="right", va="center", size=7.5)
    return figure


def _steps(layers: Sequence[Mapping]) -> list[dict]:
    """A new step at each convolution, pooling or dense layer; others belong to the one before."""
    steps: list[dict] = []
    channels = 1
    for layer in layers:
        kind = next((k for k in FACES if layer["kind"].startswith(k)), None)
        if kind:
            steps.append({"kind": kind, "text": [], "parameters": 0})
        step = steps[-1]
        step["shape"] = tuple(layer["shape"]) if layer["kind"] != "Flatten" else step["shape"]
        step["parameters"] += layer["parameters"]
        step["text"] += _words(layer, channels)
        channels = layer["shape"][0]
    return steps


def _words(layer: Mapping, channels: int) -> list[str]:
    if layer["kind"].startswith("Conv"):  # parameters = (channels in · k² + 1) · channels out
        k = round(((layer["parameters"] / layer["shape"][0] - 1) / channels) ** 0.5)
        return [f"conv {k}×{k}"]
    if layer["kind"] == "Linear":
        return ["dense"]
    return [text for kind, text in KINDS.items() if layer["kind"].startswith(kind)]


def _block(ax: Axes, x: float, kind: str, shape: Sequence[int], before: float | None = None):
    """A feature map as a box (channels wide, pixels high and deep) or a vector as a bar.

    Returns the right edge, from which the next arrow starts.
    """
    bottom, face = 1.5, FACES[kind]
    if len(shape) == 1:
        width, height, depth = 0.1, 0.2 + 0.09 * shape[0] ** 0.35, 0.0
        height = min(0.8, height)
    else:
        width, height = 0.035 * shape[0] ** 0.5, 0.145 * shape[1] ** 0.5
        depth = 0.3 * height
    left = x - (width + depth) / 2
    top, middle = bottom + height, bottom + 0.26
    slant = np.array([depth, 0.8 * depth])
    corners = np.array([[left, bottom], [left + width, bottom], [left + width, top], [left, top]])
    style = {"edgecolor": INK, "linewidth": 0.6, "joinstyle": "round"}
    if depth:
        ax.add_patch(Polygon([*corners[2:], corners[3] + slant, corners[2] + slant],
                             facecolor=_shade(face, 1.05), **style))  # fmt: skip
        ax.add_patch(Polygon([corners[1], corners[1] + slant, corners[2] + slant, corners[2]],
                             facecolor=_shade(face, 0.88), **style))  # fmt: skip
    ax.add_patch(Polygon(corners, facecolor=face, **style))
    text = "×".join(map(str, shape))
    ax.text(x, top + slant[1] + 0.06, text, ha="center", va="bottom", size=SMALL)
    if before is not None:
        _arrow(ax, (before + 0.02, middle), (left - 0.02, middle), scale=5)
    return left + width + depth


def _shade(colour: str, factor: float) -> tuple[float, ...]:
    parts = [int(colour[i : i + 2], 16) / 255 * factor for i in (1, 3, 5)]
    return tuple(min(1, part) for part in parts)


def _lines(ax: Axes, x: float, lines: Sequence[str]) -> None:
    for i, line in enumerate(lines):
        ax.text(x, 1.33 - 0.15 * i, line, ha="center", va="center", size=SMALL)


def _brace(ax: Axes, left: float, right: float, text: str) -> None:
    ax.plot([left, left, right, right], [0.47, 0.4, 0.4, 0.47], color=SOFT, linewidth=0.7)
    ax.text((left + right) / 2, 0.31, text, ha="center", va="top", size=7.5)


# -- how SimCLR learns ----------------------------------------------------------------------------


@styled
def simclr_diagram(image: np.ndarray, view_i: np.ndarray, view_j: np.ndarray) -> Figure:
    """One image, two random views, encoder f, projection head g, and what the loss does with z.

    Args:
        image, view_i, view_j: (H, W), uint8 or floats in [0, 1], of a real image and its views.
    """
    figure, ax = _page(2.75)
    middle, up, down = 1.38, 2.01, 0.75
    _digit(ax, image, 0.4, middle, 0.64)
    ax.text(0.4, middle - 0.4, "image $x$", ha="center", va="top")
    for y, view, t, k in ((up, view_i, "t", "i"), (down, view_j, "t'", "j")):
        _arrow(ax, (0.76, middle + (0.12 if y > middle else -0.12)), (1.26, y))
        beside = (middle + y) / 2 + (0.17 if y > middle else -0.19)
        ax.text(0.84, beside, rf"${t} \sim \mathcal{{T}}$", ha="center", va="center")
        _digit(ax, view, 1.58, y, 0.56)
        ax.text(1.58, y + 0.32, rf"$\tilde{{x}}_{k}$", ha="center", va="bottom")
        _arrow(ax, (1.9, y), (2.14, y))
        _network(ax, 2.4, y, "$f$", "#C9D9E4")
        _arrow(ax, (2.65, y), (2.88, y))
        _vector(ax, 2.95, y, 10, f"$h_{k}$", "#C9D9E4")
        _arrow(ax, (3.04, y), (3.32, y))
        _network(ax, 3.58, y, "$g$", "#EFEFEF", dashed=True)
        _arrow(ax, (3.83, y), (4.06, y))
        _vector(ax, 4.13, y, 6, f"$z_{k}$", "#BFE0D3")
    for x in (2.4, 3.58):
        ax.plot([x, x], [down + 0.36, up - 0.36], color=SOFT, linewidth=0.8, linestyle=":")
        ax.text(x + 0.05, middle, "same\nweights", va="center", size=SMALL, color=SOFT)
    _sphere(ax, (5.42, middle), 0.72, up, down)
    heads = ("1  augment", "2  encode", "3  project", "4  compare")
    notes = ("rotation, crop, blur", "kept for the classifier", "then thrown away", "NT-Xent loss")
    for x, head, note in zip((1.05, 2.55, 3.85, 5.42), heads, notes, strict=True):
        ax.text(x, 2.68, head, ha="center", va="top", weight="bold")
        ax.text(x, 0.08, note, ha="center", va="bottom", size=SMALL, color=SOFT)
    return figure


def _network(ax: Axes, x: float, y: float, text: str, face: str, dashed: bool = False) -> None:
    """A trapezoid that narrows in the direction of the data."""
    left, right = x - 0.22, x + 0.22
    corners = [(left, y - 0.32), (left, y + 0.32), (right, y + 0.17), (right, y - 0.17)]
    ax.add_patch(Polygon(corners, facecolor=face, edgecolor=INK, linewidth=0.8,
                         linestyle=(0, (3, 2)) if dashed else "-"))  # fmt: skip
    ax.text(x, y, text, ha="center", va="center", size=11)


def _vector(ax: Axes, x: float, y: float, cells: int, text: str, face: str) -> None:
    side = 0.056
    for i in range(cells):
        corner = (x - side / 2, y + (i - cells / 2) * side)
        ax.add_patch(Rectangle(corner, side, side, facecolor=face, edgecolor=INK, linewidth=0.4))
    ax.text(x, y + 0.32, text, ha="center", va="bottom")


def _sphere(ax: Axes, centre: tuple[float, float], radius: float, up: float, down: float) -> None:
    """The unit sphere on which z is compared: the pair drawn together, the others pushed away."""

    def at(degrees: float, r: float = 1.0) -> tuple[float, float]:
        angle = np.radians(degrees)
        return centre[0] + radius * r * np.cos(angle), centre[1] + radius * r * np.sin(angle)

    ax.add_patch(Circle(centre, radius, facecolor="none", edgecolor=SOFT, linewidth=0.8))
    for y, degrees in ((up, 152), (down, 208)):
        _arrow(ax, (4.2, y), at(degrees, 1.07))
        ax.add_patch(Circle(at(degrees), 0.055, facecolor=ACCENT, edgecolor="none"))
        _arrow(ax, at(degrees, 0.88), at(degrees + (18 if degrees < 180 else -18), 0.88),
               color=ACCENT, width=1.4)  # fmt: skip
    ax.text(*at(180, 0.78), "maximise\nagreement", va="center", color=ACCENT, weight="bold")
    for degrees in (98, 64, 30, -3, -40, -71, -104):
        ax.add_patch(Circle(at(degrees), 0.04, facecolor="#A8A8A8", edgecolor="none"))
    for degrees, turn in ((132, -20), (-132, 20)):
        ends = at(degrees, 1.1), at(degrees + turn, 1.1)
        _arrow(ax, *ends, color=SOFT, width=1.2, bend=turn / 100)
    below = centre[1] - radius - 0.14
    ax.text(centre[0], below, "other images of the batch:\npushed away", ha="center", va="top",
            color=SOFT, size=SMALL)  # fmt: skip


def _digit(ax: Axes, image: np.ndarray, x: float, y: float, side: float) -> None:
    box = (x - side / 2, x + side / 2, y - side / 2, y + side / 2)
    top = 255 if np.asarray(image).dtype == np.uint8 else 1
    ax.imshow(image, cmap="gray_r", vmin=0, vmax=top, extent=box, zorder=2)
    ax.add_patch(Rectangle((box[0], box[2]), side, side, facecolor="none", edgecolor=INK,
                           linewidth=0.6, zorder=3))  # fmt: skip


def _arrow(ax: Axes, start, end, color=INK, width=0.8, scale=7.0, bend=0.0) -> None:
    ax.annotate("", xy=end, xytext=start, arrowprops={
        "arrowstyle": "-|>", "color": color, "linewidth": width, "mutation_scale": scale,
        "shrinkA": 0, "shrinkB": 0, "connectionstyle": f"arc3,rad={bend}",
    })  # fmt: skip


def _page(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    # imshow would otherwise move the limits
    ax.set(xlim=(0, WIDTH), ylim=(0, height), autoscale_on=False)
    return figure, ax
