"""What the results of a stage come to: accuracies, intervals, confusions, and the numbers of its prose."""

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.special import stdtrit
from torch import Tensor

from simclr.data import CLASSES
from simclr.loss import chance_loss
from simclr.params import PretrainParams
from simclr.results import Draw


def curve(draws: dict[int, Draw], method: str) -> pd.DataFrame:
    """The learning curves of all draws in one table: method, draw, and the rows' columns."""
    tables = [found.rows.assign(method=method, draw=k) for k, found in draws.items()]
    return pd.concat(tables, ignore_index=True)


def histories(draws: dict[int, Draw], method: str) -> pd.DataFrame:
    """The training histories of all draws in one table: method, draw, epoch, loss, accuracy."""
    tables = [found.history.assign(method=method, draw=k) for k, found in draws.items()]
    return pd.concat(tables, ignore_index=True)


def predictions(draws: dict[int, Draw]) -> tuple[np.ndarray, np.ndarray]:
    """Predicted classes and their probabilities, each (draws, n_test)."""
    probabilities = np.stack([found.probabilities for found in draws.values()])
    return probabilities.argmax(2), probabilities.max(2).astype(float)


def confusion(draws: dict[int, Draw], truth: np.ndarray) -> np.ndarray:
    """Mean counts over draws, (10, 10): rows are true classes, columns predicted ones."""
    predicted, _ = predictions(draws)
    counts = np.zeros((CLASSES, CLASSES))
    for row in predicted:
        np.add.at(counts, (truth, row), 1)
    return counts / len(predicted)


def largest_confusions(matrix: np.ndarray, many: int) -> str:
    """The most frequent errors in words: "4→9 (31), 7→2 (20) and 9→4 (18)"; "none" without errors."""
    errors = matrix.copy()
    np.fill_diagonal(errors, 0)
    order = [k for k in errors.ravel().argsort()[::-1][:many] if errors.ravel()[k] > 0]
    words = [f"{k // CLASSES}→{k % CLASSES} ({errors.ravel()[k]:.0f})" for k in order]
    *most, last = words or ["none"]
    return f"{', '.join(most)} and {last}" if most else last


@torch.no_grad()
def neighbours(h: Tensor, labels: Tensor) -> float:
    """Share of points whose nearest other point, by the cosine of `h` (N, D), is of their class."""
    h = F.normalize(h.float(), dim=1)
    similarity = (h @ h.T).fill_diagonal_(-torch.inf)
    return (labels[similarity.argmax(1)] == labels).float().mean().item()


def precision_recall(matrix: np.ndarray) -> pd.DataFrame:
    """Per-class precision and recall of a confusion matrix; NaN where a class is never predicted."""
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = matrix.diagonal() / matrix.sum(0), matrix.diagonal() / matrix.sum(1)
    return pd.DataFrame({"digit": range(CLASSES), "precision": precision, "recall": recall})


def numbers(method: str, draws: dict[int, Draw], truth: np.ndarray) -> dict[str, float]:
    """What prose and claims quote of a method, by name.

    Accuracies are fractions: mean and sample deviation over draws at the largest number of labels
    and (`_at_20_`) at each; `_last_gain` is what the last step of the curve brings, in points.
    `_confusion_4_9` counts true 4 called 9 in 10,000 test images, a mean
    over draws.
    """
    table = curve(draws, method)
    last = table[table.n_labels == table.n_labels.max()].accuracy.to_numpy()
    mean, low, high = interval(last)
    out = {
        f"{method}_accuracy_mean": mean,
        f"{method}_accuracy_sd": _sd(last),
        f"{method}_accuracy_low": low,
        f"{method}_accuracy_high": high,
        f"{method}_accuracy_worst": last.min(),
        f"{method}_accuracy_best": last.max(),
        f"{method}_fit_seconds": table[table.n_labels == table.n_labels.max()].seconds.mean(),
    }
    for n, rows in table.groupby("n_labels"):
        out[f"{method}_at_{n}_mean"] = rows.accuracy.mean()
        out[f"{method}_at_{n}_sd"] = _sd(rows.accuracy)
    *smaller, largest = sorted(table.n_labels.unique())
    if smaller:
        out["labels_before_last"] = smaller[-1]
        gain = out[f"{method}_at_{largest}_mean"] - out[f"{method}_at_{smaller[-1]}_mean"]
        out[f"{method}_last_gain"] = 100 * gain
    matrix = confusion(draws, truth) * 10_000 / len(truth)
    for true, predicted in np.ndindex(matrix.shape):
        out[f"{method}_confusion_{true}_{predicted}"] = matrix[true, predicted]
    return {name: float(value) for name, value in out.items()}


def pretraining(history: pd.DataFrame, params: PretrainParams) -> dict[str, float]:
    """What the prose quotes of pre-training, from its history: first and last losses, gaps, time.

    `pretrain_seconds` is the median epoch's time times the epochs: an interruption does not count.
    """
    trained, last = history[1:], history.iloc[-1]
    gaps = (trained.train_loss - trained.validation_loss).abs()
    found = {
        "epochs": len(trained),
        "chance_loss": chance_loss(params.batch_size),
        "train_loss_first": trained.train_loss.iloc[0],
        "train_loss_last": last.train_loss,
        "validation_loss_last": last.validation_loss,
        "largest_loss_gap": gaps.max(),
        "largest_loss_gap_later": gaps[1:].max(),
        "loss_gap_last": gaps.iloc[-1],
        "alignment_first": history.alignment.iloc[0],
        "alignment_last": last.alignment,
        "uniformity_first": history.uniformity.iloc[0],
        "uniformity_last": last.uniformity,
        "seconds": trained.seconds.median() * len(trained),
        "views_per_second": trained.views_per_second.median(),
    }
    return {f"pretrain_{name}": float(value) for name, value in found.items()}


def _sd(values) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def interval(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean and its Student t interval over draws; NaN bounds for a single draw.

    The interval covers the chance of the draw, not that of the pre-training seed.
    """
    values = np.asarray(values, dtype=float)
    mean = float(values.mean())
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    error = values.std(ddof=1) / len(values) ** 0.5
    half = stdtrit(len(values) - 1, (1 + confidence) / 2) * error  # Student's t, its quantile
    return mean, mean - half, mean + half
