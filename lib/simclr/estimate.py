"""About how long a stage takes on this machine."""

import time

import torch

from simclr import device as devices
from simclr import measure
from simclr.loss import nt_xent
from simclr.model import Encoder, projection_head
from simclr.params import (
    BaselineParams,
    Evaluated,
    FinetuneParams,
    Params,
    PretrainParams,
    ProbeParams,
    Training,
)

FORWARD = 1 / 3  # of a training step's arithmetic
MAP = 5  # images through a training step that an image on the two t-SNE maps is worth


def images_per_second(settings: PretrainParams, batch: int = 256) -> float:
    """Speed of a pre-training step, measured over about a second."""
    device, dtype = devices.pick(settings.device, settings.precision)
    network = torch.nn.Sequential(Encoder(), projection_head()).to(
        device, memory_format=torch.channels_last
    )
    x = torch.rand(batch, 1, 28, 28, device=device)
    start, steps = time.perf_counter(), -1  # the first step, which also allocates, is not counted
    while steps < 1 or time.perf_counter() - start < 1.0:
        with devices.autocast(device, dtype):
            z = network(x)
        loss = nt_xent(z)
        loss.backward()
        loss.item()  # waits for the device
        steps += 1
        if steps == 0:
            start = time.perf_counter()
    return steps * batch / (time.perf_counter() - start)


def work(settings: Params) -> float:
    """Images through forward and backward pass that a stage amounts to."""
    if isinstance(settings, PretrainParams):
        epoch = 2 * settings.unlabelled_images + 2 * settings.validation_images * FORWARD
        return settings.epochs * epoch
    if isinstance(settings, BaselineParams):
        control = settings.augmented_epochs, settings.augmented_min_steps
        return _fits(settings, settings.epochs, settings.min_steps) + _fits(settings, *control)
    if isinstance(settings, FinetuneParams):
        return _fits(settings, settings.epochs, settings.min_steps)
    if isinstance(settings, ProbeParams):
        encoders = 2  # untrained and pre-trained
        seen = encoders * (settings.test_images + _turns(settings) * sum(settings.n_labels))
        return seen * FORWARD + MAP * settings.map_images
    return 0.0


def _fits(settings: Training, epochs: int, min_steps: int) -> float:
    """Training and testing of one method on every draw and every number of labels."""
    batches = [-(-n // settings.batch_size) for n in settings.n_labels]
    trained = [
        n * max(epochs, min_steps / b) for n, b in zip(settings.n_labels, batches, strict=True)
    ]
    tested = settings.test_images + (len(trained) - 1) * settings.curve_test_images
    return _turns(settings) * (sum(trained) + tested * FORWARD)


def _turns(settings: Evaluated) -> int:
    """The draws, or more where they leave cores idle: each has one thread, and some run side by side."""
    device, _ = devices.pick(settings.device)
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    draws = len(settings.draws)
    return -(-draws // measure.workers(device, draws)) * threads
