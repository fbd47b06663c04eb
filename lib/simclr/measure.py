"""A method on label draws: fit it to the labels of each, test it, keep what came out."""

import os
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, cpu_count, delayed
from torch import Tensor, nn

from simclr import data
from simclr import device as devices
from simclr.augment import to_float
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
        inputs: uint8 images (N, 28, 28), or features (N, D), which a linear layer reads in fp32.
        dtype: of the encoder's arithmetic.

    Returns:
        (N, 10) floats on the CPU.
    """
    model.eval()
    images = inputs.dtype == torch.uint8
    dtype = dtype if images else torch.float32  # bf16 logits would tie where classes are close
    out = []
    for batch in inputs.split(_BATCH):
        if images:
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
    at_once = workers(device, len(todo))
    progress(f"{method}  draw {already}/{len(settings.draws)}  {at_once} at a time")
    jobs = (delayed(_one_draw)(settings, k, fit, _labelled(settings, k, pool), test) for k in todo)
    results = Parallel(at_once, return_as="generator_unordered", pre_dispatch=at_once)(jobs)
    for done, (k, model, result) in enumerate(results, 1):
        if model is not None:
            about = {"method": method, "draw": k, **result.rows.to_dict("records")[-1]}
            stage.save_classifier(method, whole(model), about)
        result.save(stage.draw_file(method, k))
        rounds, ended = -(-len(todo) // at_once), -(-done // at_once)
        left = (time.perf_counter() - start) / ended * (rounds - ended)
        progress(
            f"{method}  draw {already + done}/{len(settings.draws)}"
            f"  {result.rows.accuracy.iloc[-1]:.2%}  {left / 60:.0f} min left"
        )
    return {k: Draw.load(stage.draw_file(method, k)) for k in settings.draws}


def workers(device: torch.device, jobs: int) -> int:
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
