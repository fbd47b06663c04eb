"""Self-training: the whole network learns the labels that have spread to the unlabelled images."""

import torch

from simclr.draws import History, Task
from simclr.model import Classifier, Encoder
from simclr.spread import graph_labels
from simclr.supervised import recipe_for, train, views_of


def selftrain(task: Task, params) -> tuple[Classifier, History]:
    """Train encoder and a new head on the pool with the labels of the graph.

    The labels stay the graph's: a network that labels anew confirms its own mistakes. Smoothed targets
    and averaged weights keep it from learning the wrong ones by heart.
    """
    torch.manual_seed(params.seed * 10_000 + task.draw)
    encoder = Encoder(params.dropout_conv, params.dropout_dense).to(task.images.device)
    encoder.load_state_dict(task.encoder.state_dict())
    model = Classifier(encoder)
    rows, labels = graph_labels(task, params)
    images = task.pool.images[torch.from_numpy(rows)]
    recipe = recipe_for(
        task,
        params,
        params.steps,
        (params.learning_rate, params.learning_rate),
        views_of(params),
        update_norm=True,
        warmup=params.warmup_steps,
        smoothing=params.smoothing,
        average=params.average,
    )
    return model, train(model, images, torch.from_numpy(labels).to(images.device), recipe)
