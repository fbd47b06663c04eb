"""Figures made of the digits themselves. Ink is black on white, as on paper.

Images are (N, H, W), uint8 in 0..255 or floats in [0, 1].
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from simclr.figstyle import SMALL, SOFT, WIDTH, styled

GAP = 2  # pixels between two images
Tile = tuple[np.ndarray, int, int]  # image, column and row of its top left pixel


@styled
def samples(images: np.ndarray, labels: np.ndarray) -> Figure:
    """The first ten images of each class, a row a class."""
    return _class_rows(_unit(images), labels, np.unique(labels), 10)[0]


@styled
def label_draw(images: np.ndarray, labels: np.ndarray) -> Figure:
    """The labelled images of one draw, a row a class, each row in the order of the draw.

    Where every prefix holds as many images of each class, the columns say how many labels that is.
    """
    classes, counts = np.unique(labels, return_counts=True)
    figure, ax, pitch = _class_rows(_unit(images), labels, classes, counts.max(), top=0.32)
    k = len(classes)
    balanced = len(set(counts)) == 1 and all(
        set(labels[i : i + k]) == set(classes) for i in range(0, len(labels), k)
    )
    if balanced:
        for m in range(counts[0]):
            _text(ax, m * pitch + (pitch - GAP) / 2, -4, f"{k * (m + 1)}", "center", "bottom")
        _text(ax, -4, -4, "n =", "right", "bottom")
    return figure


@styled
def views(originals: np.ndarray, step_views: Mapping[str, np.ndarray], pairs: np.ndarray) -> Figure:
    """Each column one image: as it is, after single steps, and two full random views.

    Args:
        originals: (R, H, W).
        step_views: what each row shows -> (R, H, W), one transformation alone.
        pairs: (R, 2, H, W), two views of each image.
    """
    pairs = np.asarray(pairs)
    groups = [
        [("original", originals)],
        [(f"{step} only", images) for step, images in step_views.items()],
        [(r"view $\tilde{x}_i$", pairs[:, 0]), (r"view $\tilde{x}_j$", pairs[:, 1])],
    ]
    tiles: list[Tile] = []
    marks: list[tuple[int, str]] = []
    y = 0
    for group in groups:
        for text, images in group:
            height, width = images.shape[1:]
            unit = _unit(images)
            tiles += [(image, c * (width + GAP), y) for c, image in enumerate(unit)]
            marks.append((y + height // 2, text))
            y += height + GAP
        y += 3 * GAP if group else 0
    longest = max(len(text) for _, text in marks if "$" not in text)
    figure, ax = _canvas(tiles, left=0.15 + 0.062 * longest, largest=0.52)
    for at, text in marks:
        _text(ax, -4, at, text, "right", "center", size=7.5)
    return figure


@styled
def mistakes(
    images: np.ndarray,
    true: Sequence[int],
    predicted: Sequence[int],
    confidence: Sequence[float],
    cols: int = 12,
) -> Figure:
    """Misclassified images with "true→predicted" and the probability of the wrong class.

    Args:
        images: (N, H, W); none gives a figure that says so.
        confidence: (N,), the probability of the predicted class.
        cols: images in a row.
    """
    unit = _unit(images)
    height, width = unit.shape[1:]
    pitch = height + 19  # room for two lines of text below an image
    tiles = [(image, i % cols * (width + 6), i // cols * pitch) for i, image in enumerate(unit)]
    if not tiles:
        return _nothing("no mistake")
    figure, ax = _canvas(tiles, bottom=0.33, largest=0.5)
    for (_, x, y), t, p, c in zip(tiles, true, predicted, confidence, strict=True):
        _text(ax, x + width / 2, y + height + 1.5, f"{t}→{p}", "center", "top", weight="bold")
        _text(ax, x + width / 2, y + height + 9.5, _sure(c), "center", "top", color=SOFT)
    return figure


def _sure(confidence: float) -> str:
    """Three decimals, since the surest mistakes are all near 1."""
    return "> .999" if confidence > 0.9995 else f"{confidence:.3f}".lstrip("0")


def _class_rows(unit, labels, classes, cols, top=0.03):
    """A row of at most `cols` images a class, the class written before it."""
    labels = np.asarray(labels)
    pitch = unit.shape[1] + GAP
    tiles = [
        (image, c * pitch, r * pitch)
        for r, k in enumerate(classes)
        for c, image in enumerate(unit[labels == k][:cols])
    ]
    figure, ax = _canvas(tiles, left=0.35, top=top, largest=0.34)
    for r, k in enumerate(classes):
        _text(ax, -4, r * pitch + pitch / 2 - 1, str(k), "right", "center", weight="bold", size=8)
    return figure, ax, pitch


def _canvas(
    tiles: Sequence[Tile],
    left: float = 0.03,
    top: float = 0.03,
    bottom: float = 0.03,
    largest: float = 0.5,
) -> tuple[Figure, Axes]:
    """All images in one picture with thin frames; margins and `largest`, a side, in inches."""
    height, width = tiles[0][0].shape
    columns = max(x for _, x, _ in tiles) + width
    rows = max(y for _, _, y in tiles) + height
    inch = min(largest / width, (WIDTH - left - 0.03) / columns)  # of one pixel
    size = left + columns * inch + 0.03, top + rows * inch + bottom
    figure = Figure(figsize=size)
    ax = figure.add_axes(
        (left / size[0], bottom / size[1], columns * inch / size[0], rows * inch / size[1])
    )
    canvas = np.full((rows, columns), np.nan)
    for image, x, y in tiles:
        canvas[y : y + height, x : x + width] = image
    ax.imshow(canvas, cmap="gray_r", vmin=0, vmax=1, extent=(0, columns, rows, 0))
    frames = [Rectangle((x, y), width, height) for _, x, y in tiles]
    ax.add_collection(
        PatchCollection(frames, facecolor="none", edgecolor="#B0B0B0", linewidth=0.4, clip_on=False)
    )
    ax.set_axis_off()
    return figure, ax


def _unit(images: np.ndarray) -> np.ndarray:
    """Ink as floats in [0, 1]."""
    images = np.asarray(images)
    return images / 255 if images.dtype == np.uint8 else np.clip(images, 0, 1)


def _text(ax: Axes, x: float, y: float, text: str, ha: str, va: str, **style) -> None:
    ax.text(x, y, text, ha=ha, va=va, **{"size": SMALL, **style})


def _nothing(text: str) -> Figure:
    figure = Figure(figsize=(WIDTH, 0.4))
    figure.text(0.5, 0.5, text, ha="center", va="center", color=SOFT)
    return figure
