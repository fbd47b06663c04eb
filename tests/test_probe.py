"""Linear probe: the encoder frozen whole, the layer on it checked against scikit-learn."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from test_model import pictures

from simclr.draws import Task
from simclr.model import Encoder, features, predict
from simclr.probe import fit_linear, probe

L2 = 0.01


def points(classes=4, each=10, size=12, seed=0):
    """Overlapping clouds of features, far from zero and on different scales: h (n, D), labels."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(classes).repeat(each)
    h = torch.randn(classes, size, generator=g)[labels]
    h = h + torch.randn(len(labels), size, generator=g)
    return h * torch.linspace(0.5, 3, size) + 2, labels


def scikit(h, labels, l2):
    """Probabilities by an independent solver, on features standardised here."""
    x = h.double().numpy()
    x = (x - x.mean(0)) / x.std(0)
    model = LogisticRegression(C=1 / (2 * l2 * len(x)), max_iter=10_000, tol=1e-8)
    return model.fit(x, labels.numpy()).predict_proba(x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_classifier_is_the_layer_on_the_encoders_features(dtype):
    encoder = Encoder()
    task = Task(0, pictures(40)[:20], torch.arange(20) % 3, encoder, dtype)
    classifier, history = probe(task, SimpleNamespace(probe_l2=L2))
    assert history == {} and all(p.grad is None for p in encoder.parameters())
    h = features(encoder, pictures(40), dtype)
    head = fit_linear(h[:20], torch.arange(20) % 3, L2)
    torch.testing.assert_close(predict(classifier, pictures(40), dtype), head(h).detach())


@pytest.mark.parametrize("l2, size", [(0.1, 12), (0.01, 12), (0.001, 12), (0.001, 100)])
def test_probabilities_are_those_of_scikit_learn_and_no_seed_matters(l2, size):
    h, labels = points(size=size)
    first, second = (fit_linear(h, labels, l2, classes=4) for _ in range(2))
    assert torch.equal(first.weight, second.weight) and torch.equal(first.bias, second.bias)
    found = first(h).softmax(1).detach().numpy()
    np.testing.assert_allclose(found, scikit(h, labels, l2), atol=1e-3)
    assert torch.equal(h, points(size=size)[0])  # left as they were


def test_a_missing_class_is_never_predicted():
    h, labels = points()
    labels = torch.tensor([0, 1, 5, 9])[labels]
    layer = fit_linear(h, labels, L2)
    assert torch.isfinite(layer.weight).all() and torch.isfinite(layer.bias).all()
    found = layer(h).softmax(1).detach()
    assert set(found.argmax(1).tolist()) <= {0, 1, 5, 9}
    assert found[:, [2, 3, 4, 6, 7, 8]].max() < 1e-3
    np.testing.assert_allclose(found[:, [0, 1, 5, 9]].numpy(), scikit(h, labels, L2), atol=2e-3)


@pytest.mark.parametrize("value", [0.0, 3.3])
def test_a_dead_feature_weighs_nothing(value):
    """ReLU leaves features at 0 on all labelled images that are not 0 on others."""
    h, labels = points()
    dead = torch.cat([h, torch.full((len(h), 1), value)], dim=1)
    layer, without = fit_linear(dead, labels, L2, 4), fit_linear(h, labels, L2, 4)
    assert (layer.weight[:, -1] == 0).all()
    dead[:, -1] = 1000
    torch.testing.assert_close(layer(dead), without(h), rtol=1e-3, atol=1e-3)
