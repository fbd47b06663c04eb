"""The figures draw what the data say, fit their page, look alike and leave nothing behind."""

import io
import itertools
import re

import matplotlib
import matplotlib.pyplot as plt
import matplotlib.style
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PatchCollection, PathCollection, QuadMesh
from matplotlib.colors import same_color, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from simclr import charts, plots
from simclr.figstyle import METHODS, STYLE, WIDTH, colour, in_order, name, percent, spread
from simclr.model import Classifier, Encoder, summary

FINAL = {"baseline": 0.86, "baseline_augmented": 0.93, "probe": 0.945, "finetune": 0.947}
PAIR_COLUMNS = ["a", "b", "difference", "low", "high", "values"]


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape)


def digits(n: int) -> np.ndarray:
    return (255 * noise(n, 28, 28)).astype(np.uint8)


def curve(draws: int = 10, sizes=range(10, 101, 10), methods=FINAL) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        (m, k, n, FINAL[m] - 3 / n + rng.normal(0, 0.1 / n**0.5))
        for m in methods
        for k in range(draws)
        for n in sizes
    ]
    return pd.DataFrame(rows, columns=["method", "draw", "n_labels", "accuracy"])


def history(draws: int = 3, epochs: int = 20, methods=("baseline", "finetune")) -> pd.DataFrame:
    rows = [
        (m, k, e, (1 + 0.1 * k) / e, 1 - 0.5 / e)
        for m in methods
        for k in range(draws)
        for e in range(1, epochs + 1)
    ]
    return pd.DataFrame(rows, columns=["method", "draw", "epoch", "loss", "accuracy"])


def losses(epochs: int) -> pd.DataFrame:
    e = np.arange(1, epochs + 1)
    return pd.DataFrame({"epoch": e, "train_loss": 5 + 1 / e, "validation_loss": 5.02 + 0.9 / e})


def geometry(epochs: int) -> pd.DataFrame:
    e = np.arange(epochs + 1)
    return pd.DataFrame({"epoch": e, "alignment": 1 / (e + 1), "uniformity": -3 + 1 / (e + 1)})


def pairs(draws: int) -> pd.DataFrame:
    low = np.nan if draws == 1 else 0.01
    rows = [
        ("probe", "baseline_augmented", 0.02, low, low + 0.02, list(0.04 * noise(draws))),
        ("finetune", "probe", -0.001, low - 0.02, low, list(0.01 * noise(draws))),
    ]
    return pd.DataFrame(rows, columns=PAIR_COLUMNS)


def over_labels(draws: int, sizes=(10, 50, 100)) -> pd.DataFrame:
    low = np.nan if draws == 1 else 0.02
    rows = [
        (a, "baseline_augmented", n, top / n, top / n - low, top / n + low)
        for a, top in (("probe", 1.2), ("finetune", -0.1))
        for n in sizes
    ]
    return pd.DataFrame(rows, columns=["a", "b", "n_labels", "difference", "low", "high"])


def classes(methods) -> pd.DataFrame:
    rows = [(m, k, FINAL[m], FINAL[m] - 0.01 * k) for m in methods for k in range(10)]
    return pd.DataFrame(rows, columns=["method", "digit", "precision", "recall"])


def costs(seconds: float) -> pd.DataFrame:
    rows = [
        ("baseline", "fit to the labels", 8.0),
        ("probe", "pre-training, once", seconds),
        ("probe", "fit to the labels", 0.05),
    ]
    return pd.DataFrame(rows, columns=["method", "stage", "seconds"])


def network() -> list[dict]:
    return summary(Classifier(Encoder()))


def confusions() -> np.ndarray:
    matrix = np.round(20 * noise(10, 10) ** 3, 1)
    np.fill_diagonal(matrix, 903.4)
    return matrix


