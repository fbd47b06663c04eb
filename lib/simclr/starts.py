"""Self-training from less: without an encoder that has learned anything, or without a graph."""

from dataclasses import replace
from types import SimpleNamespace

import torch

from simclr.draws import History, Task
from simclr.model import Classifier, Encoder, predict
from simclr.neighbours import nearest
from simclr.selftrain import selftrain, teach
from simclr.spread import surest_labels
from simclr.supervised import baseline_augmented


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
    """As `selftrain`, from random weights (for every draw the same); the encoder gives the graph alone."""
    torch.manual_seed(params.seed)
    encoder = Encoder(network=task.encoder.network).to(task.images.device)
    return selftrain(replace(task, encoder=encoder), params)


def selftrain_control(task: Task, params) -> tuple[Classifier, History]:
    """As `selftrain`, without a graph: the control labels the pool, and learns what it is surest about.

    Args:
        task: with pool, whose graph is not used.
        params: as of `selftrain`, and `teacher`, those of the control.
    """
    control, _ = baseline_augmented(task, SimpleNamespace(**params.teacher))
    shares = predict(control, task.pool.images, task.dtype).softmax(1).cpu().numpy()
    rows, labels = surest_labels(task, shares, params.surest)
    return teach(replace(task, encoder=control.encoder), params, rows, labels)
