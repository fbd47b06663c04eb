"""The map of test images: a point an image, and neighbours by direction."""

import numpy as np
import pytest
import torch

from simclr.experiment.embed import neighbours, plane


def test_a_map_has_a_point_an_image_and_no_chance_in_it():
    h = torch.randn(60, 12, generator=torch.Generator().manual_seed(0))
    h[:30] += 10  # two clouds
    first, again = plane(h), plane(h)
    assert first.shape == (60, 2) and np.isfinite(first).all()
    assert np.array_equal(first, again)
    moved = plane(h + 0.01, again)
    assert np.abs(moved - again).mean() < np.abs(again).mean()  # where it began
    gap = np.linalg.norm(first[:30].mean(0) - first[30:].mean(0))
    assert gap > 2 * max(first[:30].std(0).max(), first[30:].std(0).max())


def test_neighbours_are_those_of_the_same_direction():
    h = torch.tensor([[1.0, 0.0], [9.0, 0.1], [0.0, 1.0], [0.1, 2.0], [0.2, 1.0]])
    labels = torch.tensor([0, 0, 1, 1, 2])  # whatever the length
    assert neighbours(h, labels) == pytest.approx(4 / 5)
