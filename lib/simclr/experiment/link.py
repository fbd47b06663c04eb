"""Jobs of the cache: graphs of the pool, whose edges lead from each image to its nearest neighbours. None
of them reads a label."""

from collections.abc import Callable

import numpy as np
import torch

from simclr import data, hardware
from simclr.augment import Views
from simclr.distortion import joined, least_distorted, nearness
from simclr.draws import edges
from simclr.neighbours import averaged_features, components, nearest
from simclr.weights import load_encoder


def link(job, progress: Callable[[str], None]) -> None:
    """Neighbours by the cosine of an encoder's features."""
    inputs = job.inputs
    device, dtype = hardware.pick(inputs["device"], inputs["precision"])
    encoder = load_encoder(job.reads["encoder"].file("encoder.safetensors")).to(device)
    images = _pool(job)
    progress(f"graph of {len(images):,} images")
    h = averaged_features(encoder, images, Views(**inputs["views"]), inputs["feature_views"], dtype)
    cosines, indices = nearest(h, inputs["neighbours"])
    _write(job, cosines=cosines, indices=indices.int(), components=components(h))


def link_pixels(job, progress: Callable[[str], None]) -> None:
    """Neighbours by the cosine of centred pixels."""
    cosines, indices = nearest(_pool(job).flatten(1).float(), job.inputs["neighbours"])
    _write(job, cosines=cosines, indices=indices.int())


def link_deformable(job, progress: Callable[[str], None]) -> None:
    """Neighbours by pixels that may move, see `distortion`."""
    inputs, images = job.inputs, _pool(job)
    progress(f"distortions of {len(images):,} images")
    found = least_distorted(images, inputs["candidates"], inputs["neighbours"], inputs["reach"])
    _write(job, weights=nearness(found[0], inputs["softness"]), indices=found[1].int())


def join(job, progress: Callable[[str], None]) -> None:
    """Both the encoder's neighbours and those by pixels that may move, see `distortion.joined`.

    The file also keeps the encoder's cosines and components, by which typical images are chosen.
    """
    inputs, images = job.inputs, _pool(job)
    encoder, pixels = (job.reads[name].arrays("graph.npz") for name in ("encoder", "pixels"))
    progress(f"distortions of {len(images):,} images")
    graphs = (edges(graph, inputs["exponent"]) for graph in (encoder, pixels))
    settings = inputs["reach"], inputs["softness"], inputs["encoder_share"]
    weights, indices = joined(images, *graphs, *settings)
    kept = {name: encoder[name] for name in ("cosines", "components")}
    _write(job, **kept, weights=weights.astype(np.float32), indices=indices)


def _pool(job) -> torch.Tensor:
    return data.images(job.data, "pool").to(hardware.pick(job.inputs["device"], "fp32")[0])


def _write(job, **found: torch.Tensor | np.ndarray) -> None:
    np.savez(
        job.folder / "graph.npz", **{name: torch.as_tensor(value).cpu() for name, value in found.items()}
    )
