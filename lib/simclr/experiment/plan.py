"""About how long jobs take on this machine."""

import time
from collections.abc import Sequence
from functools import cache

from simclr.experiment.cache import Job
from simclr.experiment.stages import METHODS

FORWARD = 1 / 3  # of a training step's arithmetic
SMALL = 25  # images in a batch where labels are few


def minutes(jobs: Sequence[Job], at_once: int) -> float:
    """Minutes for these jobs: their arithmetic over the speed of a step, measured in a second or two.

    Args:
        at_once: how many draws run side by side, a thread each.
    """
    encoders = sum(_work(job) for job in jobs if "train" in job.inputs)
    draws = sum(_work(job) for job in jobs if "method" in job.inputs)
    seconds = 0.0
    if encoders:
        seconds += encoders / _images_per_second(*_where(jobs[0]), batch=256, threads=0)
    if draws:
        seconds += draws / (at_once * _images_per_second(*_where(jobs[0]), batch=SMALL, threads=1))
    return seconds / 60


def _where(job: Job) -> tuple[str, str]:
    return job.inputs["device"], job.inputs["precision"]


def _work(job: Job) -> float:
    """Images through forward and backward pass that a job amounts to."""
    inputs, params = job.inputs, job.inputs["params"]
    if "train" in inputs:
        epoch = 2 * params["unlabelled_images"] + 2 * params["validation_images"] * FORWARD
        return params["epochs"] * epoch if job.kind == "pretrained" else 0
    tested = inputs["test_images"] + (len(inputs["n_labels"]) - 1) * inputs["curve_test_images"]
    steps = params.get(METHODS[job.kind].steps, 0)
    return tested * FORWARD + steps * sum(min(SMALL, n) for n in inputs["n_labels"])


@cache
def _images_per_second(device: str, precision: str, batch: int, threads: int) -> float:
    """Speed of a training step, measured over about a second.

    Args:
        threads: 0 for all.
    """
    import torch

    from simclr import hardware
    from simclr.augment import to_float
    from simclr.model import Encoder, projection_head

    where, dtype = hardware.pick(device, precision)
    all_threads = torch.get_num_threads()
    torch.set_num_threads(threads or all_threads)
    network = torch.nn.Sequential(Encoder(), projection_head())
    network.to(where, memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), fused=True)
    x = to_float(torch.zeros(batch, 28, 28, dtype=torch.uint8, device=where))
    start, steps = time.perf_counter(), -1  # the first step, which also allocates, is not counted
    while steps < 1 or time.perf_counter() - start < 1.0:
        with hardware.autocast(where, dtype):
            z = network(x)
        z.float().square().mean().backward()
        optimiser.step()
        float(z.detach()[0, 0])  # waits for the device
        steps += 1
        if steps == 0:
            start = time.perf_counter()
    seconds = time.perf_counter() - start
    torch.set_num_threads(all_threads)
    return steps * batch / seconds
