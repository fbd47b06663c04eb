"""simclr.starts, simclr.fixmatch: what unlabelled images teach without contrastive learning."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from simclr.draws import Pool, Task
from simclr.fixmatch import fixmatch
from simclr.model import Encoder, predict
from simclr.starts import selftrain_control, selftrain_pixels, selftrain_scratch

VIEWS = {"rotation": 5, "crop_scale": 0.9, "crop_aspect": 1.1, "shear": 0.0, "flip": False}
TRAINING = {"seed": 0, "batch_size": 20, "learning_rate": 0.002, "weight_decay": 0.0, "warmup_steps": 5}
TRAINING |= {"dropout_conv": 0.0, "dropout_dense": 0.1, "ema_decay": 0.9}
SELFTRAIN = (
    VIEWS | TRAINING | {"steps": 60, "label_smoothing": 0.1, "exponent": 3, "alpha": 0.99, "surest": 0.9}
)
CONTROL = VIEWS | TRAINING | {"augmented_steps": 40}
FIXMATCH = VIEWS | TRAINING | {"steps": 120, "batch_size": 6, "unlabelled_ratio": 4, "threshold": 0.9}
FIXMATCH |= {"mild_rotation": 2, "mild_crop_scale": 0.95}


@pytest.fixture(scope="module")
def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    """Bright squares in one of three places, on noise, and which place."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(90) % 3
    images = torch.randint(0, 60, (90, 28, 28), generator=generator)
    for i, label in enumerate(labels):
        images[i, 9 * label : 9 * label + 9, 10:19] += 180
    return images.byte(), labels


@pytest.fixture
def task(pictures) -> Task:
    """Three labelled images; the graph holds nothing that could help."""
    images, labels = pictures
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    useless = rng.integers(0, 90, (90, 5))
    pool = Pool(images, np.arange(3), np.full((90, 5), 0.5), useless)
    return Task(0, images[:3], labels[:3], Encoder(), torch.float32, pool)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        (selftrain_pixels, SELFTRAIN),
        (selftrain_control, SELFTRAIN | {"teacher": CONTROL}),
        (fixmatch, FIXMATCH),
    ],
)
def test_three_labels_and_the_pool_teach_a_network(task, pictures, method, params):
    classifier, _ = method(task, SimpleNamespace(**params))
    images, labels = pictures
    assert (predict(classifier, images).argmax(1) == labels).float().mean() > 0.9


def test_fixmatch_needs_the_pool(task, pictures):
    """With a threshold that no answer reaches it learns the three labelled images alone."""
    sure, unsure = (
        fixmatch(task, SimpleNamespace(**FIXMATCH | {"threshold": threshold}))[0] for threshold in (0.5, 1.1)
    )
    images, labels = pictures
    loss = [
        torch.nn.functional.cross_entropy(predict(model, images), labels).item() for model in (sure, unsure)
    ]
    assert loss[0] < loss[1]


def test_from_random_weights_the_encoder_lends_its_graph_alone(task):
    """Other weights of the encoder change nothing."""
    params = SimpleNamespace(**SELFTRAIN | {"steps": 2})
    first, _ = selftrain_scratch(task, params)
    torch.manual_seed(1)
    other = Task(0, task.images, task.labels, Encoder(), torch.float32, task.pool)
    second, _ = selftrain_scratch(other, params)
    for one, two in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(one, two)
