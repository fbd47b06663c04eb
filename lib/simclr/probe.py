"""Linear probe: a classifier on the features of an encoder that is frozen whole."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr import device as devices
from simclr.augment import to_float
from simclr.errors import UserError
from simclr.files import write_atomically
from simclr.model import Classifier, Encoder
from simclr.params import ProbeParams
from simclr.results import DAMAGED

_BATCH = 1000
_STATISTICS = 5000  # images that batch norm's statistics are taken from


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
    for batch in images.split(_BATCH):
        x = to_float(batch).to(memory_format=torch.channels_last)
        with devices.autocast(images.device, dtype):
            h = encoder(x)
        out.append(h.float())
    return torch.cat(out)


@torch.no_grad()
def with_statistics(encoder: Encoder, images: Tensor) -> Encoder:
    """Give batch norm the statistics of (the first 5,000) images; the weights stay as they are.

    An encoder that was never trained comes with means of 0 and variances of 1, and would look worse
    beside a trained one than its weights are.

    Args:
        images: (N, 28, 28) uint8, on the encoder's device.

    Returns:
        The same encoder, in eval mode.
    """
    norms = [m for m in encoder.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
    encoder.train()
    for batch in images[:_STATISTICS].split(_BATCH):
        encoder(to_float(batch).to(memory_format=torch.channels_last))
    return encoder.eval()


def fit_linear(h: Tensor, labels: Tensor, l2: float, classes: int = 10) -> nn.Linear:
    """Multinomial logistic regression by L-BFGS, to convergence, so no seed matters.

    Features are standardised with the mean and deviation of the labelled features alone; both are
    folded into the weights that come back, which act on h itself.

    Args:
        h: (n, D) features.
        labels: (n,) int64; a class may be missing.
        l2: weight of the squared norm of the weights, on the scale of the mean loss.

    Returns:
        Linear layer D -> classes on h's device, in fp32.
    """
    x = h.cpu().double()  # MPS has no float64
    mean, std = x.mean(0), x.std(0, unbiased=False)
    scale = torch.where(std > 1e-6, std, torch.inf).reciprocal()  # a dead feature weighs nothing
    x, y = (x - mean) * scale, labels.cpu()
    weight = torch.zeros(classes, x.shape[1], dtype=torch.double, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.double, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=500, tolerance_change=1e-10, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy(F.linear(x, weight, bias), y) + l2 * weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    layer = nn.Linear(x.shape[1], classes)
    with torch.no_grad():
        layer.weight.copy_(weight * scale)
        layer.bias.copy_(bias - (weight * scale) @ mean)
    return layer.to(h.device)


def probing(settings: ProbeParams, encoder: Encoder) -> Callable:
    """The probe as a function for `measure.over_draws`: images in, a layer on features out."""
    _, dtype = devices.pick(settings.device, settings.precision)

    def fit(images: Tensor, labels: Tensor, draw: int) -> tuple[nn.Linear, pd.DataFrame]:
        head = fit_linear(features(encoder, images, dtype), labels, settings.l2)
        return head, pd.DataFrame(columns=["epoch", "loss", "accuracy"], dtype=float)

    return fit


def classifier(encoder: Encoder, head: nn.Linear) -> Classifier:
    """Encoder and fitted head as one network that reads images."""
    whole = Classifier(encoder)
    whole.head = head
    return whole.eval()


def maps(file: Path, features: list[Tensor]) -> list[np.ndarray]:
    """A map for each (N, D) features, read from `file` where it is there already."""
    if not file.exists():
        made = [embedding_map(h) for h in features]
        with write_atomically(file) as temporary:
            np.savez_compressed(temporary, *made)
    try:
        with np.load(file) as saved:
            return [saved[name] for name in saved.files]
    except DAMAGED as error:
        raise UserError(
            f"{file}: cannot be read ({error}); delete it and run the notebook again"
        ) from None


def embedding_map(h: Tensor, seed: int = 0) -> np.ndarray:
    """Features on a plane by t-SNE (van der Maaten & Hinton 2008), from 50 principal components.

    Args:
        h: (N, D) features.

    Returns:
        (N, 2); distances between far groups mean nothing.
    """
    from sklearn.decomposition import PCA  # a third of the start of a process that fits draws
    from sklearn.manifold import TSNE

    components = min(50, *h.shape)
    reduced = PCA(components, random_state=seed).fit_transform(h.cpu().numpy())
    perplexity = min(30, (len(h) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)
