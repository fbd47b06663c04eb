"""simclr.starts, rounds and fixmatch: what unlabelled images teach without contrastive learning."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_spread import SELFTRAIN, pictures

from simclr import rounds
from simclr.augment import Views
from simclr.draws import Pool, Task
from simclr.fixmatch import fixmatch
from simclr.model import Encoder, predict
from simclr.neighbours import averaged_features, nearest
from simclr.starts import selftrain_control, selftrain_scratch

CONTROL = SELFTRAIN | {"augmented_steps": 40}
FIXMATCH = SELFTRAIN | {"steps": 120, "batch_size": 6, "unlabelled_ratio": 4, "threshold": 0.9}
FIXMATCH |= {"mild_rotation": 2, "mild_crop_scale": 0.95}
IMAGES, LABELS = pictures(90)


@pytest.fixture
def task() -> Task:
    """Three labelled images; the graph holds nothing that could help."""
    torch.manual_seed(0)
    useless = np.random.default_rng(0).integers(0, 90, (90, 5))
    pool = Pool(IMAGES, np.arange(3), np.full((90, 5), 0.5), useless)
    return Task(0, IMAGES[:3], LABELS[:3], Encoder(), torch.float32, pool)


@pytest.mark.parametrize(
    ("method", "params"), [(selftrain_control, SELFTRAIN | {"teacher": CONTROL}), (fixmatch, FIXMATCH)]
)
def test_three_labels_and_the_pool_teach_a_network(task, method, params):
    classifier, _ = method(task, SimpleNamespace(**params))
    assert (predict(classifier, IMAGES).argmax(1) == LABELS).float().mean() > 0.9


def test_fixmatch_needs_the_pool(task):
    """With a threshold that no answer reaches it learns the three labelled images alone."""
    loss = {}
    for threshold in (0.5, 1.1):
        model, _ = fixmatch(task, SimpleNamespace(**FIXMATCH | {"threshold": threshold}))
        loss[threshold] = torch.nn.functional.cross_entropy(predict(model, IMAGES), LABELS).item()
    assert loss[0.5] < loss[1.1]


def test_from_random_weights_the_encoder_lends_its_graph_alone(task):
    """Other weights of the encoder change nothing."""
    params = SimpleNamespace(**SELFTRAIN | {"steps": 2})
    first, _ = selftrain_scratch(task, params)
    torch.manual_seed(1)
    other = Task(0, task.images, task.labels, Encoder(), torch.float32, task.pool)
    second, _ = selftrain_scratch(other, params)
    for one, two in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_a_second_round_spreads_labels_along_what_the_first_learned(task, monkeypatch):
    seen = []
    monkeypatch.setattr(rounds, "selftrain", lambda task, _: seen.append(task) or (first, {}))
    first = selftrain_scratch(task, SimpleNamespace(**SELFTRAIN | {"steps": 60}))[0]
    link = {"rotation": 2.0, "crop_scale": 0.9, "feature_views": 1, "neighbours": 4}
    params = SELFTRAIN | {"reach": 1, "softness": 0.3, "encoder_share": 0.8, "teacher": link}
    rounds.selftrain_twice(task, SimpleNamespace(**params))
    once, again = seen
    assert once is task and again.encoder is first.encoder
    expected = nearest(averaged_features(first.encoder, IMAGES, Views(2.0, 0.9), 1, torch.float32), 4)[1]
    np.testing.assert_array_equal(again.pool.indices, np.concatenate([expected, task.pool.indices], 1))
