"""The protocol of a label draw: what a method is given, and how its classifier is tested."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from simclr.model import Classifier, Encoder, predict

_SAMPLE = 2718  # leads the seeds that choose test images for the smaller points of a curve


@dataclass(frozen=True)
class Pool:
    """All images of the pool and a graph of them. No label is in it.

    Attributes:
        images: (N, 28, 28) uint8.
        rows: (n,) where among them the labelled images of the task are.
        weights, indices: (N, k), of the edges from each image to its neighbours, where there is a graph.
    """

    images: Tensor
    rows: np.ndarray
    weights: np.ndarray | None = None
    indices: np.ndarray | None = None


@dataclass(frozen=True)
class Task:
    """Labelled images, as a method gets them. There is no test image among them.

    Attributes:
        draw: the number of the draw.
        images: (n, 28, 28) uint8, in the order of the draw.
        labels: (n,) int64.
        encoder: the encoder to start from, for the methods that ask for one.
        dtype: of the network's arithmetic.
        pool: all images, and their neighbours for the methods that ask for them.
    """

    draw: int
    images: Tensor
    labels: Tensor
    encoder: Encoder | None
    dtype: torch.dtype
    pool: Pool | None = None


def edges(graph: Mapping[str, np.ndarray], exponent: float) -> tuple[np.ndarray, np.ndarray]:
    """The weights of a graph's edges and the images that they lead to, (N, k) each.

    Args:
        graph: `indices`, and `weights` or else `cosines` (N, k), which count to the power `exponent` (Iscen
            et al. 2019, eq. 9).
    """
    weights = graph["weights"] if "weights" in graph else graph["cosines"].clip(0) ** exponent
    return weights, graph["indices"]


# What training leaves behind, a value an epoch: step, loss and accuracy; empty without epochs.
History = dict[str, list[float]]
# (task, its stage's parameters) -> a classifier and its history
Method = Callable[[Task, object], tuple[Classifier, History]]


def sample_rows(available: int, many: int, draw: int) -> np.ndarray:
    """Indices of the test images that classifiers of a draw are tested on, sorted.

    Testing all classifiers of a learning curve on all images would take longer than training them, and
    draws differ by more than samples do. So those with fewer labels are tested on a sample, another
    one for each draw and the same for all methods.
    """
    rng = np.random.Generator(np.random.PCG64([_SAMPLE, draw]))
    return np.sort(rng.permutation(available)[:many])


def measure(
    method: Method, task: Task, params: object, tested: Tensor, truth: Tensor
) -> tuple[dict[str, np.ndarray], Classifier]:
    """Let a method work on a draw and count what its classifier gets right.

    Args:
        tested: (m, 28, 28) uint8, test images.
        truth: (m,) their classes.

    Returns:
        Arrays by name, for the record: correct, n_test, seconds (of training), history_*, predicted
        (m,) uint8 and probabilities (m, 10) float16. And the classifier.
    """
    start = time.perf_counter()
    classifier, history = method(task, params)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    logits = predict(classifier, tested, task.dtype)
    predicted = logits.argmax(1).cpu()
    found = {"correct": (predicted == truth).sum().item(), "n_test": len(truth), "seconds": seconds}
    found |= {f"history_{name}": values for name, values in history.items()}
    found["predicted"] = predicted.numpy().astype(np.uint8)
    found["probabilities"] = logits.softmax(1).half().cpu().numpy()
    return {name: np.array(values) for name, values in found.items()}, classifier
