"""Methods on label draws: fit, predict, accuracies, intervals and paired differences."""

import os
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from joblib import Parallel, cpu_count, delayed
from scipy.special import stdtrit
from torch import Tensor, nn

from simclr import data
from simclr import device as devices
from simclr.augment import to_float
from simclr.data import CLASSES
from simclr.params import Evaluated
from simclr.results import Draw, Stage

_BATCH = 1000
_SAMPLE = 2718  # leads the seeds that choose test images for the smaller points of a curve

# (inputs, labels, draw) -> trained model and its history, a row an epoch
Fit = Callable[[Tensor, Tensor, int], tuple[nn.Module, pd.DataFrame]]
Labelled = tuple[Tensor, Tensor]


@torch.no_grad()
def predict(model: nn.Module, inputs: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Class probabilities, the model in eval mode and left in it.

    Args:
        inputs: uint8 images (N, 28, 28), or features (N, D).
        dtype: of the network's arithmetic.

    Returns:
        (N, 10) floats on the CPU.
    """
    model.eval()
    out = []
    for batch in inputs.split(_BATCH):
        if batch.dtype == torch.uint8:
            batch = to_float(batch).to(memory_format=torch.channels_last)
        with devices.autocast(inputs.device, dtype):
            logits = model(batch)
        out.append(logits.float().softmax(1))
    return torch.cat(out).cpu()


def over_draws(
    stage: Stage,
    method: str,
    fit: Fit,
    pool: Labelled,
    test: Labelled,
    progress: Callable[[str], None] = lambda text: None,
    whole: Callable[[nn.Module], nn.Module] = lambda model: model,
) -> dict[int, Draw]:
    """Fit and test a method on each label draw and on the draw's nested prefixes.

    The classifier with all labels is tested on all test images, those with fewer on a sample of
    `curve_test_images`, another one for each draw and the same for all methods: testing would
    otherwise take longer than training, and draws differ by more than samples do.

    On a CPU the draws share its cores, one thread each: small batches use two cores badly, and what
    comes out does not depend on how many there are. A GPU takes one draw after the other.

    A draw that the stage's folder already holds is read, not run again, so an interrupted run goes
    on where it stopped. The classifier of the first draw with all its labels is saved.

    Args:
        fit: what trains; `predict` must be able to apply its model to the test inputs.
        pool: inputs and labels that the draws index.
        test: inputs and labels, looked at once for each fit.
        whole: makes of the fitted model one that reads images, for the saved classifier.

    Returns:
        Draw number -> rows, history and probabilities.
    """
    settings, start = stage.params, time.perf_counter()
    todo = [k for k in settings.draws if not stage.draw_file(method, k).exists()]
    already = len(settings.draws) - len(todo)
    device, _ = devices.pick(settings.device)
    workers = _workers(device, len(todo))
    progress(f"{method}  draw {already}/{len(settings.draws)}  {workers} at a time")
    jobs = (delayed(_one_draw)(settings, k, fit, _labelled(settings, k, pool), test) for k in todo)
    results = Parallel(workers, return_as="generator_unordered", pre_dispatch=workers)(jobs)
    for done, (k, model, result) in enumerate(results, 1):
        if model is not None:
            about = {"method": method, "draw": k, **result.rows.iloc[-1].to_dict()}
            stage.save_classifier(method, whole(model), about)
        result.save(stage.draw_file(method, k))
        rounds, ended = -(-len(todo) // workers), -(-done // workers)
        left = (time.perf_counter() - start) / ended * (rounds - ended)
        progress(
            f"{method}  draw {already + done}/{len(settings.draws)}"
            f"  {result.rows.accuracy.iloc[-1]:.2%}  {left / 60:.0f} min left"
        )
    return {k: Draw.load(stage.draw_file(method, k)) for k in settings.draws}


def _workers(device: torch.device, jobs: int) -> int:
    """How many draws to do at a time: a core and 2 GiB of the machine's memory for each."""
    if device.type != "cpu":
        return 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cores = min(torch.get_num_threads(), cpu_count())  # the second knows a container's quota
    return max(1, min(jobs, cores, memory // 2**31))


def _labelled(settings: Evaluated, k: int, pool: Labelled) -> Labelled:
    """The inputs and labels of draw k, all there are in the order of the draw."""
    labels = pool[1].cpu().numpy()
    chosen = data.draw(labels, settings.dataset, k, max(settings.n_labels), settings.balanced)
    chosen = torch.as_tensor(chosen, device=pool[0].device)
    return pool[0][chosen], pool[1][chosen]


def _one_draw(
    settings: Evaluated, k: int, fit: Fit, labelled: Labelled, test: Labelled
) -> tuple[int, nn.Module | None, Draw]:
    """Fit and test on each prefix: k, the last model if this is the first draw, and the draw."""
    _, dtype = devices.pick(settings.device, settings.precision)
    truth = test[1].cpu()
    sample = np.random.Generator(np.random.PCG64([_SAMPLE, k])).permutation(len(truth))
    sample = torch.as_tensor(np.sort(sample[: settings.curve_test_images]))
    rows = []
    for n in settings.n_labels:
        with devices.one_thread():
            start = time.perf_counter()
            model, history = fit(labelled[0][:n], labelled[1][:n], k)
            seconds = time.perf_counter() - start
            tested = torch.arange(len(truth)) if n == max(settings.n_labels) else sample
            found = predict(model, test[0][tested.to(test[0].device)], dtype)
        probabilities = found.half().float()  # what is kept is what is counted, to the last tie
        correct = int((probabilities.argmax(1) == truth[tested]).sum())
        rows.append((n, correct, len(tested), correct / len(tested), seconds))
    names = ["n_labels", "correct", "n_test", "accuracy", "seconds"]
    table = pd.DataFrame(rows, columns=names)
    kept = model if k == settings.draws[0] else None
    return k, kept, Draw(table, history, probabilities.half().numpy())


def curve(draws: dict[int, Draw], method: str) -> pd.DataFrame:
    """The learning curves of all draws in one table: method, draw, and the rows' columns."""
    tables = [found.rows.assign(method=method, draw=k) for k, found in draws.items()]
    return pd.concat(tables, ignore_index=True)


def histories(draws: dict[int, Draw], method: str) -> pd.DataFrame:
    """The training histories of all draws in one table: method, draw, epoch, loss, accuracy."""
    tables = [found.history.assign(method=method, draw=k) for k, found in draws.items()]
    return pd.concat(tables, ignore_index=True)


def mean_difference(a: dict[int, Draw], b: dict[int, Draw]) -> float | None:
    """Mean of a - b over draws, in points; None unless all were measured on the same."""

    def measured(draws: dict[int, Draw]) -> list:
        return [(k, *draws[k].rows[["n_labels", "n_test"]].iloc[-1]) for k in sorted(draws)]

    if measured(a) != measured(b):
        return None
    values = [a[k].rows.accuracy.iloc[-1] - b[k].rows.accuracy.iloc[-1] for k in a]
    return 100 * float(np.mean(values))


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
    """The most frequent errors in words: "4→9 (31), 7→2 (20) and 9→4 (18)"."""
    errors = matrix.copy()
    np.fill_diagonal(errors, 0)
    order = errors.ravel().argsort()[::-1][:many]
    *most, last = [f"{k // CLASSES}→{k % CLASSES} ({errors.ravel()[k]:.0f})" for k in order]
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
