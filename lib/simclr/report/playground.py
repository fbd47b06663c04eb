"""What the page computes with: classifiers in a few bits a weight, and test images with all answers."""

import base64
import json
import zlib

import numpy as np
import torch
from matplotlib.colors import to_hex
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from simclr import data
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
    """JSON for assets/playground.js: classifiers, and images with label, places on the maps and answers."""
    many = min(IMAGES, len(findings.maps[0]))
    runs = [run for run in findings.runs if run.job.inputs["keep_classifier"]]
    files = {run.method.key: run.job.file("classifier.safetensors") for run in runs}
    shown = [method for method in METHODS if method in files]
    if findings.study.params["pretrain"].network != SOURCE:  # the page knows that network alone
        shown = ["baseline", "baseline_augmented"]
    images = data.images(findings.study.data, "test")[:many]
    return json.dumps(
        {
            "methods": [
                {
                    "name": style.name(method),
                    "colour": inline.both(style.colour(method)),
                    "weights": packed(quantised(load_classifier(files[method]))),
                    "answers": "".join(map(str, findings.predicted(method)[0, :many])),
                }
                for method in shown
            ],
            "images": packed(images.numpy().tobytes()),
            "digits": [to_hex(colour) for colour in charts.DIGITS],
            "labels": "".join(map(str, findings.truth[:many])),
            "maps": [[epoch, _places(points)[:many]] for epoch, points in findings.maps.items()],
        },
        separators=(",", ":"),
    )


def _places(points: np.ndarray) -> list[list[int]]:
    """The points (N, 2) of a map in whole numbers from 0 to 999."""
    low, size = points.min(0), np.ptp(points, axis=0)
    return np.round(999 * (points - low) / size).astype(int).tolist()


def quantised(classifier: Classifier) -> bytes:
    """A classifier in eval mode as bytes, batch norm folded into the layer before it.

    First, layer by layer, the biases and the steps of its rows as float32; then the weights of all
    layers as int8. A weight is its integer times the step of its row.
    """
    layers, head = classifier.encoder.layers, classifier.head
    joined = [
        fuse_conv_bn_eval(getattr(layers, f"conv{k}"), getattr(layers, f"norm{k}")) for k in range(1, 5)
    ]
    joined += [fuse_linear_bn_eval(layers.dense, layers.norm5), head]
    scales, integers = [], []
    for layer in joined:
        weight = layer.weight.detach().flatten(1)
        step = weight.square().mean(1).sqrt().clamp(min=1e-12) * STEP
        integers.append((weight / step[:, None]).round().clamp(-127, 127).to(torch.int8))
        scales += [layer.bias.detach(), step]
    return b"".join(part.contiguous().numpy().tobytes() for part in scales + integers)


def packed(content: bytes) -> str:
    """Deflated and as base64; a page unpacks it with `DecompressionStream("deflate-raw")`."""
    found = []
    for strategy in (zlib.Z_HUFFMAN_ONLY, zlib.Z_DEFAULT_STRATEGY):  # for weights, for images
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, strategy)
        found.append(deflate.compress(content) + deflate.flush())
    return base64.b64encode(min(found, key=len)).decode()
