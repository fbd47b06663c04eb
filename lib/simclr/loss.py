"""NT-Xent, the normalised temperature-scaled cross entropy of SimCLR."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def nt_xent(z: Tensor, temperature: float = 0.5) -> Tensor:
    """Contrastive loss of N images seen in two views each (Chen et al. 2020, equation 1).

    Every view i has one positive j, the other view of its image; the other 2N - 2 views of the batch
    are its negatives:

        l(i, j) = -log( exp(sim(z_i, z_j) / t) / sum_{k != i} exp(sim(z_i, z_k) / t) )

    with sim the cosine. The result is the mean over the 2N ordered positive pairs.

    Args:
        z: projections (2N, D); rows i and i + N are the two views of image i. Need not have unit
            length. Computed in fp32 whatever the type of `z`.
        temperature: t > 0. The log-sum-exp keeps low values from overflowing.

    Returns:
        Scalar; log(2N - 1) when all views look alike to the network.

    Raises:
        ValueError: an odd number of rows, fewer than two images, or temperature <= 0.
    """
    if z.ndim != 2 or len(z) % 2 or len(z) < 4:
        raise ValueError(f"nt_xent needs (2N, D) projections with N >= 2, got {tuple(z.shape)}")
    if not temperature > 0:
        raise ValueError(f"nt_xent needs a temperature > 0, got {temperature}")
    n = len(z) // 2
    z = F.normalize(z.float(), dim=1)
    with torch.autocast(z.device.type, enabled=False):  # bf16 logits would lose 3 of 4 digits
        logits = z @ z.T / temperature  # (2N, 2N)
    itself = torch.eye(2 * n, dtype=torch.bool, device=z.device)
    logits = logits.masked_fill(itself, -torch.inf)  # k != i
    positive = torch.arange(2 * n, device=z.device).roll(n)  # i <-> i + N
    return F.cross_entropy(logits, positive)


def chance_loss(batch_size: int) -> float:
    """NT-Xent of a network that tells no two views apart: log(2N - 1)."""
    return math.log(2 * batch_size - 1)


def alignment(z: Tensor) -> Tensor:
    """Mean squared distance between the two views of an image (Wang & Isola 2020, eq. 5, alpha 2).

    Args:
        z: (2N, D) as for `nt_xent`; normalised here. 0 is perfect, 2 is chance.
    """
    first, second = F.normalize(z.float(), dim=1).chunk(2)
    return (first - second).square().sum(1).mean()


def uniformity(z: Tensor) -> Tensor:
    """Log of the mean Gaussian potential over pairs (Wang & Isola 2020, equation 6, t = 2).

    Args:
        z: (N, D), one view an image; normalised here. 0 when all points coincide; -4 or so when they
            cover a high-dimensional sphere evenly.
    """
    z = F.normalize(z.float(), dim=1)
    n = len(z)
    potential = (2 * (2 * z @ z.T - 2)).exp()  # exp(-2 d^2), with d^2 = 2 - 2 cos
    return ((potential.sum() - potential.diagonal().sum()) / (n * (n - 1))).log()
