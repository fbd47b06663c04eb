"""The components of features, the images that are chosen by them, and the map."""

import numpy as np
import pytest
import torch

from simclr.choose import typical
from simclr.experiment.embed import neighbours, plane
from simclr.neighbours import components


def blobs():
    """Three clusters of 30, 20 and 10 points around far centres."""
    centres = (10 * torch.eye(3, 8)).repeat_interleave(torch.tensor([30, 20, 10]), dim=0)
    return centres + torch.randn(60, 8, generator=torch.Generator().manual_seed(0))


def test_components_are_uncorrelated_and_fall_in_variance():
    found = components(blobs(), 4)
    covariance = found.T.cov()
    off = covariance - covariance.diag().diag()
    assert off.abs().max() < 1e-5
    assert torch.equal(covariance.diag().argsort(descending=True), torch.arange(4))


def test_a_typical_image_of_each_cluster_is_chosen_the_largest_first():
    points = components(blobs(), 3).numpy()
    cosines = np.random.default_rng(0).uniform(size=(60, 5))
    cosines[[7, 33, 55]] = 2  # the densest of each cluster
    for seed in range(3):
        assert typical(points, cosines, 3, seed).tolist() == [7, 33, 55]


def test_more_images_come_from_clusters_that_nobody_has_looked_at():
    points, cosines = blobs().numpy(), np.random.default_rng(0).uniform(size=(60, 5))
    first = typical(points, cosines, 1, seed=0)
    more = typical(points, cosines, 2, 0, first)
    assert sorted(np.digitize([*first, *more], [30, 50])) == [0, 1, 2]


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
