"""The distance of images whose pixels may move a little."""

from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from test_model import pictures

from simclr.augment import to_float
from simclr.distortion import distortions, gradients, joined, least_distorted, nearness
from simclr.spread import normalised


def test_a_stroke_that_moved_is_near_and_any_distance_is_that_of_the_best_patches():
    images = pictures(3)
    images[:2] = 0
    images[0, 8:20, 12:15] = images[1, 9:21, 13:16] = 200  # one pixel down and to the right
    slopes = F.pad(gradients(to_float(images)), [2] * 4)

    def directed(one, other):
        moves = [other.roll(move, (1, 2)) for move in product((-1, 0, 1), repeat=2)]
        apart = torch.stack([(one - moved).square().sum(0)[2:30, 2:30] for moved in moves])
        return 9 * F.avg_pool2d(apart, 3, stride=1, padding=1).amin(0).sum()

    expected = [[(directed(a, b) + directed(b, a)) / 2 for b in slopes] for a in slopes]
    found = distortions(images, torch.arange(3).expand(3, 3), 1)
    assert torch.allclose(found, torch.tensor(expected), rtol=1e-4)
    assert found[0, 1] == 0 < distortions(images[:2], torch.tensor([[1], [0]]), 0).min()


def test_the_least_distorted_of_the_candidates_are_neighbours_and_the_nearest_weigh_most():
    images = pictures(30)
    distances, indices = least_distorted(images, candidates=29, k=4, reach=1)
    everyone = torch.arange(30).expand(30, 30)
    expected = distortions(images, everyone, 1).fill_diagonal_(torch.inf).topk(4, largest=False)
    torch.testing.assert_close(distances, expected.values)
    assert torch.equal(indices, expected.indices)
    torch.testing.assert_close(nearness(distances, 0.5), (-2 * distances / distances.median()).exp())


def test_a_joined_graph_has_the_shares_it_was_given_and_its_distorted_edges_weigh_less():
    images = pictures(6)
    images[3:] = images[:3]
    same = np.array([[3], [4], [5], [0], [1], [2]])
    others = np.ones((6, 3)), np.concatenate([same, (same + 1) % 6, (same + 2) % 6], 1)
    moving = np.full((6, 1), 0.5), np.array([[1], [2], [0], [4], [5], [3]])
    weights, indices = joined(images, others, moving, 1, 0.5, 0.75)
    assert (weights[:, :1] > 2 * weights[:, 1:3]).all()
    np.testing.assert_allclose(weights[:, 3:], 0.25 * normalised(*moving))
    np.testing.assert_array_equal(indices, np.concatenate([others[1], moving[1]], 1))
    np.testing.assert_allclose(joined(images, others, moving, 1, 0.5, 0.25)[0][:, :3], weights[:, :3] / 3)
