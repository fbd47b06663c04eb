"""Classifiers in few bits, as a page holds them."""

import base64
import zlib

import numpy as np
import torch

from simclr.model import Classifier, Encoder
from simclr.report import playground


def test_a_classifier_in_few_bits_is_nearly_the_same():
    torch.manual_seed(0)
    classifier = Classifier(Encoder()).eval()
    classifier.encoder.layers.norm5.running_mean.uniform_(-1, 1)
    network, weights = playground.rounded(classifier)
    images = torch.rand(20, 1, 28, 28)
    with torch.no_grad():
        difference = network(images) - classifier(images)
    assert 0 < difference.square().mean() < 0.05 * classifier(images).var()
    text = playground.packed(weights)
    content = zlib.decompress(base64.b64decode(text), -15)
    rows = 32 + 32 + 64 + 64 + 512 + 10
    floats = np.frombuffer(content[: 8 * rows], np.float32)
    np.testing.assert_array_equal(floats[-20:-10], classifier.head.bias.detach())
    assert len(content) == 8 * rows + 9 * (32 + 1024 + 2048 + 4096) + 512 * 3136 + 5120
