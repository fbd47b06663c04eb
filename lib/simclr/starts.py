"""Self-training from less: where an encoder has learned nothing, or lends its graph alone."""

from dataclasses import replace

import torch

from simclr.draws import History, Task
from simclr.model import Classifier, Encoder
from simclr.neighbours import nearest
from simclr.selftrain import selftrain


def selftrain_pixels(task: Task, params) -> tuple[Classifier, History]:
    """As `selftrain`, but images are neighbours by the cosine of their centred pixels.

    Args:
        task: with pool, and with the encoder to start from: one of random weights.
        params: as of `selftrain`.
    """
    pixels = task.pool.images.flatten(1).float()
    cosines, indices = (found.cpu().numpy() for found in nearest(pixels, task.pool.indices.shape[1]))
    return selftrain(replace(task, pool=replace(task.pool, cosines=cosines, indices=indices)), params)


def selftrain_scratch(task: Task, params) -> tuple[Classifier, History]:
    """As `selftrain`, from random weights; the task's encoder gives the graph alone."""
    torch.manual_seed(params.seed)
    encoder = Encoder(network=task.encoder.network).to(task.images.device)
    return selftrain(replace(task, encoder=encoder), params)
