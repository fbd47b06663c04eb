"""Label spreading: labels travel along the graph of nearest neighbours to the images that have none."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from scipy.sparse.linalg import cg
from torch import Tensor

from simclr import hardware
from simclr.augment import Views, to_float
from simclr.draws import History, Task
from simclr.model import BATCH, Classifier, Encoder, features
from simclr.probe import fit_linear, joined

CLASSES = 10
_BLOCK = 2000  # images whose similarities to all others are in memory at a time


@torch.no_grad()
def averaged_features(
    encoder: Encoder, images: Tensor, views: Views, rounds: int, dtype: torch.dtype
) -> Tensor:
    """Features averaged over random views, so that neighbours do not hang on how a digit stands.

    Args:
        images: (N, 28, 28) uint8.
        rounds: views an image.

    Returns:
        (N, 512) fp32.
    """
    encoder.eval()
    generator = torch.Generator(images.device).manual_seed(0)
    out = []
    for batch in images.split(BATCH):
        total = 0
        for _ in range(rounds):
            with hardware.autocast(images.device, dtype):
                total = total + encoder(views(to_float(batch), generator)).float()
        out.append(total / rounds)
    return torch.cat(out)


def nearest(h: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest others of each point, by the cosine of the centred features, in blocks.

    Args:
        h: (N, D).

    Returns:
        Cosines (N, k), the largest first, and indices (N, k).
    """
    z = F.normalize(h - h.mean(0), dim=1)
    cosines, indices = [], []
    for start in range(0, len(z), _BLOCK):
        similarity = z[start : start + _BLOCK] @ z.T  # (block, N)
        similarity[:, start:].fill_diagonal_(-torch.inf)  # not itself
        values, rows = similarity.topk(k, dim=1)
        cosines.append(values)
        indices.append(rows)
    return torch.cat(cosines), torch.cat(indices)


def spread(
    cosines: np.ndarray,
    indices: np.ndarray,
    rows: np.ndarray,
    labels: np.ndarray,
    exponent: float,
    memory: float,
) -> np.ndarray:
    """Spread labels over the symmetric graph of neighbours (Zhou et al. 2004).

    Solves (1 - memory S) f = y for each class, with S the graph's weights normalised on both sides
    and y one where an image carries the class's label. The masses of the classes are made equal, as no
    label says how frequent they are.

    Args:
        cosines, indices: (N, k), of `nearest`.
        rows: (n,) images that carry a label; their classes are `labels` (n,).
        exponent: an edge weighs its cosine to this power.
        memory: in [0, 1), how far labels travel.

    Returns:
        (N, classes) shares that sum to 1.
    """
    n, k = indices.shape
    edges = np.clip(cosines, 0, None).ravel() ** exponent
    ends = np.repeat(np.arange(n), k), indices.ravel()
    weights = sparse.csr_matrix((edges, ends), shape=(n, n))
    weights = weights.maximum(weights.T)
    degree = np.asarray(weights.sum(1)).ravel()
    scale = sparse.diags(np.where(degree > 0, degree, 1) ** -0.5)
    system = sparse.identity(n) - memory * (scale @ weights @ scale)
    given = np.zeros((n, CLASSES))
    given[rows, labels] = 1
    mass = np.stack([cg(system, column, rtol=1e-6)[0] for column in given.T], axis=1)
    mass = mass.clip(0)
    mass /= np.where(given.any(0), mass.sum(0), 1)
    total = mass.sum(1, keepdims=True)
    return np.divide(mass, total, out=np.full_like(mass, 1 / CLASSES), where=total > 0)


def surest(shares: np.ndarray, share: float) -> np.ndarray:
    """The surest `share` of the images of each class, sorted indices.

    Args:
        shares: (N, classes), of `spread`.
    """
    called, confidence = shares.argmax(1), shares.max(1)
    chosen = []
    for c in range(shares.shape[1]):
        mine = np.flatnonzero(called == c)
        chosen.append(mine[np.argsort(-confidence[mine])[: int(share * len(mine))]])
    return np.sort(np.concatenate(chosen))


def spread_probe(task: Task, params) -> tuple[Classifier, History]:
    """The linear probe, taught by the images whose spread labels are surest.

    The graph holds no test image: what comes out is a classifier like any other.
    """
    pool = task.pool
    shares = spread(
        pool.cosines,
        pool.indices,
        pool.rows,
        task.labels.cpu().numpy(),
        params.exponent,
        params.memory,
    )
    rows = surest(shares, params.surest)
    rows = np.random.default_rng(task.draw).permutation(rows)[: params.taught_images]
    h = features(task.encoder, pool.images[rows], task.dtype)
    labels = torch.from_numpy(shares[rows].argmax(1))
    return joined(task.encoder, fit_linear(h, labels, params.taught_l2)), {}