# What each function is called with: a usual input and the smallest ones that a smoke run gives.
CASES = {
    "samples": [(digits(200), np.arange(200) % 10), (digits(2), np.array([3, 7]))],
    "label_draw": [(digits(100), np.arange(100) % 10), (digits(3), np.array([1, 1, 4]))],
    "views": [
        (noise(8, 28, 28), {"crop and resize": noise(8, 28, 28)}, noise(8, 2, 28, 28)),
        (noise(1, 28, 28), {}, noise(1, 2, 28, 28)),
    ],
    "mistakes": [
        (digits(20), [4] * 20, [9] * 20, [0.98] * 20),
        (digits(1), [4], [9], [1.0]),
        (digits(0), [], [], []),
    ],
    "architecture": [(network(),)],
    "simclr_diagram": [(digits(1)[0], noise(28, 28), noise(28, 28))],
    "learning_curve": [
        (curve(), list(FINAL)),
        (curve(draws=1, methods=["probe"]), ["probe"]),
        (curve(draws=2, sizes=[10, 100]), list(FINAL)),
        (curve(draws=2, sizes=[10]), list(FINAL)),
        (curve(methods=["probe"]), list(FINAL)),
        (curve(sizes=range(10, 501, 10)), ["baseline"]),
    ],
    "confusion": [(confusions(),), (np.diag(np.arange(10.0)),), (np.zeros((10, 10)),)],
    "training_history": [
        (history(), ["baseline", "finetune"]),
        (history(draws=1, epochs=1), ["baseline"]),
        (history(methods=["baseline"]), list(FINAL)),
    ],
    "pretraining_losses": [(losses(20), 6.93), (losses(2), 6.93), (losses(1), 6.93)],
    "alignment_uniformity": [(geometry(20),), (geometry(1),), (geometry(0),)],
    "embedding_map": [
        (noise(300, 2), noise(300, 2), np.arange(300) % 10),
        (noise(2, 2), noise(2, 2), np.array([0, 9])),
    ],
    "method_dots": [(curve(sizes=[100]),), (curve(1, [100], ["probe"]),), (curve(2, [100]),)],
    "paired_differences": [(pairs(10),), (pairs(2),), (pairs(1),)],
    "gains": [(over_labels(10),), (over_labels(1),), (over_labels(10, sizes=[20]),)],
    "per_class": [(classes(FINAL),), (classes(["probe"]),)],
    "costs": [(costs(2800),), (costs(9000),), (costs(3),)],
}
EACH = [pytest.param(f, a, id=f"{f}-{i}") for f, c in CASES.items() for i, a in enumerate(c)]


def texts(figure: Figure) -> list[Text]:
    return [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]


def words(figure: Figure) -> list[str]:
    return [t.get_text() for t in texts(figure)]


def rendered(figure: Figure, kind: str = "svg") -> bytes:
    buffer = io.BytesIO()
    with matplotlib.style.context(STYLE):
        figure.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()


def test_every_figure_is_tried():
    assert set(CASES) == set(plots.__all__) - {"name", "duration"}


@pytest.mark.parametrize("function, arguments", EACH)
@pytest.mark.filterwarnings("error")
def test_usual_and_tiny_inputs(function, arguments):
    copies = [a.copy() if hasattr(a, "copy") else a for a in arguments]
    settings = dict(matplotlib.rcParams)
    figure = getattr(plots, function)(*arguments)

    assert isinstance(figure, Figure)
    assert figure.get_figwidth() <= WIDTH + 1e-9
    assert not plt.get_fignums()
    assert dict(matplotlib.rcParams) == settings
    for before, after in zip(copies, arguments, strict=True):
        if isinstance(after, pd.DataFrame):
            pd.testing.assert_frame_equal(after, before)
        elif isinstance(after, np.ndarray):
            np.testing.assert_array_equal(after, before)
    assert_readable(figure)


def assert_readable(figure: Figure) -> None:
    """No text below 7 points, none cut off by the edge of the page."""
    page = figure.bbox.padded(1)  # pixel
    for text in drawn_texts(figure):
        box = text.get_window_extent()
        assert text.get_fontsize() >= 7, text.get_text()
        assert page.x0 <= box.x0 and box.x1 <= page.x1, text.get_text()
        assert page.y0 <= box.y0 and box.y1 <= page.y1, text.get_text()


def drawn_texts(figure: Figure) -> list[Text]:
    """Less the tick labels outside the axes' limits, which Matplotlib makes and does not draw."""
    hidden = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = axis.get_major_ticks() + axis.get_minor_ticks()
            off = not (ax.axison and axis.get_visible())
            hidden |= {t.label1 for t in ticks if off or not low <= t.get_loc() <= high}
            hidden |= {t.label2 for t in ticks}
    return [t for t in texts(figure) if t not in hidden]


@pytest.mark.parametrize("function", ["architecture", "simclr_diagram", "label_draw", "mistakes"])
def test_words_of_drawings_do_not_touch(function):
    boxes = [
        t.get_window_extent() for t in drawn_texts(getattr(plots, function)(*CASES[function][0]))
    ]
    for one, other in itertools.combinations(boxes, 2):
        assert not one.padded(-0.5).overlaps(other.padded(-0.5))


def test_same_bytes_every_time():
    for function in ("learning_curve", "simclr_diagram"):
        one, two = (rendered(getattr(plots, function)(*CASES[function][0])) for _ in range(2))
        assert one == two
        assert b"<text" not in one  # letters are outlines: no font is asked of the reader


