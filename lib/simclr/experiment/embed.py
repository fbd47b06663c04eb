"""A job of the cache: test images on a plane, before and after pre-training."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import Tensor

from simclr import data, hardware
from simclr.model import features
from simclr.weights import load_encoder

SEED = 0  # of the maps


def embed(job, progress: Callable[[str], None]) -> None:
    """Map the features of test images for each encoder that the job reads; writes map.npz.

    It holds, by the encoder's name, the map (N, 2), and `<name>_neighbours`: the share of images
    whose nearest other one, by the cosine of their features, is of their class.
    """
    device, dtype = hardware.pick(job.inputs["device"], job.inputs["precision"])
    images = data.images(job.data, "test")[: job.inputs["images"]].to(device)
    labels = data.labels(job.data, "test")[: job.inputs["images"]]
    found = {}
    for name, read in job.reads.items():
        progress(f"map of {len(images):,} images, {name}")
        encoder = load_encoder(read.file("encoder.safetensors")).to(device)
        h = features(encoder, images, dtype).cpu()  # (N, 512)
        found[name], found[f"{name}_neighbours"] = plane(h), neighbours(h, labels)
    np.savez_compressed(job.folder / "map.npz", **found)


def plane(h: Tensor) -> np.ndarray:
    """Features on a plane by t-SNE (van der Maaten & Hinton 2008), from 50 principal components.

    Args:
        h: (N, D) features.

    Returns:
        (N, 2); distances between far groups mean nothing.
    """
    components = min(50, *h.shape)
    reduced = PCA(components, random_state=SEED).fit_transform(h.numpy())
    perplexity = min(30, (len(h) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=SEED).fit_transform(reduced)


def neighbours(h: Tensor, labels: Tensor) -> float:
    """Share of points whose nearest other point, by the cosine of `h` (N, D), is of their class."""
    h = F.normalize(h.float(), dim=1)
    similarity = (h @ h.T).fill_diagonal_(-torch.inf)
    return (labels[similarity.argmax(1)] == labels).float().mean().item()
