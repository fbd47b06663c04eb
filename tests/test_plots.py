"""The figures draw what the data say, fit their page, look alike and leave nothing behind."""

import itertools
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from matplotlib.text import Text

from simclr.augment import Views
from simclr.experiment.stages import METHODS
from simclr.report import charts, curves, diagrams, pictures, show, style

show.setup()  # the report's style, as every notebook sets it
FINAL = {"baseline": 0.86, "baseline_augmented": 0.93, "probe": 0.945, "finetune": 0.947}
TENS = range(10, 101, 10)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape)


def digits(n: int) -> np.ndarray:
    return (255 * noise(n, 28, 28)).astype(np.uint8)


def every(**parts) -> pd.DataFrame:
    """A row for each combination of the parts."""
    return pd.DataFrame(itertools.product(*parts.values()), columns=list(parts))


def results(runs=10) -> pd.DataFrame:
    table = every(method=FINAL, draw=range(runs))
    return table.assign(accuracy=table.method.map(FINAL) + 0.02 * noise(len(table)))


def summary(runs=10, sizes=TENS, methods=FINAL) -> pd.DataFrame:
    table = every(method=methods, n_labels=sizes)
    mean = table.method.map(FINAL) - 3 / table.n_labels
    sd = (0.03 if runs > 1 else np.nan) / table.n_labels**0.5
    return table.assign(mean=mean, sd=sd, low=mean - sd, high=mean + sd)


def losses(epochs: int, seeds=1) -> pd.DataFrame:
    table = every(seed=range(seeds), epoch=range(1, epochs + 1))
    low, add = 1 / table.epoch, 0.1 * table.seed
    table = table.assign(train_loss=5 + low + add, validation_loss=5.02 + 0.9 * low + add)
    return table.assign(alignment=low + add, uniformity=-3 + low + add)


def pairs(runs: int) -> pd.DataFrame:
    low = np.nan if runs == 1 else 0.01
    table = pd.DataFrame({"a": ["probe", "finetune"], "b": ["baseline_augmented", "probe"]})
    table = table.assign(difference=[0.02, -0.001], low=[low, low - 0.02], high=[low + 0.02, low])
    return table.assign(values=[list(0.04 * noise(runs)), list(0.01 * noise(runs))])


def over_labels(runs: int, sizes=(10, 50, 100)) -> pd.DataFrame:
    table = every(a=["probe", "finetune"], b=["baseline_augmented"], n_labels=sizes)
    middle = table.a.map({"probe": 1.2, "finetune": -0.1}) / table.n_labels
    half = np.nan if runs == 1 else 0.02
    return table.assign(difference=middle, low=middle - half, high=middle + half)


def strengths() -> pd.DataFrame:
    table = every(view=["rotation", "crop_scale"], value=[0.1, 0.5, 1.0])
    mean = 0.9 + 0.05 * table.value
    return table.assign(mean=mean, worst=mean - 0.01, best=mean + 0.01)


# What each function is called with: a usual input and the smallest ones that a smoke run gives.
VIEWS = noise(8, 28, 28), {"crop and resize": noise(8, 28, 28)}, noise(8, 2, 28, 28)
PAIRS = noise(2, 3, 28, 28)
POINTS = {epoch: noise(300, 2) for epoch in (0, 1, 2, 5, 20)}, np.arange(300) % 10


def ablated() -> pd.DataFrame:
    points = [("views", "all"), ("views", "without rotation"), ("training", "20 epochs")]
    rows = [(*point, 0.9 - 0.01 * i + 0.001 * k) for i, point in enumerate(points) for k in range(4)]
    return pd.DataFrame(rows, columns=["group", "point", "accuracy"])


