"""Jobs of the cache: an encoder of one's own images, and the graph of them. No label is needed for either."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from simclr import hardware
from simclr.augment import views_of
from simclr.distortion import joined, least_distorted, nearness
from simclr.neighbours import averaged_features, components, nearest
from simclr.pretrain import pretrained
from simclr.weights import load_encoder, save_network

ENCODER, GRAPH = "encoder.safetensors", "graph.npz"


def sample(folder: Path, most: int) -> np.ndarray:
    """The images that the encoder and the graph see, sorted: the first `most` by their content."""
    return np.sort(np.load(folder / "order.npy")[:most])


def encode(job, progress: Callable[[str], None]) -> None:
    """Pre-train an encoder on the sample; a batch of it, the first by content, only validates."""
    params, device, dtype = inputs_of(job)
    images, order = images_of(job), np.load(job.data / "order.npy")
    validating = order[: params.batch_size]
    training = np.sort(order[params.batch_size : params.sample][: params.steps * params.batch_size])
    params.epochs = max(1, round(params.steps / (len(training) // params.batch_size)))
    params.warmup_epochs = min(1.0, params.epochs / 10)
    start = load_encoder(job.reads["start"].file(ENCODER)) if "start" in job.reads else None
    checkpoint = job.folder / "checkpoint.pt"
    parts = (torch.from_numpy(images[rows]).to(device) for rows in (training, validating))
    encoder, history = pretrained(*parts, params, params.seed, dtype, checkpoint, progress, start=start)
    history.to_csv(job.folder / "history.csv", index=False)
    save_network(job.folder / ENCODER, encoder)
    checkpoint.unlink(missing_ok=True)


def link(job, progress: Callable[[str], None]) -> None:
    """Find the neighbours of every image of the sample, by the encoder and by pixels that may move.

    Writes the graph that joins both, and of the encoder's what typical images are chosen by.
    """
    params, device, dtype = inputs_of(job)
    encoder = load_encoder(job.reads["encoder"].file(ENCODER)).to(device)
    rows = sample(job.data, params.sample)
    progress(f"graph of {len(rows):,} images")
    images = torch.from_numpy(images_of(job)[rows]).to(device)
    h = averaged_features(encoder, images, views_of(params), params.feature_views, dtype)
    cosines, indices = (found.cpu().numpy() for found in nearest(h, params.neighbours))
    progress(f"distortions of {len(rows):,} images")
    apart, near = least_distorted(images, params.candidates, params.neighbours, params.reach)
    moving = nearness(apart, params.softness).cpu().numpy(), near.cpu().numpy()
    others = cosines.clip(0) ** params.exponent, indices
    weights, indices = joined(
        images, others, moving, params.reach, params.joined_softness, params.encoder_share
    )
    found = {"weights": weights.astype(np.float32), "indices": indices.astype(np.int32)}
    found |= {"cosines": cosines, "components": components(h).cpu().numpy()}
    np.savez(job.folder / GRAPH, rows=rows, **found)


def images_of(job) -> np.ndarray:
    return np.load(job.data / "images.npy", mmap_mode="r")


def inputs_of(job) -> tuple[SimpleNamespace, torch.device, torch.dtype]:
    device, dtype = hardware.pick(job.inputs["device"], job.inputs["precision"])
    return SimpleNamespace(**job.inputs["params"]), device, dtype
