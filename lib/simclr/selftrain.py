"""Self-training: the whole network learns the labels that have spread to the unlabelled images."""

import numpy as np
import torch

from simclr.augment import views_of
from simclr.data import CLASSES
from simclr.draws import History, Task
from simclr.model import Classifier, Encoder
from simclr.spread import graph_labels
from simclr.supervised import recipe_for, train


def selftrain(task: Task, params) -> tuple[Classifier, History]:
    """Train encoder and a new head on the pool with the labels of the graph (pseudo-labels, Lee 2013).

    The labels stay the graph's: a network that labels anew confirms its own mistakes. Smoothed targets
    (Szegedy et al. 2016) and averaged weights (Polyak & Juditsky 1992) are to keep it from learning the
    wrong ones by heart.

    Args:
        task: with encoder and pool.
        params: attributes as section `selftrain` of params/full.yaml.

    Returns:
        The classifier, in training mode, and its history.
    """
    return teach(task, params, *graph_labels(task, params))


def teach(
    task: Task, params, rows: np.ndarray, labels: np.ndarray, classes: int = CLASSES
) -> tuple[Classifier, History]:
    """Train a copy of the encoder and a new head on the pool's images `rows` (n,) with `labels` (n,)."""
    rates = params.learning_rate, params.learning_rate
    more = {"label_smoothing": params.label_smoothing, "ema_decay": params.ema_decay}
    more["warmup"] = params.warmup_steps
    recipe = recipe_for(task, params, params.steps, rates, views_of(params), True, **more)
    images = task.pool.images[torch.from_numpy(rows)]
    torch.manual_seed(recipe.seed)
    encoder = Encoder(params.dropout_conv, params.dropout_dense, task.encoder.network).to(images.device)
    encoder.load_state_dict(task.encoder.state_dict())
    model = Classifier(encoder, classes)
    return model, train(model, images, torch.from_numpy(labels).to(images.device), recipe)