CASES = {
    pictures.label_draw: [(digits(100), np.arange(100) % 10), (digits(3), np.array([1, 1, 4]))],
    pictures.views: [VIEWS, (VIEWS[0][:1], {}, VIEWS[2][:1])],
    pictures.rows: [([("coat", digits(9)), ("shoe", digits(1))],), ([("a", digits(2))] * 2,)],
    pictures.neighbours: [(digits(2), {"pixels": (PAIRS, PAIRS[:, :, 0, 0] > 0.5)}, "image")],
    pictures.mistakes: [(digits(20), [4] * 20, [9] * 20, [0.98] * 20), (digits(0), [], [], [])],
    diagrams.simclr_diagram: [(digits(1)[0], noise(28, 28), noise(28, 28))],
    curves.learning_curve: [
        (summary(), list(FINAL)),
        (summary(1, sizes=[10]), list(FINAL)),
        (summary(methods=["probe"]), list(FINAL)),
        (summary(sizes=range(10, 501, 10)), ["baseline"]),
        (summary(sizes=[10, 1000, 40_000]), list(FINAL)),
    ],
    curves.gains: [(over_labels(10),), (over_labels(1),), (over_labels(10, sizes=[20]),)],
    curves.strengths: [(strengths(), "probe")],
    curves.pretraining: [(losses(20),), (losses(1),), (losses(20, seeds=3),)],
    charts.confusions: [
        ({"baseline": 900 * np.eye(10) + 9 * noise(10, 10)},),
        (dict.fromkeys(FINAL, np.diag(np.arange(10.0))),),
        ({"probe": np.zeros((10, 10))},),
    ],
    charts.embedding_maps: [POINTS, ({0: noise(2, 2), 20: noise(2, 2)}, np.array([0, 9]))],
    charts.headline: [
        (results().assign(n_labels=100), summary(), 0.99),
        (results(1).assign(n_labels=10), summary(1, sizes=[10])),
    ],
    charts.method_dots: [(results(), summary(10, [100])), (results(1), summary(1, [100]))],
    charts.ablations: [(ablated(), "probe"), (ablated()[:1], "probe")],
    charts.paired_differences: [(pairs(10),), (pairs(1),)],
}
EACH = [pytest.param(f, a, id=f"{f.__name__}-{i}") for f, c in CASES.items() for i, a in enumerate(c)]


def usual(function) -> Figure:
    return function(*CASES[function][0])


def texts(figure: Figure) -> list[Text]:
    return [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]


def words(figure: Figure) -> list[str]:
    return [t.get_text() for t in texts(figure)]


@pytest.mark.parametrize("function, arguments", EACH)
@pytest.mark.filterwarnings("error")
def test_usual_and_tiny_inputs(function, arguments):
    figure = function(*arguments)

    assert figure.get_figwidth() <= style.WIDTH + 1e-9
    assert not plt.get_fignums()
    figure.draw_without_rendering()  # lays the figure out once more, as saving does
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 > -0.01 and box.x1 < width + 0.01 and box.y0 > -0.01 and box.y1 < height + 0.01
    assert min(text.get_fontsize() for text in texts(figure)) >= 7


@pytest.mark.parametrize("function", [diagrams.simclr_diagram, pictures.label_draw, pictures.mistakes])
def test_words_of_drawings_do_not_touch(function):
    drawn = [t for t in usual(function).axes[0].texts if t.get_text()]
    boxes = [t.get_window_extent() for t in drawn]
    for one, other in itertools.combinations(boxes, 2):
        assert not one.padded(-0.5).overlaps(other.padded(-0.5))


def test_colours_are_distinct_where_they_stand_together():
    shades = {method.key: method.colour for method in METHODS.values()}
    overview = [method.key for method in METHODS.values() if method.overview]
    for together in ([*overview, "spread_neighbours"], ["spread", "spread_neighbours", "spread_chosen"]):
        assert len({shades[key] for key in together}) == len(together)


@pytest.mark.parametrize("function", [curves.learning_curve, charts.method_dots, charts.headline])
def test_one_colour_a_method_in_every_figure(function):
    found = 0
    for text in texts(usual(function)):
        for method in METHODS.values():
            if re.fullmatch(re.escape(method.name) + r"(  [\d.]+%)?", text.get_text()):
                assert same_color(text.get_color(), method.colour), text
                found += 1
    assert found


@pytest.mark.parametrize("low, high", [(0.1, 1), (0.8, 0.99), (0.951, 0.962), (0.9901, 0.9912)])
def test_percent_ticks_state_exact_values(low, high):
    ax = Figure().subplots()
    ax.set_ylim(low, high)
    style.percent(ax.yaxis)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert len(set(labels)) == len(labels) >= 3
    for value, label in zip(ax.get_yticks(), labels, strict=True):
        assert float(label.rstrip("%")) == pytest.approx(100 * value, abs=1e-9)
        assert len(label) <= len("99.05%")  # no 92.333