def test_callers_style_does_not_leak_in():
    plain = rendered(plots.method_dots(*CASES["method_dots"][0]))
    with matplotlib.style.context("dark_background"):
        figure = plots.method_dots(*CASES["method_dots"][0])
    assert rendered(figure) == plain
    assert figure.get_facecolor()[3] == 0  # transparent: the page brings its own ground


# ---- colours and helpers -------------------------------------------------------------------------


def contrast(shade: str) -> float:
    """WCAG contrast against white."""
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(shade)]
    return 1.05 / (np.dot(parts, [0.2126, 0.7152, 0.0722]) + 0.05)


def test_colours_carry_text_and_are_distinct():
    shades = [shade for _, shade in METHODS.values()]
    assert len(set(shades)) == len(shades)
    assert min(contrast(shade) for shade in shades) > 3.5


def test_one_colour_a_method_in_every_figure():
    for function in ("learning_curve", "method_dots", "per_class", "costs"):
        figure = getattr(plots, function)(*CASES[function][0])
        if figure.legends:  # its words are black, beside coloured dots
            continue
        found = 0
        for text in texts(figure):
            for title, shade in METHODS.values():
                if re.fullmatch(re.escape(title) + r"(  [\d.]+%)?", text.get_text()):
                    assert same_color(text.get_color(), shade), (function, title)
                    found += 1
        assert found, function
    figure = plots.per_class(classes(FINAL))
    dots = [c for c in figure.axes[0].collections if isinstance(c, PathCollection)]
    for dot, method in zip(dots, FINAL, strict=True):
        assert same_color(dot.get_facecolor()[0], colour(method))


def test_order_and_names():
    assert in_order(["finetune", "new", "baseline", "finetune"]) == ["baseline", "finetune", "new"]
    assert name("probe") == "Linear probe" and name("new") == "new"


@pytest.mark.parametrize(
    "wanted", [[5, 5, 40], [98, 99, 100], [0, 0, 0, 0], [50], [], [90, 10, 50, 52]]
)
def test_spread_keeps_distance_order_and_bounds(wanted):
    places = np.array(spread(wanted, 10, 100))
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(places[order]) >= 10 - 1e-9).all()
    assert ((places >= 0) & (places <= 100)).all()
    if len(wanted) == 1:
        assert places == wanted


def test_spread_moves_nothing_that_is_free():
    assert spread([10, 40, 80], 10, 100) == [10, 40, 80]


# ---- charts --------------------------------------------------------------------------------------


def test_learning_curve_shows_means_and_two_sigma():
    data, two = curve(), list(FINAL)[:2]
    ax = plots.learning_curve(data, two).axes[0]
    by = data.groupby(["method", "n_labels"]).accuracy
    for line, band, method in zip(ax.lines, ax.collections, two, strict=True):
        mean, sd = by.mean()[method], by.std()[method]
        np.testing.assert_allclose(line.get_xydata(), np.c_[mean.index, mean])
        assert same_color(line.get_color(), colour(method))
        edge = band.get_paths()[0].vertices
        for n in mean.index:
            at = edge[edge[:, 0] == n, 1]
            assert at.min() == pytest.approx(mean[n] - 2 * sd[n])
            assert at.max() == pytest.approx(min(1, mean[n] + 2 * sd[n]))


def test_many_learning_curves_have_their_spread_below():
    data = curve()
    ax, below = plots.learning_curve(data, list(FINAL)).axes
    assert len(ax.lines) == len(FINAL) and len(ax.collections) == 0
    sd = data.groupby(["method", "n_labels"]).accuracy.std()
    for line, method in zip(below.lines, FINAL, strict=True):
        np.testing.assert_allclose(line.get_xydata(), np.c_[sd[method].index, 100 * sd[method]])
        assert same_color(line.get_color(), colour(method))


def test_end_labels_do_not_overlap():
    data = curve()
    data.accuracy = 0.9 + 0.0001 * data.draw  # all lines end at one point
    for figure in (
        plots.learning_curve(data, list(FINAL)),
        plots.pretraining_losses(losses(20), 5.05),
    ):
        labels = [t for t in texts(figure) if t.get_gid() == "end-label"]
        assert len(labels) >= 3
        for one, other in itertools.combinations(labels, 2):
            boxes = [Text.get_window_extent(label) for label in (one, other)]  # without leaders
            assert not boxes[0].overlaps(boxes[1])


def test_every_label_count_has_its_tick():
    ax = plots.learning_curve(curve(), list(FINAL)).axes[0]
    assert [t.get_text() for t in ax.get_xticklabels()] == [str(n) for n in range(10, 101, 10)]


