"""Self-training in rounds: what a network has learned finds the neighbours for the next one."""

from dataclasses import replace
from types import SimpleNamespace

from simclr.augment import views_of
from simclr.distortion import joined
from simclr.draws import History, Task
from simclr.model import Classifier
from simclr.neighbours import averaged_features, nearest
from simclr.selftrain import selftrain


def selftrain_twice(task: Task, params) -> tuple[Classifier, History]:
    """As `selftrain`, then once more from what it learned, along neighbours in its features as well.

    Args:
        task: with encoder, and in the pool a graph by pixels that may move.
        params: as of `selftrain`, and `reach`, `softness` and `encoder_share` of `distortion.joined`;
            `teacher`, a mapping, says how neighbours are found, as section `spread`.
    """
    first, _ = selftrain(task, params)
    pool, link = task.pool, SimpleNamespace(**params.teacher)
    h = averaged_features(first.encoder, pool.images, views_of(link), link.feature_views, task.dtype)
    cosines, indices = (found.cpu().numpy() for found in nearest(h, link.neighbours))
    learned = cosines.clip(0) ** params.exponent, indices
    settings = params.reach, params.softness, params.encoder_share
    weights, indices = joined(pool.images, learned, (pool.weights, pool.indices), *settings)
    again = replace(task, encoder=first.encoder, pool=replace(pool, weights=weights, indices=indices))
    return selftrain(again, params)