def test_each_kind_of_change_is_shown_alone():
    whole = Views(rotation=30.0, crop_scale=0.5, crop_aspect=1.2, blur=1.0, blur_least=0.3)
    assert pictures.each_alone(whole) == {
        "rotation": Views(rotation=30.0),
        "crop": Views(crop_scale=0.5, crop_aspect=1.2),
        "blur": Views(blur=1.0, blur_least=0.3),
    }


def test_learning_curves_show_errors_labelled_by_accuracy_and_below_them_their_spread():
    data = summary()
    ax, below = curves.learning_curve(data, list(FINAL)).axes
    for line, spread, method in zip(ax.lines, below.lines, FINAL, strict=True):
        of = data[data.method == method]
        np.testing.assert_allclose(line.get_xydata(), np.c_[of.n_labels, 1 - of["mean"]])
        np.testing.assert_allclose(spread.get_xydata(), np.c_[of.n_labels, 100 * of.sd])
        assert f"{style.name(method)}  {of['mean'].iloc[-1]:.1%}" in words(ax.figure)
    low, high = ax.get_ylim()
    assert low > high  # the best on top
    shown = dict(zip(ax.get_yticks(), [t.get_text() for t in ax.get_yticklabels()], strict=True))
    assert [shown[v] for v in (0.5, 0.2, 0.1, 0.05)] == ["50%", "80%", "90%", "95%"]
    assert [t.get_text() for t in below.get_xticklabels()] == [str(n) for n in TENS]


def test_end_labels_do_not_overlap():
    data = summary()
    data.loc[data.n_labels == data.n_labels.max(), "mean"] = 0.9  # all end at one point
    figure = curves.learning_curve(data, list(FINAL))
    figure.draw_without_rendering()
    labels = [t for t in texts(figure) if t.get_label() == "end label"]
    assert len(labels) == len(FINAL)
    for one, other in itertools.combinations(labels, 2):
        boxes = [Text.get_window_extent(label) for label in (one, other)]  # without leaders
        assert not boxes[0].overlaps(boxes[1])


@pytest.mark.parametrize("epochs, seeds", [(1, 1), (3, 1), (5, 3)])
def test_pretraining_shows_losses_alignment_and_uniformity_over_whole_epochs(epochs, seeds):
    data = losses(epochs, seeds)
    left, *others = curves.pretraining(data).axes
    thick = [line.get_ydata() for line in left.lines if line.get_linewidth() > 1]
    mean = data.groupby("epoch").mean()
    np.testing.assert_allclose(thick, mean[["train_loss", "validation_loss"]].T)
    assert len(left.lines) == 2 + (0 if seeds == 1 else 2 * seeds)
    for ax, column in zip(others, ("alignment", "uniformity"), strict=True):
        np.testing.assert_allclose(ax.lines[-1].get_ydata(), mean[column])
    for ax in (left, *others):
        ticks = ax.get_xticks()
        assert len(ticks) and np.allclose(ticks, np.round(ticks))
        assert ax.lines[-1].get_marker() == "o"  # a single epoch is still seen


