"""The distance of images whose pixels may move a little."""

from itertools import product

import torch
import torch.nn.functional as F

from simclr.augment import to_float
from simclr.distortion import distortions, gradients


def test_a_stroke_that_moved_is_near_and_any_distance_is_that_of_the_best_patches():
    images = torch.randint(0, 256, (3, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
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
