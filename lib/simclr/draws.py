"""The protocol of a label draw: what a method is given, and how its classifiers are tested."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from simclr.model import Classifier, Encoder

_SAMPLE = 2718  # leads the seeds that choose test images for the smaller points of a curve


@dataclass(frozen=True)
class Task:
    """One label draw, as a method gets it. No label of a test image is in it.

    Attributes:
        draw: the number of the draw.
        images: (n, 28, 28) uint8, the labelled images in the order of the draw.
        labels: (n,) int64.
        sizes: a classifier is wanted for the first `size` images, for each of these.
        tested: size -> (m, 28, 28) uint8, the images that this classifier is tested on.
        encoder: the encoder to start from, for the methods that ask for one.
        dtype: of the network's arithmetic.
    """

    draw: int
    images: Tensor
    labels: Tensor
    sizes: list[int]
    tested: dict[int, Tensor]
    encoder: Encoder | None
    dtype: torch.dtype


@dataclass(frozen=True)
class Fitted:
    """What a method makes of the first `size` labels.

    Attributes:
        logits: (m, 10) of the images `task.tested[size]`.
        seconds: of training.
        history: a value an epoch of step, loss and accuracy; empty where there are no epochs.
    """

    size: int
    classifier: Classifier
    logits: Tensor
    seconds: float
    history: dict[str, list[float]]


# (task, its stage's parameters) -> a classifier for each size, in the order of `task.sizes`
Method = Callable[[Task, object], Iterator[Fitted]]


def rows_tested(n_test: int, sizes: list[int], draw: int, many: int) -> dict[int, np.ndarray]:
    """Size -> indices of the test images on which a classifier with so many labels is tested.

    The classifier with all labels is tested on all of them, those with fewer on a sample of `many`,
    another one for each draw and the same for all methods: testing would otherwise take longer than
    training, and draws differ by more than samples do.
    """
    rng = np.random.Generator(np.random.PCG64([_SAMPLE, draw]))
    sample = np.sort(rng.permutation(n_test)[:many])
    return {n: np.arange(n_test) if n == max(sizes) else sample for n in sizes}


def measure(
    method: Method, task: Task, params: object, truth: dict[int, Tensor]
) -> tuple[dict[str, np.ndarray], Classifier]:
    """Let a method work on a draw and count what its classifiers get right.

    Args:
        truth: size -> (m,) classes of `task.tested[size]`.

    Returns:
        Arrays by name, for the record: n_labels, correct, n_test and seconds with a value a size;
        history_* of the largest size; predicted (m,) uint8 and probabilities (m, 10) float16 of the
        largest size. And the classifier of the largest size.
    """
    counted = []
    for fitted in method(task, params):
        predicted = fitted.logits.argmax(1).cpu()
        right = int((predicted == truth[fitted.size]).sum())
        counted.append((fitted.size, right, len(predicted), fitted.seconds))
    columns = zip(
        ("n_labels", "correct", "n_test", "seconds"), zip(*counted, strict=True), strict=True
    )
    found = {name: np.array(values) for name, values in columns}
    found |= {f"history_{name}": np.array(values) for name, values in fitted.history.items()}
    found["predicted"] = predicted.numpy().astype(np.uint8)
    found["probabilities"] = fitted.logits.softmax(1).half().cpu().numpy()
    return found, fitted.classifier


class Clock:
    """Seconds since it was made, the device's queue included."""

    def __init__(self) -> None:
        self.start = time.perf_counter()

    def seconds(self) -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter() - self.start