def test_confusions_write_counts_and_colour_errors_only():
    matrix = np.zeros((10, 10))
    np.fill_diagonal(matrix, 950.4)
    matrix[4, 9], matrix[9, 4], matrix[2, 1], matrix[0, 1] = 100.0, 60.3, 0.2, 0.5
    figure = charts.confusions({"baseline": matrix, "probe": matrix.T, "finetune": matrix})
    ax, other, *_ = figure.axes
    titles = [a.get_title("left") for a in figure.axes]
    assert titles == ["Baseline", "Linear probe", "Fine-tuning"]
    cells = {t.get_position(): t.get_text() for t in ax.texts}
    assert cells[9.5, 4.5] == "100" and cells[4.5, 9.5] == "60"  # x is the predicted class
    assert cells[4.5, 4.5] == "90" and cells[1.5, 0.5] == "1" and len(cells) == 13 + 10 + 1  # "prec."
    assert {t.get_position(): t.get_text() for t in other.texts}[4.5, 9.5] == "100"
    (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    coloured = ~np.ma.getmaskarray(mesh.get_array()).reshape(10, 10)
    assert np.argwhere(coloured).tolist() == [[0, 1], [4, 9], [9, 4]]


def test_method_dots_shows_every_run_the_mean_and_its_interval():
    data, middle = CASES[charts.method_dots][0]
    figure = charts.method_dots(data, middle)
    ax = figure.axes[0]
    for row, (method, of) in enumerate(middle.set_index("method").iterrows()):
        dots, mean = ax.collections[2 * row : 2 * row + 2]
        np.testing.assert_allclose(1 - dots.get_offsets()[:, 0], data.accuracy[data.method == method])
        assert 1 - mean.get_offsets()[0, 0] == pytest.approx(of["mean"])
        assert 1 - ax.lines[row].get_xdata() == pytest.approx([of.low, of.high])
        assert f"{of['mean']:.1%}" in words(figure)


def test_paired_differences_are_in_points():
    data = pairs(10)
    figure = charts.paired_differences(data)
    ax = figure.axes[0]
    values = ax.collections[0].get_offsets()[:, 0]
    np.testing.assert_allclose(values, 100 * np.array(data["values"][0]))
    assert ax.lines[1].get_xdata() == pytest.approx([1, 3])
    assert {"+2.0", "−0.1", "Linear probe vs Augmented control"} <= set(words(figure))


def test_rows_are_classes_in_the_order_of_the_draw_and_ink_is_black():
    images = np.stack([np.full((28, 28), value, np.uint8) for value in (255, 51, 102, 0)])
    picture = pictures.label_draw(images, np.array([1, 0, 0, 1])).axes[0].images[0]
    canvas = picture.get_array()
    corners = [canvas[0, 0], canvas[0, -1], canvas[-1, 0], canvas[-1, -1]]
    assert corners == pytest.approx([0.2, 0.4, 1, 0])
    black, white = picture.cmap(picture.norm(corners[2:]))
    assert same_color(black, "black") and same_color(white, "white")


def test_label_draw_counts_labels_only_where_prefixes_are_balanced():
    images, labels = digits(100), np.arange(100) % 10
    assert {"n =", "10", "100"} <= set(words(pictures.label_draw(images, labels)))
    assert "n =" not in words(pictures.label_draw(images, np.sort(labels)))
    assert "n =" not in words(pictures.label_draw(images[:95], labels[:95]))


def test_mistakes_say_what_was_taken_for_what():
    assert {"4→9", ".980"} <= set(words(pictures.mistakes(digits(1), [4], [9], [0.98])))
    assert "> .999" in words(pictures.mistakes(digits(1), [4], [9], [0.9996]))
    assert words(pictures.mistakes(digits(0), [], [], [])) == ["no mistake"]


def test_on_a_phone_panels_stand_below_each_other_and_names_above():
    figure = curves.learning_curve(summary(), list(FINAL))
    height = figure.get_figheight()
    style.narrow(figure)
    assert figure.get_figwidth() == style.PHONE and figure.get_figheight() > height
    assert not [text for text in texts(figure) if text.get_label() == "end label"]
    legend = [text.get_text().split("  ")[0] for text in figure.axes[0].get_legend().get_texts()]
    assert legend == [style.name(m) for m in sorted(FINAL, key=FINAL.get, reverse=True)]


@pytest.mark.parametrize("function", [charts.headline, charts.method_dots, curves.gains])
def test_on_a_phone_an_axis_keeps_the_labels_that_have_room(function):
    figure = usual(function)
    style.narrow(figure)
    for ax in figure.axes:
        ends, ticks = sorted(ax.get_xlim()), zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
        shown = [each for x, each in ticks if each.get_visible() and ends[0] <= x <= ends[1]]
        boxes = sorted((label.get_window_extent() for label in shown), key=lambda box: box.x0)
        assert len(boxes) > 1
        assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))


@pytest.mark.parametrize("function", [pictures.views, pictures.mistakes, diagrams.simclr_diagram])
def test_wide_pictures_have_a_form_for_phones(function):
    wide = usual(function)
    assert wide.phone.get_figwidth() < style.PHONE + 1e-9 < wide.get_figwidth()
    assert sorted(" ".join(words(wide.phone)).split()) == sorted(" ".join(words(wide)).split())
    assert min(text.get_fontsize() for text in texts(wide.phone)) >= 7
