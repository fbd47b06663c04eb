"""Which images lie near which, by an encoder's features."""

import torch
import torch.nn.functional as F
from torch import Tensor

from simclr import hardware
from simclr.augment import Views, to_float
from simclr.model import BATCH, Encoder

_BLOCK = 2000  # images whose similarities to all others are in memory at a time


@torch.no_grad()
def averaged_features(
    encoder: Encoder, images: Tensor, views: Views, many: int, dtype: torch.dtype
) -> Tensor:
    """Features averaged over random views, so that neighbours do not hang on how a digit stands.

    Args:
        images: (N, 28, 28) uint8.
        many: views an image.

    Returns:
        (N, 512) fp32.
    """
    encoder.eval()
    generator = torch.Generator(images.device).manual_seed(0)
    out = []
    for batch in images.split(BATCH):
        total = 0
        for _ in range(many):
            with hardware.autocast(images.device, dtype):
                total = total + encoder(views(to_float(batch), generator)).float()
        out.append(total / many)
    return torch.cat(out)


def nearest(h: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest others of each point, by the cosine of the centred features, in blocks.

    Args:
        h: (N, D).

    Returns:
        Cosines (N, k), the largest first, and indices (N, k).
    """
    z = F.normalize(h - h.mean(0), dim=1)
    cosines, indices = z.new_empty(len(z), k), z.new_empty(len(z), k, dtype=torch.int64)
    memory = z.new_empty(min(_BLOCK, len(z)), len(z))  # one block for all: freed ones leave gaps too small
    for start in range(0, len(z), _BLOCK):
        rows = slice(start, start + _BLOCK)
        similarity = torch.mm(z[rows], z.T, out=memory[: len(z[rows])])  # (block, N)
        similarity[:, start:].fill_diagonal_(-torch.inf)  # not itself
        cosines[rows], indices[rows] = similarity.topk(k, dim=1)
    return cosines, indices


def components(h: Tensor, many: int = 64) -> Tensor:
    """The first principal components of the centred and normalised features: (N, many).

    Typical images are chosen by them.

    Args:
        h: (N, D).
    """
    z = F.normalize(h - h.mean(0), dim=1)
    z = z - z.mean(0)
    _, vectors = torch.linalg.eigh((z.T @ z).cpu().double())  # by increasing variance; MPS has no float64
    return z @ vectors[:, -many:].flip(1).float().to(z.device)
