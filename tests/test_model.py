"""Networks: the source's Figure 2, layer by layer, and the summary that the report draws."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from simclr.model import FEATURES, Classifier, Encoder, projection_head, summary

FIGURE_2 = [  # the source's table: kind, output shape of one image, parameters
    ("Conv2d", (32, 28, 28), 320),
    ("BatchNorm2d", (32, 28, 28), 64),
    ("Conv2d", (32, 28, 28), 9_248),
    ("BatchNorm2d", (32, 28, 28), 64),
    ("MaxPool2d", (32, 14, 14), 0),
    ("Dropout", (32, 14, 14), 0),
    ("Conv2d", (64, 14, 14), 18_496),
    ("BatchNorm2d", (64, 14, 14), 128),
    ("Conv2d", (64, 14, 14), 36_928),
    ("BatchNorm2d", (64, 14, 14), 128),
    ("MaxPool2d", (64, 7, 7), 0),
    ("Dropout", (64, 7, 7), 0),
    ("Linear", (512,), 1_606_144),
    ("BatchNorm1d", (512,), 1_024),
    ("Dropout", (512,), 0),
    ("Linear", (10,), 5_130),
]


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    return Classifier(Encoder())


def test_layers_are_those_of_figure_2(classifier):
    rows = [r for r in summary(classifier) if r["kind"] not in ("ReLU", "Flatten")]
    assert [(r["kind"], r["shape"], r["parameters"]) for r in rows] == FIGURE_2


def test_parameters_and_work_are_those_of_figure_2(classifier):
    rows = summary(classifier)
    assert sum(p.numel() for p in classifier.parameters() if p.requires_grad) == 1_677_674
    assert sum(row["parameters"] for row in rows) == 1_677_674
    assert round(sum(row["multiply_adds"] for row in rows) / 1e6, 2) == 19.98


def test_relu_follows_each_norm_and_nothing_else(classifier):
    kinds = [row["kind"] for row in summary(classifier)]
    before_relu = [a for a, b in pairwise(kinds) if b == "ReLU"]
    assert before_relu == [kind for kind in kinds if kind.startswith("BatchNorm")]


def test_names_are_unique(classifier):
    names = [row["name"] for row in summary(classifier)]
    assert len(set(names)) == len(names)


def test_h_has_512_features_that_relu_has_clipped():
    h = Encoder()(torch.rand(3, 1, 28, 28))
    assert h.shape == (3, FEATURES) == (3, 512)
    assert (h >= 0).all() and (h == 0).any() and (h > 0).any()


def test_dropout_is_where_it_was_asked_for():
    layers = Encoder(dropout_conv=0.1, dropout_dense=0.3).layers
    assert [(n, m.p) for n, m in layers.named_children() if isinstance(m, nn.Dropout)] == [
        ("drop1", 0.1),
        ("drop2", 0.1),
        ("drop3", 0.3),
    ]


def test_projection_head_is_an_mlp_with_one_hidden_layer():
    g = projection_head(hidden=24, dimension=6)
    assert [type(layer) for layer in g] == [nn.Linear, nn.ReLU, nn.Linear]
    assert [p.shape for p in g.parameters()] == [(24, 512), (24,), (6, 24), (6,)]
    assert g(torch.zeros(3, FEATURES)).shape == (3, 6)
    assert projection_head()(torch.zeros(3, FEATURES)).shape == (3, 128)


def test_projections_are_not_clipped():
    torch.manual_seed(0)
    assert (projection_head()(torch.rand(8, FEATURES)) < 0).any()


@pytest.mark.parametrize("training", [True, False])
def test_summary_leaves_the_network_as_it_was(classifier, training):
    classifier.train(training)
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    first, second = summary(classifier), summary(classifier)
    assert first == second  # a hook left behind would append to the first list
    assert all(module.training is training for module in classifier.modules())
    assert not any(module._forward_hooks for module in classifier.modules())
    for name, value in classifier.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_memory_format_does_not_change_what_is_computed(classifier):
    x = torch.rand(4, 1, 28, 28)
    expected = classifier.eval()(x)
    last = classifier.to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(x.to(memory_format=torch.channels_last)), expected)


def test_summary_leaves_the_mode_of_every_layer_as_it_was():
    model = Classifier(Encoder())
    model.train()
    model.encoder.layers.norm1.eval()
    modes = [module.training for module in model.modules()]
    summary(model)
    assert [module.training for module in model.modules()] == modes
