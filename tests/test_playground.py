"""Classifiers in few bits, as a page holds them."""

import torch

from simclr.model import Classifier, Encoder
from simclr.report import playground


def test_a_classifier_in_few_bits_is_nearly_the_same():
    torch.manual_seed(0)
    classifier = Classifier(Encoder()).eval()
    classifier.encoder.layers.norm5.running_mean.uniform_(-1, 1)
    network, _ = playground.rounded(classifier)
    images = torch.rand(20, 1, 28, 28)
    with torch.no_grad():
        difference = network(images) - classifier(images)
    assert 0 < difference.square().mean() < 0.05 * classifier(images).var()
