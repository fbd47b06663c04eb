"""Figures made of images, (N, H, W), uint8 or floats in [0, 1]; ink is black, as on paper."""

import functools
import textwrap
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from simclr.augment import Views
from simclr.report.style import PHONE, SMALL, SOFT, WIDTH, text

GAP = 2  # pixels between two images
EDGE = 0.03  # inches of white around a picture
WRONG = "#C0392B"  # the frame of an image of the wrong class
# Kind of change -> the fields of `Views` that describe it; the first says how strong it is.
KINDS = {
    "rotation": ("rotation",),
    "crop": ("crop_scale", "crop_aspect"),
    "shear": ("shear",),
    "flip": ("flip",),
    "blur": ("blur", "blur_least"),
    "brightness": ("brightness",),
    "erase": ("erase",),
}
Row = tuple[str, np.ndarray, int]  # words, images (N, H, W), pixels of space above


def with_phone_form(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Let a figure that is wider than a phone carry, as `phone`, what `draw` makes at a phone's width."""

    @functools.wraps(draw)
    def both(*arguments, **options) -> Figure:
        figure = draw(*arguments, **options)
        if figure.get_figwidth() > PHONE:
            figure.phone = draw(*arguments, **options | {"width": PHONE})
        return figure

    return both


def label_draw(images: np.ndarray, labels: np.ndarray) -> Figure:
    """The labelled images of one draw, a row a class, each row in the order of the draw.

    Where every prefix holds as many images of each class, the columns say how many labels that is.
    """
    classes = [(str(c), images[labels == c], 0) for c in np.unique(labels)]
    figure, ax = _rows(classes, left=0.35, top=0.32, largest=0.22, weight="bold", size=9)
    k, width = len(set(labels)), images.shape[2]
    if all(len(set(labels[i : i + k])) == k for i in range(0, len(labels), k)):
        for m in range(len(labels) // k):
            text(ax, m * (width + GAP) + width / 2, -4, f"{k * m + k}", va="bottom", size=SMALL)
        text(ax, -4, -4, "n =", "right", "bottom", size=SMALL)
    return figure


@with_phone_form
def rows(named: Sequence[tuple[str, np.ndarray]], largest: float = 0.4, width: float = WIDTH) -> Figure:
    """Rows of images (N, H, W), the words of each before it, of which the first 24 letters are shown."""
    found = [(words if len(words) <= 24 else words[:23] + "…", images, 0) for words, images in named]
    longest = max(len(words) for words, _, _ in found)
    look = {"size": 8.5, "parse_math": False}
    return _rows(found, left=0.15 + 0.062 * longest, largest=largest, width=width, **look)[0]


@with_phone_form
def neighbours(
    images: np.ndarray,
    found: Mapping[str, tuple[np.ndarray, np.ndarray]],
    words: str,
    width: float = WIDTH,
) -> Figure:
    """Images in a column, and beside them, by the measure of likeness, those that are most like them.

    Args:
        images: (n, H, W); `words` stand above them, but for phones.
        found: measure -> its images (n, k, H, W), and whether each is of the right class (n, k).
    """
    pitch, gap = images.shape[1] + GAP, 8 * GAP
    tiles, wrong = [(im, 0, y * pitch) for y, im in enumerate(images)], []
    heads = [] if width == PHONE else [(words, 0)]  # there is no room for them
    x = pitch + gap
    for measure, (likes, right) in found.items():
        heads.append((textwrap.fill(measure, 12) if width == PHONE else measure, x))
        for (y, c), fine in np.ndenumerate(right):
            tiles.append((likes[y, c], x + c * pitch, y * pitch))
            wrong += [] if fine else [tiles[-1]]
        x += right.shape[1] * pitch + gap
    lines = max(head.count("\n") for head, _ in heads)
    figure, ax = _canvas(tiles, top=0.25 + 0.14 * lines, largest=0.45, width=width)
    for head, at in heads:
        text(ax, at, -4, head, "left", "bottom", size=8.5, weight="bold")
    side = images.shape[1]
    frames = [Rectangle((x, y), side, side) for _, x, y in wrong]
    thick = {"facecolor": "none", "edgecolor": WRONG, "linewidth": 1.6, "clip_on": False}
    ax.add_collection(PatchCollection(frames, **thick))
    return figure


def each_alone(whole: Views) -> dict[str, Views]:
    """Each kind of change that these views make, by itself."""
    return {
        kind: Views(**{name: getattr(whole, name) for name in names})
        for kind, names in KINDS.items()
        if getattr(whole, names[0]) != getattr(Views(), names[0])
    }


@with_phone_form
def views(
    originals: np.ndarray, step_views: Mapping[str, np.ndarray], pairs: np.ndarray, width: float = WIDTH
) -> Figure:
    """Each column one image: as it is, after single steps, and two full random views.

    Args:
        originals: (R, H, W).
        step_views: what each row shows -> (R, H, W), one transformation alone.
        pairs: (R, 2, H, W), two views of each image.
    """
    rows: list[Row] = [("original", originals, 0)]
    for step, images in step_views.items():
        rows.append((f"{step} only", images, 3 * GAP if len(rows) == 1 else 0))
    longest = max(len(words) for words, _, _ in rows)
    rows += [(r"view $\tilde{x}_i$", pairs[:, 0], 3 * GAP), (r"view $\tilde{x}_j$", pairs[:, 1], 0)]
    return _rows(rows, left=0.15 + 0.062 * longest, largest=0.44, width=width, size=8.5)[0]


@with_phone_form
def mistakes(
    images: np.ndarray,
    true: Sequence[int],
    predicted: Sequence[int],
    confidence: Sequence[float],
    width: float = WIDTH,
) -> Figure:
    """Misclassified images with "true→predicted" and the probability of the wrong class.

    Args:
        images: (N, H, W); none gives a figure that says so.
        confidence: (N,), the probability of the predicted class.
    """
    if not len(images):
        figure = Figure(figsize=(width, 0.4))
        figure.text(0.5, 0.5, "no mistake", ha="center", va="center", color=SOFT)
        return figure
    high, wide = images.shape[1:]
    pitch = high + 19  # room for two lines of text below an image
    columns = 6 if width == PHONE else 12
    tiles = [(im, i % columns * (wide + 6), i // columns * pitch) for i, im in enumerate(images)]
    figure, ax = _canvas(tiles, bottom=0.33, largest=0.5, width=width)
    for (_, x, y), t, p, c in zip(tiles, true, predicted, confidence, strict=True):
        # three decimals, since the surest mistakes are all near 1
        sure = "> .999" if c > 0.9995 else f"{c:.3f}".lstrip("0")
        x, y = x + wide / 2, y + high
        text(ax, x, y + 1.5, f"{t}→{p}", va="top", size=SMALL, weight="bold")
        text(ax, x, y + 9.5, sure, va="top", size=SMALL, color=SOFT)
    return figure


def _rows(rows: Sequence[Row], left: float, largest: float, top: float = EDGE, width=WIDTH, **look):
    """Rows of images, the words of each before it."""
    tiles, marks, y = [], [], 0
    for words, images, gap in rows:
        y, (high, wide) = y + gap, images.shape[1:]
        tiles += [(image, c * (wide + GAP), y) for c, image in enumerate(images)]
        marks.append((words, y + high / 2))
        y += high + GAP
    figure, ax = _canvas(tiles, left, top, largest=largest, width=width)
    for words, at in marks:
        text(ax, -4, at, words, "right", **look)
    return figure, ax


def _canvas(tiles: Sequence[tuple], left=EDGE, top=EDGE, bottom=EDGE, largest=0.5, width=WIDTH):
    """All tiles (image, its left column, its top row) in one picture; margins etc. in inches."""
    high, wide = tiles[0][0].shape
    columns = max(x for _, x, _ in tiles) + wide
    rows = max(y for _, _, y in tiles) + high
    inch = min(largest / wide, (width - left - EDGE) / columns)  # of one pixel
    size = left + columns * inch + EDGE, top + rows * inch + bottom
    figure = Figure(figsize=size)
    place = left / size[0], bottom / size[1], columns * inch / size[0], rows * inch / size[1]
    ax = figure.add_axes(place)
    canvas = np.full((rows, columns), np.nan)
    for image, x, y in tiles:
        canvas[y : y + high, x : x + wide] = image / (255 if image.dtype == np.uint8 else 1)
    ax.imshow(canvas, cmap="gray_r", vmin=0, vmax=1, extent=(0, columns, rows, 0))
    frames = [Rectangle((x, y), wide, high) for _, x, y in tiles]
    thin = {"facecolor": "none", "edgecolor": "#B0B0B0", "linewidth": 0.4, "clip_on": False}
    ax.add_collection(PatchCollection(frames, **thin))
    ax.set_axis_off()
    return figure, ax
