"""Linear probe: a classifier on the features of an encoder that is frozen whole."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr.draws import History, Task
from simclr.model import Classifier, Encoder, features


def probe(task: Task, params) -> tuple[Classifier, History]:
    """Fit a linear layer to the encoder's features of the labelled images.

    The encoder is in eval mode, without gradient and with its batch-norm statistics untouched.
    """
    h = features(task.encoder, task.images, task.dtype)  # (n, 512)
    return joined(task.encoder, fit_linear(h, task.labels, params.probe_l2)), {}


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


def joined(encoder: Encoder, head: nn.Linear) -> Classifier:
    """Encoder and fitted head as one network that reads images."""
    whole = Classifier(encoder)
    whole.head = head
    return whole.eval()
