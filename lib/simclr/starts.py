"""Self-training from less: without an encoder that has learned anything, or without a graph."""

from dataclasses import replace
from types import SimpleNamespace

import torch

from simclr.draws import History, Task
from simclr.model import Classifier, Encoder, predict
from simclr.selftrain import selftrain, teach
from simclr.spread import surest_labels
from simclr.supervised import baseline_augmented


def selftrain_scratch(task: Task, params) -> tuple[Classifier, History]:
    """As `selftrain`, from random weights (for every draw the same); the encoder gives the graph alone."""
    torch.manual_seed(params.seed)
    encoder = Encoder(network=task.encoder.network).to(task.images.device)
    return selftrain(replace(task, encoder=encoder), params)


def selftrain_control(task: Task, params) -> tuple[Classifier, History]:
    """As `selftrain`, without a graph: the control labels the pool, and learns what it is surest about.

    Args:
        task: with pool.
        params: as of `selftrain`, and `teacher`, those of the control.
    """
    control, _ = baseline_augmented(task, SimpleNamespace(**params.teacher))
    shares = predict(control, task.pool.images, task.dtype).softmax(1).cpu().numpy()
    rows, labels = surest_labels(task, shares, params.surest)
    return teach(replace(task, encoder=control.encoder), params, rows, labels)
