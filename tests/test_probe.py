"""Linear probe: the encoder frozen whole, the layer on it checked against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from simclr import params, probe
from simclr.augment import to_float
from simclr.errors import UserError
from simclr.model import Encoder
from simclr.probe import classifier, features, fit_linear, probing

L2 = 0.01


def pictures(n=12):
    g = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 28, 28), generator=g, dtype=torch.uint8)


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


@pytest.fixture
def encoder():
    """Trained a little, left in train mode and with dropout: as careless a caller as can be."""
    torch.manual_seed(0)
    encoder = Encoder(dropout_conv=0.5, dropout_dense=0.5)
    encoder(torch.rand(16, 1, 28, 28))
    return encoder.train()


def test_the_encoder_is_frozen_whole(encoder):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    images, labels = pictures(), torch.arange(12) % 3
    h = features(encoder, images)
    assert h.shape == (12, 512) and h.dtype == torch.float32
    assert not h.requires_grad and not any(part.training for part in encoder.modules())
    assert torch.equal(h, features(encoder, images))  # dropout is not live
    settings = params.load("probe", "smoke")
    encoder.train()
    head, history = probing(settings, encoder)(images, labels, 0)
    assert head.weight.shape == (10, 512) and len(history) == 0
    assert not any(part.training for part in encoder.modules())
    assert all(p.grad is None for p in encoder.parameters())
    for name, value in encoder.state_dict().items():  # with running_* and num_batches_tracked
        assert torch.equal(value, before[name]), name


def test_features_do_not_depend_on_the_batch_they_are_in(encoder, monkeypatch):
    images = pictures()
    whole = features(encoder, images)
    torch.testing.assert_close(whole, encoder.eval()(to_float(images)).detach())
    monkeypatch.setattr(probe, "_BATCH", 5)
    torch.testing.assert_close(features(encoder, images), whole)
    assert torch.equal(images, pictures())


def test_bf16_features_come_back_in_fp32_and_close(encoder):
    exact, half = (features(encoder, pictures(), t) for t in (torch.float32, torch.bfloat16))
    assert half.dtype == torch.float32 and not torch.equal(half, exact)
    torch.testing.assert_close(half, exact, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("l2", [0.1, 0.01, 0.001])
def test_probabilities_are_those_of_scikit_learn(l2):
    h, labels = points()
    found = fit_linear(h, labels, l2, classes=4)(h).softmax(1).detach().numpy()
    np.testing.assert_allclose(found, scikit(h, labels, l2), atol=1e-3)


def test_more_features_than_labels():
    h, labels = points(each=5, size=100)
    found = fit_linear(h, labels, 0.001, classes=4)(h).softmax(1).detach().numpy()
    np.testing.assert_allclose(found, scikit(h, labels, 0.001), atol=1e-3)


def test_no_seed_matters():
    h, labels = points()
    torch.manual_seed(1)
    first = fit_linear(h, labels, L2)
    torch.manual_seed(2)
    second = fit_linear(h, labels, L2)
    assert torch.equal(first.weight, second.weight) and torch.equal(first.bias, second.bias)


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


def test_scale_and_offset_of_features_do_not_matter():
    h, labels = points()
    new = points(seed=0)[0] + 0.3
    scale, offset = torch.logspace(-1, 2, 12), torch.linspace(-5, 5, 12)
    plain = fit_linear(h, labels, L2, 4)(new)
    other = fit_linear(h * scale + offset, labels, L2, 4)(new * scale + offset)
    torch.testing.assert_close(other.softmax(1), plain.softmax(1), rtol=0, atol=1e-3)


def test_features_and_labels_are_left_as_they_were():
    h, labels = points()
    fit_linear(h, labels, L2)
    again, same = points()
    assert torch.equal(h, again) and torch.equal(labels, same)


def test_classifier_is_the_head_on_the_features(encoder):
    images, labels = pictures(), torch.arange(12) % 3
    h = features(encoder, images)
    head = fit_linear(h, labels, L2)
    whole = classifier(encoder.train(), head)
    assert not any(part.training for part in whole.modules())
    # logits near 20, and kernels for another memory format add up in another order
    torch.testing.assert_close(whole(to_float(images)), head(h), rtol=1e-5, atol=1e-4)


def test_an_untrained_encoder_gets_the_images_statistics_and_keeps_its_weights():
    torch.manual_seed(0)
    encoder = Encoder()
    before = {name: value.clone() for name, value in encoder.named_parameters()}
    x = to_float(pictures(40))
    found = probe.with_statistics(encoder, pictures(40))
    assert found is encoder and not any(part.training for part in encoder.modules())
    assert all(torch.equal(value, before[name]) for name, value in encoder.named_parameters())
    first = encoder.layers.conv1(x)
    norm = encoder.layers.norm1
    torch.testing.assert_close(norm.running_mean, first.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, first.var((0, 2, 3)), rtol=1e-4, atol=1e-5)
    encoder.layers.norm1.running_mean.fill_(9)  # of training, say: it must not count
    encoder.layers.norm1.num_batches_tracked.fill_(1000)
    probe.with_statistics(encoder, pictures(40))
    torch.testing.assert_close(norm.running_mean, first.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)


def test_maps_are_made_once(encoder, tmp_path, monkeypatch):
    file = tmp_path / "maps.npz"
    monkeypatch.setattr(probe, "embedding_map", lambda h: h[:, :2].numpy())
    both = [features(network, pictures()) for network in (encoder, Encoder())]
    first = probe.maps(file, both)
    monkeypatch.setattr(probe, "embedding_map", lambda h: pytest.fail("made again"))
    again = probe.maps(file, both)
    assert [m.shape for m in first] == [(12, 2), (12, 2)]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], first[1])


def test_an_embedding_map_has_a_point_an_image_and_no_chance_in_it():
    h, _ = points()
    first, again = probe.embedding_map(h), probe.embedding_map(h)
    assert first.shape == (len(h), 2) and np.isfinite(first).all()
    assert np.array_equal(first, again)


def test_features_leave_the_device_before_they_become_float64():
    """Apple's MPS has no float64."""

    class OnDevice(torch.Tensor):
        def cpu(self):
            return self.as_subclass(torch.Tensor)

        def double(self):
            raise TypeError("no float64 here")

        def to(self, *arguments, **options):
            return self

    h, labels = points()
    fitted = fit_linear(h.as_subclass(OnDevice), labels, L2)
    torch.testing.assert_close(fitted.weight, fit_linear(h, labels, L2).weight)


def test_a_damaged_map_is_named(tmp_path):
    file = tmp_path / "map.npz"
    file.write_bytes(b"no map")
    with pytest.raises(UserError, match=r"map\.npz: cannot be read .*; delete it and run"):
        probe.maps(file, [])
