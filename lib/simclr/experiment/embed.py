"""A job of the cache: test images on a plane, before, during and after pre-training."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import Tensor

from simclr import data, hardware
from simclr.experiment.encode import ENCODER, KEPT
from simclr.model import features
from simclr.weights import load_encoder

SEED = 0  # of the maps


def embed(job, progress: Callable[[str], None]) -> None:
    """Map the features of test images for each encoder that the job reads; writes map.npz.

    It holds, by the encoder's name (or its epoch, where it was kept on the way), the map (N, 2), and
    `<name>_neighbours`: the share of images whose nearest other one, by the cosine of their features, is
    of their class. Each map starts from that of the next encoder, so that points can be followed.
    """
    device, dtype = hardware.pick(job.inputs["device"], job.inputs["precision"])
    images = data.images(job.data, "test")[: job.inputs["images"]].to(device)
    labels = data.labels(job.data, "test")[: job.inputs["images"]]
    before, after = job.reads["before"], job.reads["after"]
    weights = {"before": before.file(ENCODER)}
    weights |= {str(epoch): after.file(KEPT.format(epoch)) for epoch in after.inputs["kept"]}
    weights["after"] = after.file(ENCODER)
    found, start = {}, None
    for name, file in reversed(weights.items()):
        progress(f"map of {len(images):,} images, {name}")
        h = features(load_encoder(file).to(device), images, dtype).cpu()  # (N, 512)
        found[name], found[f"{name}_neighbours"] = plane(h, start), neighbours(h, labels)
        start = found[name]
    np.savez_compressed(job.folder / "map.npz", **found)


def plane(h: Tensor, start: np.ndarray | None = None) -> np.ndarray:
    """Features on a plane by t-SNE (van der Maaten & Hinton 2008), from 50 principal components.

    Args:
        h: (N, D) features.
        start: (N, 2) another map, from which the points begin and onto which theirs is turned; else they
            begin from the first two components.

    Returns:
        (N, 2); distances between far groups mean nothing.
    """
    components = min(50, *h.shape)
    reduced = PCA(components, random_state=SEED).fit_transform(h.numpy())
    perplexity = min(30, (len(h) - 1) / 3)
    init = "pca" if start is None else 1e-4 * start / start[:, 0].std()  # as small as that of "pca"
    found = TSNE(perplexity=perplexity, init=init, random_state=SEED).fit_transform(reduced)
    found -= found.mean(0)
    return found if start is None else found @ orthogonal_procrustes(found, start)[0]


def neighbours(h: Tensor, labels: Tensor) -> float:
    """Share of points whose nearest other point, by the cosine of `h` (N, D), is of their class."""
    h = F.normalize(h.float(), dim=1)
    similarity = (h @ h.T).fill_diagonal_(-torch.inf)
    return (labels[similarity.argmax(1)] == labels).float().mean().item()