@pytest.mark.parametrize("low, high", [(0.1, 1), (0.8, 0.99), (0.951, 0.962), (0.9901, 0.9912)])
def test_percent_ticks_state_exact_values(low, high):
    ax = Figure().subplots()
    ax.set_ylim(low, high)
    percent(ax.yaxis)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert len(set(labels)) == len(labels) >= 3
    for value, label in zip(ax.get_yticks(), labels, strict=True):
        assert float(label.rstrip("%")) == pytest.approx(100 * value, abs=1e-9)
        assert len(label) <= len("99.05%")  # no 92.333


def test_confusion_writes_counts_and_colours_errors_only():
    matrix = np.zeros((10, 10))
    np.fill_diagonal(matrix, 950.4)
    matrix[4, 9], matrix[9, 4], matrix[2, 1], matrix[0, 1] = 100.0, 60.3, 0.2, 0.5
    figure = plots.confusion(matrix)
    ax, bar = figure.axes
    cells = {t.get_position(): t.get_text() for t in ax.texts if t.get_position()[0] % 1 == 0.5}
    assert cells[9.5, 4.5] == "100" and cells[4.5, 9.5] == "60"  # x is the predicted class
    assert cells[0.5, 0.5] == "950" and cells[1.5, 0.5] == "1" and len(cells) == 13
    (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    coloured = ~np.ma.getmaskarray(mesh.get_array()).reshape(10, 10)
    assert np.argwhere(coloured).tolist() == [[0, 1], [4, 9], [9, 4]]
    assert ax.get_ylabel() == "True class" and ax.get_xlabel() == "Predicted class"
    assert bar.get_ylim() == pytest.approx(
        (mesh.norm.vmin, mesh.norm.vmax)
    )  # the key is that of the cells


def test_training_history_has_a_line_a_draw_and_the_mean():
    data = history(draws=3)
    for ax, column in zip(
        plots.training_history(data, ["baseline"]).axes, ["loss", "accuracy"], strict=True
    ):
        assert len(ax.lines) == 4
        mean = data[data.method == "baseline"].groupby("epoch")[column].mean()
        np.testing.assert_allclose(ax.lines[-1].get_ydata(), mean)


@pytest.mark.parametrize("epochs", [1, 3])
def test_epochs_are_whole_numbers(epochs):
    figures = (
        plots.training_history(history(epochs=epochs), ["baseline"]),
        plots.pretraining_losses(losses(epochs), 6.93),
        plots.alignment_uniformity(geometry(epochs)),
    )
    for ax in itertools.chain.from_iterable(figure.axes for figure in figures):
        ticks = ax.get_xticks()
        assert len(ticks) and np.allclose(ticks, np.round(ticks))


def test_one_epoch_is_still_seen():
    for ax in plots.training_history(history(draws=1, epochs=1), ["baseline"]).axes:
        assert ax.lines[-1].get_marker() == "o"


def test_pretraining_losses_and_their_gap():
    data = losses(5)
    left, right = plots.pretraining_losses(data, 6.93).axes
    chance, train, validation = (line.get_ydata() for line in left.lines)
    assert set(chance) == {6.93}
    np.testing.assert_allclose(train, data.train_loss)
    np.testing.assert_allclose(validation, data.validation_loss)
    np.testing.assert_allclose(right.lines[-1].get_ydata(), validation - train)
    assert left.get_ylim()[0] < train.min() and left.get_ylim()[1] > 6.93


def test_embedding_map_puts_digits_at_class_medians():
    before, after, labels = CASES["embedding_map"][0]
    for ax, points in zip(
        plots.embedding_map(before, after, labels).axes, (before, after), strict=True
    ):
        assert sum(len(c.get_offsets()) for c in ax.collections) == len(labels)
        assert all(c.get_rasterized() for c in ax.collections)
        for text in ax.texts:
            median = np.median(points[labels == int(text.get_text())], axis=0)
            np.testing.assert_allclose(text.get_position(), median)


def test_method_dots_shows_every_draw_the_mean_and_its_interval():
    data = curve(sizes=[100])
    figure = plots.method_dots(data)
    ax = figure.axes[0]
    for row, method in enumerate(FINAL):
        values = data[data.method == method].accuracy
        dots, mean = ax.collections[2 * row : 2 * row + 2]
        np.testing.assert_allclose(dots.get_offsets()[:, 0], values)
        assert mean.get_offsets()[0, 0] == pytest.approx(values.mean())
        half = 2.262157 * values.std() / 10**0.5  # Student's t, 9 degrees of freedom
        assert ax.lines[row].get_xdata() == pytest.approx(
            [values.mean() - half, values.mean() + half]
        )
        assert f"{values.mean():.1%}" in words(figure)


def test_one_draw_has_no_interval():
    assert not plots.method_dots(curve(1, [100])).axes[0].lines
    assert len(plots.paired_differences(pairs(1)).axes[0].lines) == 1  # that of zero


def test_paired_differences_are_in_points():
    data = pairs(10)
    figure = plots.paired_differences(data)
    ax = figure.axes[0]
    np.testing.assert_allclose(
        ax.collections[0].get_offsets()[:, 0], 100 * np.array(data["values"][0])
    )
    assert ax.lines[1].get_xdata() == pytest.approx([1, 3])
    assert {"+2.0", "−0.1", "Linear probe vs Baseline + augmentation"} <= set(words(figure))


def test_costs_add_up():
    figure = plots.costs(costs(2800))
    bars = [p for p in figure.axes[0].patches if isinstance(p, Rectangle)]
    assert [60 * bar.get_width() for bar in bars] == pytest.approx([8, 2800, 0.05])
    assert bars[2].get_x() == pytest.approx(bars[1].get_width())
    assert "pre-training, once: 47 min + fit to the labels: 0.05 s" in words(figure)
    assert figure.axes[0].get_xlabel() == "Training time (minutes)"


@pytest.mark.parametrize(
    "seconds, text",
    [(0.05, "0.05 s"), (12.3, "12 s"), (210, "3.5 min"), (2800, "47 min"), (9000, "2.5 h")],
)
def test_durations(seconds, text):
    assert charts.duration(seconds) == text


# ---- pictures and drawings -----------------------------------------------------------------------


def frames(figure: Figure) -> int:
    (found,) = figure.findobj(PatchCollection)
    return len(found.get_paths())


def test_number_of_images():
    labels = np.arange(200) % 10
    assert frames(plots.samples(digits(200), labels)) == 100
    assert frames(plots.label_draw(digits(100), labels[:100])) == 100
    assert frames(plots.views(*CASES["views"][0])) == 8 * (1 + 1 + 2)
    assert frames(plots.mistakes(digits(13), range(13), range(13), noise(13))) == 13


def test_rows_are_classes_in_the_order_of_the_draw():
    labels = np.array([1, 0, 0, 1])
    images = np.stack([np.full((28, 28), value) for value in (0.1, 0.2, 0.3, 0.4)])
    canvas = plots.label_draw(images, labels).axes[0].images[0].get_array()
    assert [canvas[0, 0], canvas[0, -1], canvas[-1, 0], canvas[-1, -1]] == [0.2, 0.3, 0.1, 0.4]


def test_ink_is_black_on_white():
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 14:] = 255
    picture = plots.samples(image, np.array([0])).axes[0].images[0]
    above, below = picture.cmap(picture.norm(picture.get_array()[[0, -1], 0]))
    assert same_color(above, "white") and same_color(below, "black")
    assert picture.get_interpolation() == "nearest"


