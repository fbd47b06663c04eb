"""What the page computes with: classifiers in a few bits a weight, and test images with all answers."""

import base64
import copy
import json
import zlib

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from simclr import data
from simclr.augment import to_float
from simclr.experiment.findings import Findings
from simclr.model import Classifier
from simclr.networks import SOURCE
from simclr.report import charts, inline, style
from simclr.weights import load_classifier

METHODS = ("baseline", "baseline_augmented", "finetune", "selftrain")
# Of a row of weights, as a share of its root mean square: about 4.3 bits a weight. Coarser steps change the
# answer to one test image in sixty, see LOG.md.
STEP = 0.22
IMAGES = 500  # of the map, which a reader may look at


def content(findings: Findings) -> str:
    """JSON for assets/playground.js: classifiers, and images with label, places on the maps, and answers.

    Of the other methods it has the answers alone, those of their classifiers of the first draw.
    """
    many = min(IMAGES, len(findings.maps[0]), len(findings.truth))
    own = findings.study.params["pretrain"].network == SOURCE  # the page knows that network alone
    shown, folder = METHODS if own else METHODS[:2], findings.study.folder
    images = data.images(findings.study.data, "test")[:many]
    networks = {m: rounded(load_classifier(folder / f"{m}.safetensors")) for m in shown}
    answers = {m: network(to_float(images)).argmax(1).tolist() for m, (network, _) in networks.items()}
    others = [m for m in (*findings.overview, "spread_neighbours") if m not in shown]
    stored = {method: findings.predicted(method)[0, :many] for method in others}
    return json.dumps(
        {
            "methods": [
                {
                    "name": style.name(method),
                    "colour": inline.both(style.colour(method)),
                    "weights": packed(networks[method][1]),
                    "answers": "".join(map(str, answers[method])),
                }
                for method in shown
            ],
            "others": [
                {"name": style.name(method), "answers": "".join(map(str, answers))}
                for method, answers in stored.items()
            ],
            "images": packed(images.numpy().tobytes()),
            "digits": [inline.both(colour) for colour in charts.DIGITS],
            "labels": "".join(map(str, findings.truth[:many])),
            "maps": [[epoch, _places(points)[:many]] for epoch, points in findings.maps.items()],
        },
        separators=(",", ":"),
    )


def _places(points: np.ndarray) -> list[list[int]]:
    """The points (N, 2) of a map in whole numbers from 0 to 999."""
    low, size = points.min(0), np.ptp(points, axis=0)
    return np.round(999 * (points - low) / size).astype(int).tolist()


@torch.no_grad()
def rounded(classifier: Classifier) -> tuple[nn.Sequential, bytes]:
    """A classifier in eval mode with rounded weights, batch norm folded into the layer before it.

    Returns:
        The network that the page has, (N, 1, 28, 28) -> logits (N, 10); and the same as bytes: first, layer
        by layer, the biases and the steps of its rows as float32, then the weights of all layers as int8.
        A weight is its integer times the step of its row.
    """
    layers, head = classifier.encoder.layers, copy.deepcopy(classifier.head)
    joined = [
        fuse_conv_bn_eval(getattr(layers, f"conv{k}"), getattr(layers, f"norm{k}")) for k in range(1, 5)
    ]
    joined += [fuse_linear_bn_eval(layers.dense, layers.norm5), head]
    scales, integers = [], []
    for layer in joined:
        weight = layer.weight.flatten(1)
        step = weight.square().mean(1).sqrt().clamp(min=1e-12) * STEP
        integers.append((weight / step[:, None]).round().clamp(-127, 127).to(torch.int8))
        scales += [layer.bias, step]
        layer.weight.copy_((integers[-1] * step[:, None]).reshape(layer.weight.shape))
    one, two, three, four, dense, head = joined
    relu, pool = nn.ReLU(), nn.MaxPool2d(2)
    network = nn.Sequential(
        *(one, relu, two, relu, pool, three, relu, four, relu, pool, nn.Flatten(), dense, relu, head)
    )
    return network, b"".join(part.detach().contiguous().numpy().tobytes() for part in scales + integers)


def packed(content: bytes) -> str:
    """Deflated and as base64; a page unpacks it with `DecompressionStream("deflate-raw")`."""
    found = []
    for strategy in (zlib.Z_HUFFMAN_ONLY, zlib.Z_DEFAULT_STRATEGY):  # for weights, for images
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, strategy)
        found.append(deflate.compress(content) + deflate.flush())
    return base64.b64encode(min(found, key=len)).decode()
