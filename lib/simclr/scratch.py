"""Self-training from the graph of a trained encoder, but of a network that starts from random weights."""

from dataclasses import replace

import torch

from simclr.draws import History, Task
from simclr.model import Classifier, Encoder
from simclr.selftrain import selftrain


def selftrain_scratch(task: Task, params) -> tuple[Classifier, History]:
    """As `selftrain`; the task's encoder gives the graph alone."""
    torch.manual_seed(params.seed)
    encoder = Encoder(network=task.encoder.network).to(task.images.device)
    return selftrain(replace(task, encoder=encoder), params)