def test_label_draw_counts_labels_only_where_prefixes_are_balanced():
    images, labels = digits(100), np.arange(100) % 10
    assert {"n =", "10", "100"} <= set(words(plots.label_draw(images, labels)))
    assert "n =" not in words(plots.label_draw(images, np.sort(labels)))


def test_mistakes_say_what_was_taken_for_what():
    assert {"4→9", ".980"} <= set(words(plots.mistakes(digits(1), [4], [9], [0.98])))
    assert "> .999" in words(plots.mistakes(digits(1), [4], [9], [0.9996]))
    assert words(plots.mistakes(digits(0), [], [], [])) == ["no mistake"]


def test_architecture_writes_shapes_and_parameters_of_the_real_network():
    found = words(plots.architecture(network()))
    shapes = ["1×28×28", "32×28×28", "32×14×14", "64×14×14", "64×7×7", "512", "10"]
    assert set(shapes) <= set(found)
    # each with its batch normalisation, as in the source's Figure 2
    assert {"384", "9,312", "18,624", "37,056", "1,607,168", "5,130"} <= set(found)
    assert "1,677,674 parameters in all" in found
    assert found.count("conv 3×3") == 4


def test_simclr_diagram_names_everything():
    figure = plots.simclr_diagram(*CASES["simclr_diagram"][0])
    found = words(figure)
    for symbol in ("$h_i$", "$h_j$", "$z_i$", "$z_j$", "$f$", "$g$", "image $x$"):
        assert symbol in found
    assert "maximise\nagreement" in found and "NT-Xent loss" in found
    assert len(figure.axes[0].images) == 3
