"""How far images are from each other where every pixel may move a little. Nothing is learned."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from simclr.augment import to_float
from simclr.neighbours import nearest
from simclr.spread import normalised

Edges = tuple[np.ndarray, np.ndarray]

_PAIRS = 64  # at a time; so few stay in a processor's cache


def distortions(images: Tensor, indices: Tensor, reach: int) -> Tensor:
    """The distance of each image from some others in the image distortion model (Keysers et al. 2007).

    Each pixel of one image is compared with the pixel of the other that fits best, at most `reach` pixels
    from its own place; what is compared are 3 x 3 patches of the horizontal and the vertical gradient
    (Sobel). The distance is the sum of the squared differences, the mean of both directions.

    Args:
        images: (N, 28, 28) uint8.
        indices: (N, k) of the others.

    Returns:
        (N, k) fp32, 0 for the same image.
    """
    slopes = gradients(to_float(images))
    rows = torch.arange(len(images), device=images.device).repeat_interleave(indices.shape[1])
    pairs = torch.stack([rows, indices.flatten()], dim=1)
    pairs, place = pairs.sort(1).values.unique(dim=0, return_inverse=True)  # each pair once
    found = torch.empty(len(pairs), device=images.device)
    step = _PAIRS if images.device.type == "cpu" else 100 * _PAIRS
    for start in range(0, len(pairs), step):
        one, other = (slopes[rows] for rows in pairs[start : start + step].unbind(1))
        found[start : start + step] = (fit(one, other, reach) + fit(other, one, reach)) / 2
    return found[place].view(indices.shape)


def least_distorted(images: Tensor, candidates: int, k: int, reach: int) -> tuple[Tensor, Tensor]:
    """The k nearest others of each image by `distortions`, among those that are nearest by plain pixels.

    Args:
        images: (N, 28, 28) uint8.
        candidates: how many of these are compared.

    Returns:
        Distances (N, k), the smallest first, and indices (N, k).
    """
    near = nearest(images.flatten(1).float(), candidates)[1]
    apart, best = distortions(images, near, reach).topk(k, largest=False)
    return apart, near.gather(1, best)


def nearness(distances: Tensor, softness: float) -> Tensor:
    """Weights of edges: exp(-d / s), where s is so many times the median distance."""
    return (-distances / (softness * distances.median())).exp()


def joined(images: Tensor, others: Edges, moving: Edges, reach: int, softness: float, share: float) -> Edges:
    """A graph of neighbours found otherwise and one by pixels that may move, in one.

    Both are normalised, so that their weights have the shares that they are said to have, and the edges of
    the former weigh less where their images are distorted.

    Args:
        images: (N, 28, 28) uint8.
        others, moving: weights and indices of their edges, (N, k) each; k need not be the same.
        softness: of the weights by distortion, see `nearness`.
        share: of the others.

    Returns:
        Weights and indices, (N, sum of both k).
    """
    weights, indices = others
    neighbours = torch.from_numpy(indices).long().to(images.device)
    near = nearness(distortions(images, neighbours, reach), softness).cpu().numpy()
    parts = share * normalised(weights * near, indices), (1 - share) * normalised(*moving)
    return np.concatenate(parts, 1), np.concatenate([indices, moving[1]], 1)


def gradients(x: Tensor) -> Tensor:
    """Sobel gradients of images (N, 1, H, W), as if black surrounded them: (N, 2, H, W)."""
    across = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]], device=x.device) / 4
    return F.conv2d(x, torch.stack([across, across.T]).unsqueeze(1), padding=1)


def fit(slopes: Tensor, others: Tensor, reach: int) -> Tensor:
    """How far each image of P pairs is from the best that pixels of the other can make: (P,).

    Args:
        slopes, others: (P, 2, H, W), of `gradients`.
    """
    height, width = slopes.shape[-2:]
    others, best = F.pad(others, [reach] * 4), None
    for y in range(2 * reach + 1):
        for x in range(2 * reach + 1):
            apart = (slopes - others[..., y : y + height, x : x + width]).square_().sum(1)
            cost = _patch_sums(apart)
            best = cost if best is None else torch.minimum(best, cost, out=best)
    return best.sum((1, 2))


def _patch_sums(x: Tensor) -> Tensor:
    """Sums over 3 x 3 patches, with zeros around: (P, H, W) -> (P, H, W)."""
    x = F.pad(x, (1, 1, 1, 1))
    x = x[..., :-2] + x[..., 1:-1] + x[..., 2:]
    return x[:, :-2] + x[:, 1:-1] + x[:, 2:]
