"""Jobs of the cache: graphs of the pool, whose edges lead from each image to its nearest neighbours. None
of them reads a label."""

from collections.abc import Callable

import numpy as np
import torch

from simclr import data, hardware
from simclr.augment import Views
from simclr.distortion import distortions, least_distorted, nearness
from simclr.neighbours import averaged_features, components, nearest
from simclr.spread import normalised
from simclr.weights import load_encoder

COMPONENTS = 64  # of the features, which typical images are chosen by


def link(job, progress: Callable[[str], None]) -> None:
    """Neighbours by the cosine of an encoder's features."""
    inputs = job.inputs
    device, dtype = hardware.pick(inputs["device"], inputs["precision"])
    encoder = load_encoder(job.reads["encoder"].file("encoder.safetensors")).to(device)
    images = _pool(job)
    progress(f"graph of {len(images):,} images")
    h = averaged_features(encoder, images, Views(**inputs["views"]), inputs["feature_views"], dtype)
    cosines, indices = nearest(h, inputs["neighbours"])
    _write(job, cosines=cosines, indices=indices.int(), components=components(h, COMPONENTS))


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
    """Both the encoder's neighbours and those by pixels that may move; the former weigh less where distorted.

    The two graphs are normalised, so that the shares of their weights are what they are said to be. The
    file also keeps the encoder's cosines and components, by which typical images are chosen.
    """
    inputs = job.inputs
    encoder, pixels = (job.reads[name].arrays("graph.npz") for name in ("encoder", "pixels"))
    images = _pool(job)
    progress(f"distortions of {len(images):,} images")
    neighbours = torch.from_numpy(encoder["indices"]).long().to(images.device)
    near = nearness(distortions(images, neighbours, inputs["reach"]), inputs["softness"]).cpu().numpy()
    weights = encoder["cosines"].clip(0) ** inputs["exponent"] * near
    share, indices = inputs["encoder_share"], [encoder["indices"], pixels["indices"]]
    parts = [
        share * normalised(weights, indices[0]),
        (1 - share) * normalised(pixels["weights"], indices[1]),
    ]
    kept = {name: torch.from_numpy(encoder[name]) for name in ("cosines", "components")}
    kept |= {"weights": torch.from_numpy(np.concatenate(parts, 1)).float()}
    _write(job, **kept, indices=torch.from_numpy(np.concatenate(indices, 1)))


def _pool(job) -> torch.Tensor:
    return data.images(job.data, "pool").to(hardware.pick(job.inputs["device"], "fp32")[0])


def _write(job, **found: torch.Tensor) -> None:
    np.savez(job.folder / "graph.npz", **{name: value.cpu() for name, value in found.items()})
