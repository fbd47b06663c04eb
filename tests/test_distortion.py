"""The distance of images whose pixels may move a little."""

from itertools import product

import torch
import torch.nn.functional as F

from simclr.augment import to_float
from simclr.distortion import distortions, gradients

MOVES = list(product((-1, 0, 1), repeat=2))


def test_a_pixel_may_move_as_far_as_the_reach():
    images = torch.zeros(2, 28, 28, dtype=torch.uint8)
    images[0, 8:20, 12:15] = 200
    images[1, 9:21, 13:16] = 200  # the same stroke, one pixel down and to the right
    others = torch.tensor([[1], [0]])
    assert distortions(images, others, 1).tolist() == [[0], [0]]
    assert (distortions(images, others, 0) > 1).all()


def test_the_distance_is_that_of_the_best_patch_for_every_pixel():
    images = torch.randint(0, 256, (2, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    slopes = F.pad(gradients(to_float(images)), [2] * 4)  # room for a patch that has moved

    def directed(one, other, y, x):
        patch = slopes[one, :, y - 1 : y + 2, x - 1 : x + 2]
        inside = torch.zeros(32, 32)
        inside[2:30, 2:30] = 1  # a patch ends where its own image does
        keep = inside[y - 1 : y + 2, x - 1 : x + 2]
        moves = [slopes[other, :, y + v - 1 : y + v + 2, x + u - 1 : x + u + 2] for v, u in MOVES]
        return min(((patch - moved).square().sum(0) * keep).sum() for moved in moves)

    places = list(product(range(2, 30), repeat=2))
    expected = sum(directed(a, b, y, x) for a, b in ((0, 1), (1, 0)) for y, x in places) / 2
    found = distortions(images, torch.tensor([[1], [0]]), 1)
    assert torch.allclose(found, expected.expand(2, 1), rtol=1e-4)
