"""Pre-trains for some seconds, by this project or by a peer, and prints views per second as JSON.

    .venv/bin/python benchmarks/contenders.py lightly '{"batch": 512}'

All train the same encoder and projection head on batches of the same size, on the same data, with
views of the source's recipe (rotation, crop and resize, blur) and in the same precision. They differ
in what a library is chosen for: how images are read, views drawn and the loss computed.
"""

import functools
import itertools
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from simclr import data, hardware
from simclr.augment import views_of
from simclr.experiment.study import Study
from simclr.pretrain import new_network, positive_pairs, training_step, views_of_pairs
from simclr.replay import Replayed, adamw

STUDY = Study("full")
PARAMS = STUDY.params["pretrain"]
SECONDS, WARM = 12, 3  # seconds that the clock runs; steps before it starts


class Pairs(Dataset):
    """Two views of each image, drawn one image at a time in the loader's processes."""

    def __init__(self, images: Tensor, views) -> None:
        self.images, self.views = images, views

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> list[Tensor]:
        from PIL import Image

        return self.views(Image.fromarray(self.images[i].numpy()))


def lightly(images: Tensor, batch: int, device: torch.device) -> Iterator[Tensor]:
    """The library lightly (github.com/lightly-ai/lightly): its transform, and a loader on all cores."""
    from lightly.transforms import SimCLRTransform

    views = SimCLRTransform(
        input_size=28,
        cj_prob=0.0,
        random_gray_scale=0.0,
        min_scale=PARAMS.crop_scale,
        gaussian_blur=1.0,
        sigmas=(PARAMS.blur_least, PARAMS.blur),
        hf_prob=0.0,
        rr_prob=1.0,
        rr_degrees=PARAMS.rotation,
        normalize=None,
    )
    return _loaded(Pairs(images, views), batch, device)


def tutorial(images: Tensor, batch: int, device: torch.device) -> Iterator[Tensor]:
    """What tutorials show: torchvision's transforms on each image, and a loader on all cores."""
    from torchvision import transforms

    one = transforms.Compose(
        [
            transforms.RandomRotation(PARAMS.rotation),
            transforms.RandomResizedCrop(28, (PARAMS.crop_scale, 1.0)),
            transforms.GaussianBlur(5, (PARAMS.blur_least, PARAMS.blur)),
            transforms.ToTensor(),
        ]
    )
    return _loaded(Pairs(images, lambda image: [one(image), one(image)]), batch, device)


def _loaded(pairs: Pairs, batch: int, device: torch.device) -> Iterator[Tensor]:
    loader = DataLoader(
        pairs,
        batch_size=batch,
        shuffle=True,
        drop_last=True,
        num_workers=torch.get_num_threads(),
        multiprocessing_context="fork",
        persistent_workers=True,
    )
    while True:
        for first, second in loader:
            yield torch.cat([first, second]).to(device)


def lightly_loss(z: Tensor) -> Tensor:
    """lightly's NT-Xent."""
    from lightly.loss import NTXentLoss

    return NTXentLoss(PARAMS.temperature)(*z.float().chunk(2))


def tutorial_loss(z: Tensor) -> Tensor:
    """The loss of tutorials: all similarities, masks, logits with the positive first."""
    n, z = len(z) // 2, F.normalize(z.float(), dim=1)
    labels = torch.arange(n, device=z.device).repeat(2)
    same = labels[:, None] == labels
    itself = torch.eye(2 * n, dtype=torch.bool, device=z.device)
    similarities = (z @ z.T)[~itself].view(2 * n, -1)
    same = same[~itself].view(2 * n, -1)
    positives = similarities[same].view(2 * n, 1)
    negatives = similarities[~same].view(2 * n, -1)
    logits = torch.cat([positives, negatives], 1) / PARAMS.temperature
    return F.cross_entropy(logits, torch.zeros(2 * n, dtype=torch.long, device=z.device))


PEERS = {"lightly": (lightly, lightly_loss), "tutorial": (tutorial, tutorial_loss)}


def measure(name: str, batch: int = 512, threads: int | None = None) -> dict:
    """Views per second of training, and the most memory that the process held, in MiB."""
    torch.set_num_threads(threads or torch.get_num_threads())
    device, dtype = torch.device("cuda" if torch.cuda.is_available() else "cpu"), torch.float32
    if hardware.has_fast_bf16(device.type):
        dtype = torch.bfloat16
    images = data.images(STUDY.data, "pool")[: max(10_000, 4 * batch)]
    begin = _ours if name == "ours" else functools.partial(_peer, name)
    step = begin(images, batch, device, dtype)
    for _ in range(WARM):
        step()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        last = step()
        steps += 1
    last.item()  # waits for the device
    seconds = time.perf_counter() - start
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"views_per_second": 2 * batch * steps / seconds, "memory_mib": kib / 1024}


def _ours(images: Tensor, batch: int, device: torch.device, dtype: torch.dtype) -> Callable[[], Tensor]:
    """This project: all images in memory, a batch's views drawn at once; on CUDA steps are replayed."""
    hardware.pick(device.type)  # what the peers' users would have to find out for themselves
    images, views, generator = images.to(device), views_of(PARAMS), torch.Generator(device)
    network = new_network(PARAMS, 0).to(device, memory_format=torch.channels_last)
    groups = [{"params": list(network.parameters()), "lr": PARAMS.learning_rate}]
    optimiser = adamw(groups, 0.01, device)

    def learn(pairs: Tensor) -> Tensor:
        seen = views_of_pairs(images, pairs, views, generator)
        return training_step(network, optimiser, seen, PARAMS.temperature, dtype)

    replayed = Replayed(learn, [network], optimiser, generator)
    epochs = (positive_pairs(len(images), batch, generator) for _ in itertools.count())
    source = itertools.chain.from_iterable(epochs)

    def step() -> Tensor:
        replayed(next(source))
        return replayed.total

    return step


def _peer(
    name: str, images: Tensor, batch: int, device: torch.device, dtype: torch.dtype
) -> Callable[[], Tensor]:
    batches, loss = PEERS[name]
    network, source = new_network(PARAMS, 0).to(device), batches(images, batch, device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=PARAMS.learning_rate)

    def step() -> Tensor:
        views = next(source)
        with hardware.autocast(views.device, dtype):
            z = network(views)
        found = loss(z)
        optimiser.zero_grad()
        found.backward()
        optimiser.step()
        return found.detach()

    return step


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], **json.loads(sys.argv[2]))), flush=True)
    os._exit(0)  # without waiting for loaders that are reading ahead
