"""Self-training: three labels, spread to unlabelled images, teach the whole network."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from simclr.draws import Pool, Task
from simclr.model import Encoder, features, predict
from simclr.neighbours import nearest
from simclr.selftrain import selftrain
from simclr.spread import graph_labels

VALUES = {"exponent": 3, "memory": 0.99, "surest": 0.9, "seed": 0, "steps": 60, "batch_size": 20}
VALUES |= {"learning_rate": 0.002, "warmup_steps": 5, "weight_decay": 0.0, "smoothing": 0.1}
VALUES |= {"average": 0.9, "dropout_conv": 0.0, "dropout_dense": 0.1, "rotation": 5, "shear": 0.0}
VALUES |= {"crop_scale": 0.9, "crop_aspect": 1.1, "flip": False}


def pictures(n=60):
    """Bars of three heights on noise, and which."""
    images = torch.randint(0, 60, (n, 28, 28), generator=torch.Generator().manual_seed(0))
    labels = torch.arange(n) % 3
    for image, label in zip(images, labels.tolist(), strict=True):
        image[8 * label + 2 : 8 * label + 8] += 180
    return images.to(torch.uint8), labels


@pytest.fixture
def task() -> Task:
    images, labels = pictures()
    torch.manual_seed(0)
    encoder = Encoder()
    encoder(images[:, None] / 255.0)
    cosines, indices = (found.numpy() for found in nearest(features(encoder, images), 6))
    pool = Pool(images, np.arange(3), cosines, indices)
    return Task(0, images[:3], labels[:3], encoder, torch.float32, pool)


def test_three_labels_teach_the_network_and_leave_the_encoder_it_started_from(task):
    before = {name: value.clone() for name, value in task.encoder.state_dict().items()}
    network, history = selftrain(task, SimpleNamespace(**VALUES))
    images, labels = pictures()
    assert (predict(network, images).argmax(1) == labels).float().mean() > 0.95
    assert history["step"][-1] == VALUES["steps"]
    state = task.encoder.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in state.items())


def test_given_labels_stay_and_the_least_sure_images_are_left_out(task):
    """Even a label that contradicts its neighbours is taught as it was given."""
    wrong = task.labels.clone()
    wrong[0] = 2
    task = Task(0, task.images, wrong, task.encoder, torch.float32, task.pool)
    rows, labels = graph_labels(task, SimpleNamespace(**VALUES | {"surest": 0.5}))
    assert set(task.pool.rows) <= set(rows) and len(rows) < 40
    assert labels[np.searchsorted(rows, task.pool.rows)].tolist() == wrong.tolist()
