"""The networks: encoder, projection head and classifier."""

from collections import Counter, OrderedDict

import torch
from torch import Tensor, nn

from simclr import hardware
from simclr.augment import to_float
from simclr.networks import NETWORKS, SOURCE

FEATURES = 512  # width of h, the representation that the probe reads
BATCH = 1000  # images at a time where nothing is trained


class Encoder(nn.Module):
    """The source's CNN up to its 512 features (the rows of its Figure 2 above the last), or another one.

    Two blocks of [conv 3x3, batch norm, ReLU] x 2, max pooling and dropout, then a dense layer with
    batch norm, ReLU and dropout.

    Args:
        dropout_conv: probability after each block; the source does not give its value.
        dropout_dense: probability after the dense layer.
        network: one of `networks.NETWORKS`.

    Shape: (N, 1, 28, 28) floats in [0, 1] -> h (N, 512).
    """

    def __init__(self, dropout_conv: float = 0.0, dropout_dense: float = 0.0, network: str = SOURCE) -> None:
        super().__init__()
        self.network = network
        layers, channels, count = OrderedDict(), 1, Counter()
        for word in NETWORKS[network].split():
            kind = word if word.isalpha() else "convolution"
            count[kind] += 1
            k = count[kind]
            if kind == "pool":
                # ReLU and max pooling may change places, and ReLU then has a quarter of the work
                late = dict([layers.popitem()]) if "relu" in next(reversed(layers)) else {}
                layers |= {f"pool{k}": nn.MaxPool2d(2), **late, f"drop{k}": nn.Dropout(dropout_conv)}
            elif kind == "residual":
                layers[f"residual{k}"] = Residual(channels)
            else:
                width, _, stride = word.partition("/")
                layers |= _convolution(k, channels, int(width), int(stride or 1))
                channels = int(width)
        layers["flatten"] = nn.Flatten()
        layers["dense"] = nn.Linear(channels * 7 * 7, FEATURES)
        k = count["convolution"] + 1
        layers |= {f"norm{k}": nn.BatchNorm1d(FEATURES), f"relu{k}": nn.ReLU(inplace=True)}
        layers["drop3"] = nn.Dropout(dropout_dense)
        self.layers = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Residual(nn.Module):
    """Two convolutions whose output is added to their input (He et al. 2016, figure 2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers = _convolution(1, channels, channels) | _convolution(2, channels, channels)
        layers.pop("relu2")
        self.layers = nn.Sequential(OrderedDict(layers))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.layers(x))


def _convolution(k: int, channels_in: int, channels_out: int, stride: int = 1) -> dict[str, nn.Module]:
    return {
        f"conv{k}": nn.Conv2d(channels_in, channels_out, 3, stride, padding=1),
        f"norm{k}": nn.BatchNorm2d(channels_out),
        f"relu{k}": nn.ReLU(inplace=True),
    }


def projection_head(hidden: int = 512, dimension: int = 128) -> nn.Sequential:
    """The MLP g of SimCLR (Chen et al. 2020, section 2.1): z = W2 relu(W1 h).

    Shape: h (N, 512) -> z (N, dimension), not normalised.
    """
    return nn.Sequential(nn.Linear(FEATURES, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, dimension))


class Classifier(nn.Module):
    """Encoder and a linear layer: the source's whole network, 1,677,674 parameters.

    The linear layer computes in fp32 under autocast too: bf16 has so few digits that close classes
    would tie.

    Shape: (N, 1, 28, 28) -> logits (N, classes), fp32.
    """

    def __init__(self, encoder: Encoder, classes: int = 10) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, x: Tensor) -> Tensor:
        h = self.encoder(x)
        with torch.autocast(x.device.type, enabled=False):
            return self.head(h.float())


@torch.no_grad()
def predict(model: Classifier, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Logits of uint8 images (N, 28, 28) in eval mode: (N, classes), fp32.

    Args:
        dtype: of the encoder's arithmetic.
    """
    return model.head(features(model.encoder, images, dtype))


@torch.no_grad()
def features(encoder: Encoder, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """The encoder's h of each image: eval mode, no gradient, batch-norm statistics untouched.

    Args:
        images: (N, 28, 28) uint8, on the encoder's device.
        dtype: of the network's arithmetic.

    Returns:
        (N, 512) fp32, on the same device.
    """
    encoder.eval()
    out = []
    for batch in images.split(BATCH):
        x = to_float(batch).to(memory_format=torch.channels_last)
        with hardware.autocast(images.device, dtype):
            h = encoder(x)
        out.append(h.float())
    return torch.cat(out)
