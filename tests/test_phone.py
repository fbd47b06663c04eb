"""What the figures become on a phone."""

import itertools

import pytest
from figures import FINAL, summary, texts, usual, words

from simclr.report import charts, curves, diagrams, pictures, style


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
