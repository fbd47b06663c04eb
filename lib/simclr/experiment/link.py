"""A job of the cache: the graph of the pool's nearest neighbours, by an encoder's features."""

from collections.abc import Callable

import numpy as np

from simclr import data, hardware
from simclr.augment import Views
from simclr.neighbours import averaged_features, components, nearest
from simclr.weights import load_encoder

COMPONENTS = 64  # of the features, which typical images are chosen by


def link(job, progress: Callable[[str], None]) -> None:
    """Find the neighbours of every image of the pool; reads no label."""
    inputs = job.inputs
    device, dtype = hardware.pick(inputs["device"], inputs["precision"])
    encoder = load_encoder(job.reads["encoder"].file("encoder.safetensors")).to(device)
    images = data.images(job.data, "pool").to(device)
    progress(f"graph of {len(images):,} images")
    h = averaged_features(encoder, images, Views(**inputs["views"]), inputs["feature_views"], dtype)
    cosines, indices = nearest(h, inputs["neighbours"])
    found = {"cosines": cosines, "indices": indices.int(), "components": components(h, COMPONENTS)}
    np.savez(job.folder / "graph.npz", **{name: value.cpu() for name, value in found.items()})
