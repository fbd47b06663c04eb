"""The networks: encoder, projection head and classifier."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

FEATURES = 512  # width of h, the representation that the probe reads


class Encoder(nn.Module):
    """The source's CNN up to its 512 features (the rows of its Figure 2 above the last).

    Two blocks of [conv 3x3, batch norm, ReLU] x 2, max pooling and dropout, then a dense layer with
    batch norm, ReLU and dropout.

    Args:
        dropout_conv: probability after each block; the source does not give its value.
        dropout_dense: probability after the dense layer.

    Shape: (N, 1, 28, 28) floats in [0, 1] -> h (N, 512).
    """

    def __init__(self, dropout_conv: float = 0.0, dropout_dense: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            OrderedDict(
                **_convolution(1, 1, 32),
                **_convolution(2, 32, 32),
                pool1=nn.MaxPool2d(2),
                drop1=nn.Dropout(dropout_conv),
                **_convolution(3, 32, 64),
                **_convolution(4, 64, 64),
                pool2=nn.MaxPool2d(2),
                drop2=nn.Dropout(dropout_conv),
                flatten=nn.Flatten(),
                dense=nn.Linear(64 * 7 * 7, FEATURES),
                norm5=nn.BatchNorm1d(FEATURES),
                relu5=nn.ReLU(inplace=True),
                drop3=nn.Dropout(dropout_dense),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def _convolution(k: int, channels_in: int, channels_out: int) -> dict[str, nn.Module]:
    return {
        f"conv{k}": nn.Conv2d(channels_in, channels_out, 3, padding=1),
        f"norm{k}": nn.BatchNorm2d(channels_out),
        f"relu{k}": nn.ReLU(inplace=True),
    }


def projection_head(hidden: int = 512, dimension: int = 128) -> nn.Sequential:
    """The MLP g of SimCLR (Chen et al. 2020, section 2.1): z = W2 relu(W1 h).

    Shape: h (N, 512) -> z (N, dimension), not normalised.
    """
    return nn.Sequential(
        nn.Linear(FEATURES, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, dimension)
    )


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
def summary(model: nn.Module, shape: tuple[int, ...] = (1, 28, 28)) -> list[dict]:
    """One row a layer that the source's Figure 2 lists: name, kind, output shape, parameters, work.

    `multiply_adds` is counted for one image as the source's tool counts it: parameters (bias
    included) times output positions.
    """
    rows: list[dict] = []

    def record(name: str, layer: nn.Module):
        def hook(_module, _inputs, output: Tensor) -> None:
            parameters = sum(p.numel() for p in layer.parameters())
            positions = output[0, 0].numel() if isinstance(layer, nn.Conv2d) else 1
            rows.append(
                {
                    "name": name.rsplit(".", 1)[-1],
                    "kind": type(layer).__name__,
                    "shape": tuple(output.shape[1:]),
                    "parameters": parameters,
                    "multiply_adds": parameters * positions,
                }
            )

        return layer.register_forward_hook(hook)

    leaves = [(n, m) for n, m in model.named_modules() if not list(m.children())]
    hooks = [record(name, layer) for name, layer in leaves]
    modes = {module: module.training for module in model.modules()}
    model.eval()(torch.zeros(1, *shape, device=next(model.parameters()).device))
    for module, mode in modes.items():
        module.training = mode
    for hook in hooks:
        hook.remove()
    return rows
