"""Networks: the source's Figure 2, layer by layer; features and logits of a network at rest."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from simclr import model
from simclr.augment import to_float
from simclr.model import Classifier, Encoder, features, predict
from simclr.report.diagrams import layers

FIGURE_2 = [  # the source's table: kind, output shape of one image, parameters, its norm's among them
    ("Conv2d, BatchNorm2d", (32, 28, 28), 320 + 64),
    ("Conv2d, BatchNorm2d", (32, 28, 28), 9_248 + 64),
    ("MaxPool2d", (32, 14, 14), 0),
    ("Conv2d, BatchNorm2d", (64, 14, 14), 18_496 + 128),
    ("Conv2d, BatchNorm2d", (64, 14, 14), 36_928 + 128),
    ("MaxPool2d", (64, 7, 7), 0),
    ("Linear, BatchNorm1d", (512,), 1_606_144 + 1_024),
    ("Linear", (10,), 5_130),
]


def pictures(n=12):
    g = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 28, 28), generator=g, dtype=torch.uint8)


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    return Classifier(Encoder()).eval()


@pytest.fixture
def encoder():
    """Trained a little, left in train mode and with dropout: as careless a caller as can be."""
    torch.manual_seed(0)
    encoder = Encoder(dropout_conv=0.5, dropout_dense=0.5)
    encoder(torch.rand(16, 1, 28, 28))
    return encoder.train()


def test_layers_are_those_of_figure_2_with_a_relu_behind_each_norm(classifier):
    rows = [
        (row.layer, tuple(map(int, row.output.split(" × "))), row.parameters)
        for row in layers(classifier).itertuples()
    ]
    assert rows == FIGURE_2
    kinds = [type(m).__name__ for m in classifier.modules() if not list(m.children())]
    kinds = [kind for kind in kinds if kind != "MaxPool2d"]
    before_relu = [a for a, b in pairwise(kinds) if b == "ReLU"]
    assert before_relu == [kind for kind in kinds if kind.startswith("BatchNorm")]
    after_dropout = [a for a, b in pairwise(kinds) if b == "Dropout"]
    assert after_dropout == ["ReLU", "ReLU", "ReLU"]
    dropout = [m.p for m in Encoder(0.1, 0.3).modules() if isinstance(m, nn.Dropout)]
    assert dropout == [0.1, 0.1, 0.3]


def test_features_leave_the_encoder_as_it_was(encoder, monkeypatch):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    images = pictures()
    h = features(encoder, images)
    assert h.shape == (12, 512) and h.dtype == torch.float32
    assert not h.requires_grad and not any(part.training for part in encoder.modules())
    assert torch.equal(h, features(encoder, images))  # dropout is not live
    for name, value in encoder.state_dict().items():  # with running_* and num_batches_tracked
        assert torch.equal(value, before[name]), name
    half = features(encoder, images, torch.bfloat16)
    assert half.dtype == torch.float32 and not torch.equal(half, h)
    torch.testing.assert_close(half, h, rtol=0.1, atol=0.1)
    monkeypatch.setattr(model, "BATCH", 5)  # does not matter
    torch.testing.assert_close(features(encoder, images), h)


def test_classes_that_are_close_do_not_tie_in_bf16(classifier):
    """Two classes a thousandth apart: as bf16, whose digits are 0.8% apart, they would be one."""
    with torch.no_grad():
        classifier.head.weight.zero_()
        classifier.head.bias.copy_(torch.tensor([0.0] * 8 + [1.0, 1.001]))
    assert predict(classifier, pictures(3), torch.bfloat16).argmax(1).tolist() == [9, 9, 9]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = classifier(to_float(pictures(3)))
    assert logits.dtype == torch.float32 and logits.argmax(1).tolist() == [9, 9, 9]
