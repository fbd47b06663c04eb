"""Label spreading against its dense formula, and the probe and the network that it teaches."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from simclr.augment import Views
from simclr.draws import Pool, Task
from simclr.model import Encoder, features, predict
from simclr.neighbours import averaged_features, nearest
from simclr.selftrain import selftrain
from simclr.spread import both, graph_labels, normalised, spread, spread_probe, surest

SELFTRAIN = {"exponent": 3, "alpha": 0.99, "surest": 0.9, "seed": 0, "steps": 60, "batch_size": 20}
SELFTRAIN |= {"learning_rate": 0.002, "warmup_steps": 5, "weight_decay": 0.0, "label_smoothing": 0.1}
SELFTRAIN |= {"ema_decay": 0.9, "dropout_conv": 0.0, "dropout_dense": 0.1, "rotation": 5, "shear": 0.0}
SELFTRAIN |= {"crop_scale": 0.9, "crop_aspect": 1.1, "flip": False, "taught_images": 50, "taught_l2": 0.001}


def clouds(each=30, classes=3, size=8, seed=0):
    """Points around the axes: h (n, size) and their classes."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(classes).repeat(each)
    h = 2 * F.one_hot(labels, size).float()
    return h + 0.4 * torch.randn(h.shape, generator=g), labels


@pytest.mark.parametrize("block", [7, 2000])
def test_the_nearest_are_those_with_the_largest_cosines_and_never_itself(monkeypatch, block):
    monkeypatch.setattr("simclr.neighbours._BLOCK", block)
    h, _ = clouds()
    z = F.normalize(h - h.mean(0), dim=1)
    similarity = (z @ z.T).fill_diagonal_(-2)
    cosines, indices = nearest(h, 5)
    expected = similarity.topk(5)
    torch.testing.assert_close(cosines, expected.values)
    assert torch.equal(indices, expected.indices)


def graph(h, k=5):
    return [part.numpy() for part in nearest(h, k)]


def test_spreading_is_the_closed_form():
    h, labels = clouds()
    cosines, indices = graph(h)
    rows = np.array([0, 1, 2, 30])
    weights = cosines.clip(0) ** 3
    found = spread(weights, indices, rows, labels[rows].numpy(), alpha=0.9)
    w = np.zeros((len(h), len(h)))
    np.put_along_axis(w, indices, weights, axis=1)
    w = np.maximum(w, w.T)
    s = w / np.sqrt(np.outer(w.sum(0), w.sum(0)))
    kept = (weights > 0) * np.take_along_axis(s, indices, axis=1)
    np.testing.assert_allclose(normalised(weights, indices), kept, rtol=1e-5)
    y = np.zeros((len(h), 10))
    y[rows, labels[rows]] = 1
    mass = np.linalg.solve(np.eye(len(h)) - 0.9 * s, y)[:, :3]
    mass /= mass.sum(0)
    np.testing.assert_allclose(found[:, :3], mass / mass.sum(1, keepdims=True), atol=1e-4)
    assert found.sum(1) == pytest.approx(1) and found[:, 3:].max() < 1e-6


def test_the_surest_are_chosen_class_by_class():
    shares = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.45, 0.55], [0.7, 0.3], [0.1, 0.9]])
    assert surest(shares, 1.0).tolist() == [0, 1, 2, 3, 4, 5]
    assert surest(shares, 0.67).tolist() == [0, 2, 4, 5]


def pictures(n=60):
    """Bars of three heights on noise, and which."""
    images = torch.randint(0, 60, (n, 28, 28), generator=torch.Generator().manual_seed(0))
    labels = torch.arange(n) % 3
    for image, label in zip(images, labels.tolist(), strict=True):
        image[8 * label + 2 : 8 * label + 8] += 180
    return images.to(torch.uint8), labels


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    encoder = Encoder(dropout_conv=0.5)
    encoder(pictures()[0][:, None] / 255.0)
    return encoder.train()


def test_features_are_averaged_over_views(encoder):
    images, _ = pictures()
    plain = averaged_features(encoder, images, Views(), 2, torch.float32)
    torch.testing.assert_close(plain, features(encoder, images), rtol=1e-4, atol=1e-4)
    turned = averaged_features(encoder, images, Views(rotation=20), 2, torch.float32)
    assert not torch.allclose(turned, plain, atol=1e-2)


@pytest.fixture
def task(encoder) -> Task:
    images, labels = pictures()
    pool = Pool(images, np.arange(3), *graph(features(encoder, images)))
    return Task(0, images[:3], labels[:3], encoder, torch.float32, pool)


@pytest.mark.parametrize("asked", [{}, {"probe_l2": 0.001, "probe_weight": 0.25}])
@pytest.mark.parametrize("method", [spread_probe, selftrain])
def test_three_labels_teach_a_classifier_and_leave_the_encoder_as_it_was(task, method, asked):
    before = {name: value.clone() for name, value in task.encoder.state_dict().items()}
    classifier, _ = method(task, SimpleNamespace(**SELFTRAIN, **asked))
    images, labels = pictures()
    assert (predict(classifier, images).argmax(1) == labels).float().mean() > 0.95
    assert all(torch.equal(v, before[name]) for name, v in task.encoder.state_dict().items())


def test_given_labels_stay_and_the_least_sure_images_are_left_out(task):
    """Even a label that contradicts its neighbours is taught as it was given."""
    wrong = task.labels.clone()
    wrong[0] = 2
    task = Task(0, task.images, wrong, task.encoder, torch.float32, task.pool)
    rows, labels = graph_labels(task, SimpleNamespace(**SELFTRAIN | {"surest": 0.5}))
    assert set(task.pool.rows) <= set(rows) and len(rows) < 40
    assert labels[np.searchsorted(rows, task.pool.rows)].tolist() == wrong.tolist()


def test_graph_and_probe_decide_together_and_the_graph_alone_where_no_label_comes():
    graph = np.float32([[0.5, 0.5], [0.9, 0.1], [0, 0]])
    probe = np.float32([[0.2, 0.8], [0.2, 0.8], [0.2, 0.8]])
    np.testing.assert_allclose(both(graph, probe, 0), graph)
    np.testing.assert_allclose(both(graph, probe, 1)[0], probe[0], rtol=1e-6)
    shares = both(graph, probe, 0.25)
    assert shares.argmax(1)[:2].tolist() == [1, 0] and not shares[2].any()


def test_a_probe_without_weight_leaves_the_graphs_labels_and_one_with_weight_does_not(task):
    """The graph here knows nothing: each image's neighbours are the next ones."""
    n = len(task.pool.images)
    indices = (np.arange(n)[:, None] + [1, 2, 3]) % n
    pool = Pool(task.pool.images, task.pool.rows, np.full(indices.shape, 0.5), indices)
    task = Task(0, task.images, task.labels, task.encoder, torch.float32, pool)
    values = SELFTRAIN | {"surest": 1.0, "probe_l2": 0.001}
    alone = graph_labels(task, SimpleNamespace(**values))
    without = graph_labels(task, SimpleNamespace(**values, probe_weight=0.0))
    np.testing.assert_array_equal(without, alone)
    _, labels = graph_labels(task, SimpleNamespace(**values, probe_weight=1.0))
    truth = pictures()[1].numpy()
    assert (labels == truth).mean() > (alone[1] == truth).mean() + 0.1
