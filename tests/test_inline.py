"""Figures on a page: dark colours that can be read, classifiers in few bits."""

import base64
import zlib

import numpy as np
import torch

from simclr.experiment.stages import METHODS
from simclr.model import Classifier, Encoder
from simclr.report import inline, playground, style


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""
    lights = []
    for colour in (one, other):
        srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
        lights.append(linear @ [0.2126, 0.7152, 0.0722] + 0.05)
    return max(lights) / min(lights)


def test_colours_carry_text_on_a_light_and_on_a_dark_page():
    for colour in [style.INK, style.SOFT, style.ACCENT, *(m.colour for m in METHODS.values())]:
        assert contrast(colour, "#ffffff") > 4.5
        assert contrast(inline.dark(colour.lower()), inline.PAPER) > 4.5


def test_white_and_ink_change_places():
    assert contrast(inline.dark("#ffffff"), inline.PAPER) < 1.05
    assert contrast(inline.dark("#222222"), inline.INK) < 1.05


def test_a_classifier_in_few_bits_is_nearly_the_same():
    torch.manual_seed(0)
    classifier = Classifier(Encoder()).eval()
    classifier.encoder.layers.norm5.running_mean.uniform_(-1, 1)
    text = playground.packed(playground.quantised(classifier))
    content = zlib.decompress(base64.b64decode(text), -15)
    rows = 32 + 32 + 64 + 64 + 512 + 10
    floats = np.frombuffer(content[: 8 * rows], np.float32)
    bias, step = floats[-20:-10], floats[-10:]  # of the head
    integers = np.frombuffer(content[-5120:], np.int8).reshape(10, 512)
    head = classifier.head
    np.testing.assert_array_equal(bias, head.bias.detach())
    error = np.abs(integers * step[:, None] - head.weight.detach().numpy())
    assert (error <= 0.501 * step[:, None]).all()
    assert len(content) == 8 * rows + 9 * (32 + 1024 + 2048 + 4096) + 512 * 3136 + 5120
