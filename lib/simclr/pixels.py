"""Self-training from a graph of raw pixels: what is left of it where no encoder has learned anything."""

from dataclasses import replace

from simclr.draws import History, Task
from simclr.model import Classifier
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
