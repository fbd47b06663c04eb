"""Label draws: pinned, nested, balanced."""

import numpy as np
import pytest
import torch

from simclr import data, fetch

LABELS = np.random.default_rng(1).integers(0, 10, data.POOL)


def test_every_prefix_of_a_balanced_draw_is_balanced():
    drawn = data.draw(LABELS, 0, 3)
    assert drawn.dtype == np.int64 and len(set(drawn)) == 100
    assert drawn.min() >= 0 and drawn.max() < data.POOL  # never a validation image
    for m in range(1, 11):
        assert (np.bincount(LABELS[drawn[: 10 * m]], minlength=10) == m).all()
    orders = {tuple(block) for block in LABELS[drawn].reshape(10, 10)}
    assert len(orders) == 10  # the classes do not always come in the same order


@pytest.mark.parametrize("balanced", [True, False])
def test_draws_nest(balanced):
    longest = data.draw(LABELS, 0, 0, 1000, balanced)
    assert len(set(longest)) == 1000
    for size in (10, 100, 500):
        assert (data.draw(LABELS, 0, 0, size, balanced) == longest[:size]).all()


def test_draw_is_a_pure_function_of_dataset_and_number():
    first = data.draw(LABELS, 0, 0)
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    assert (data.draw(LABELS, 0, 0) == first).all()
    for number, k, balanced in [(0, 1, True), (2, 0, True), (0, 0, False)]:
        assert (data.draw(LABELS, number, k, 100, balanced) != first).any()
    assert len({dataset.number for dataset in fetch.DATASETS.values()}) == len(fetch.DATASETS)


def test_draws_never_change():
    labels = np.arange(data.POOL) % 10
    first = [7948, 5007, 22522, 48231, 15319, 47465, 46803, 15576, 3890, 23854]
    tenth = [6889, 24151, 27544, 44080, 30665, 4227, 7336, 46148, 38122, 22153]
    random = [25461, 5892, 10377, 28814, 9578]
    mnist, fashion = fetch.DATASETS["mnist"].number, fetch.DATASETS["fashion-mnist"].number
    assert data.draw(labels, mnist, 0, 10).tolist() == first
    assert data.draw(labels, fashion, 9, 10).tolist() == tenth
    assert data.draw(labels, mnist, 0, 5, balanced=False).tolist() == random
