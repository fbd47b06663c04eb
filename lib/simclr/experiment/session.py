"""What a notebook opens with: its study, and one line that says what it will do and for how long."""

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from simclr import files
from simclr.errors import UserError
from simclr.experiment import params
from simclr.experiment.cache import Job
from simclr.experiment.parallel import workers
from simclr.experiment.stages import CONTROL
from simclr.experiment.study import Study

POOL = 50_000  # images that a graph links
FORWARD = 1 / 3  # of a training step's arithmetic
SHIFT = 0.03  # what comparing an image with a shifted one costs, in passes of one view
SMALL = 25  # images in a batch where labels are few


def open_study(
    stage: str, profile: str = "auto", variant: str = params.SOURCE, changes: Mapping | None = None
) -> Study:
    """The study of a notebook; prints whether it will read or train, and about how long that takes.

    Args:
        profile: `auto` is the largest profile whose results are there for this stage.

    Raises:
        UserError: a mistake in the parameters, or `auto` where nothing is built.
    """
    if profile == "auto":
        profile = _largest_built(stage, variant)
    study = Study(profile, variant, changes)
    print(f"{study.name}: {forecast(study, stage)}")
    return study


def _largest_built(stage: str, variant: str) -> str:
    built = (files.RUNS / "cache").exists()  # else there is no need to fetch the data and look
    for profile in params.PROFILES if built else ():
        if not Study(profile, variant).missing(stage):
            return profile
    raise UserError(
        f"{stage} is not built yet. Run `make report PROFILE=quick` in a terminal (some minutes), or set "
        'profile = "quick" above to train here'
    )


def forecast(study: Study, *stages: str, after: Iterable[str] = ()) -> str:
    """What stages will do, in words.

    Args:
        after: stages that will have been built before, whose work is not counted.
    """
    before = {job.key for other in after for job in study.missing(other)}
    jobs = {job.key: job for stage in stages for job in study.missing(stage)}
    missing = [job for key, job in jobs.items() if key not in before]
    if not missing:
        return "reads what is built."
    study.check_machine()
    kinds = ", ".join(dict.fromkeys(job.kind for job in missing))
    took = minutes(missing, workers(missing[0].inputs["device"], len(missing)))
    how_long = f"about {took:.0f} min" if took >= 1 else "less than a minute"
    kept = " What is built stays as it is." if study.changes else ""
    return f"trains {kinds}; {how_long} on this machine.{kept}"


def minutes(jobs: Sequence[Job], at_once: int) -> float:
    """Minutes for these jobs: their arithmetic over the speed of a step, which takes a second to measure.

    Args:
        at_once: how many classifiers are trained side by side, a thread each.
    """
    where = jobs[0].inputs["device"], jobs[0].inputs["precision"]
    classifiers = sum(_work(job) for job in jobs if "method" in job.inputs)
    others = sum(_work(job) for job in jobs if "method" not in job.inputs)
    seconds = others and others / images_per_second(*where, batch=256)
    if classifiers:
        seconds += classifiers / (at_once * images_per_second(*where, batch=SMALL, threads=1))
    return seconds / 60


def _work(job: Job) -> float:
    """Images through forward and backward pass that a job amounts to."""
    inputs, values = job.inputs, job.inputs.get("params", {})
    if job.kind in ("map", "untrained"):
        return 0
    if job.kind == "rates":  # to spread the labels of a draw costs about as much as a view of the pool
        return len(job.reads) * len(inputs["draws"]) * len(inputs["n_labels"]) * POOL * FORWARD / 5
    if job.kind.startswith("graph"):  # to find the neighbours costs about as much as two views of the pool
        pairs = {"graph_deformable": inputs.get("candidates"), "graph_joined": inputs["neighbours"]}
        shifts = pairs.get(job.kind, 0) * (2 * inputs.get("reach", 0) + 1) ** 2  # of each image over others
        return (inputs.get("feature_views", 0) + 2 + SHIFT * shifts) * POOL * FORWARD
    if "train" in inputs:
        epoch = 2 * values["unlabelled_images"] + 2 * values["validation_images"] * FORWARD
        return values["epochs"] * epoch * (1.2 if values["nearest"] else 1)
    if inputs["method"].endswith("probe"):  # fits a linear layer, without steps
        return inputs["tested"] * FORWARD
    steps = values["augmented_steps" if job.kind == CONTROL else "steps"]
    return inputs["tested"] * FORWARD + steps * values["batch_size"]


@cache
def images_per_second(device: str, precision: str, batch: int, threads: int | None = None) -> float:
    """Speed of a training step, measured for about a second; all threads if not told otherwise."""
    import torch

    from simclr import augment, hardware, model

    where, dtype = hardware.pick(device, precision)
    all_threads = torch.get_num_threads()
    torch.set_num_threads(threads or all_threads)
    network = model.Classifier(model.Encoder()).to(where, memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), fused=True)
    images = augment.to_float(torch.zeros(batch, 28, 28, dtype=torch.uint8, device=where))
    start, steps = time.perf_counter(), -1  # the first step, which also allocates, is not counted
    while steps < 1 or time.perf_counter() - start < 1.0:
        with hardware.autocast(where, dtype):
            logits = network(images)
        logits.square().mean().backward()
        optimiser.step()
        float(logits.detach()[0, 0])  # waits for the device
        steps += 1
        if steps == 0:
            start = time.perf_counter()
    seconds = time.perf_counter() - start
    torch.set_num_threads(all_threads)
    return steps * batch / seconds
