"""SimCLR pre-training: two views of every image, NT-Xent, checkpoint and resume. No label is read."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from simclr import checkpoints, hardware, ranks
from simclr import loss as losses
from simclr.augment import Views, to_float, views_of
from simclr.errors import UserError
from simclr.model import BATCH, Encoder, features, projection_head
from simclr.neighbours import nearest
from simclr.replay import Replayed, adamw, set_rates

VALIDATION_SEED = 1_000_000  # the same views every epoch: the curve moves by learning alone
_STATISTICS = 5000  # images that batch norm's statistics are taken from


def pretrained(
    images: Tensor,
    validation: Tensor,
    params,
    seed: int,
    dtype: torch.dtype,
    checkpoint: Path,
    progress: Callable[[str], None] = lambda text: None,
    start: Encoder | None = None,
    after_epoch: Callable[[int, Encoder], None] = lambda epoch, encoder: None,
) -> tuple[Encoder, pd.DataFrame]:
    """Train encoder and projection head on unlabelled images (Chen et al. 2020, algorithm 1).

    With `params.nearest` the second view is of one of an image's nearest neighbours, found again each epoch
    (in the manner of Dwibedi et al. 2021). Randomness depends on seed and epoch alone: killed and started
    again, a run ends with the same weights. For torchrun see `simclr.ranks`. Comes back with the encoder in
    eval mode, and a row an epoch, from 0, before training, of what `_train` and `_validate` measure.

    Args:
        images, validation: (N, 28, 28), (M, 28, 28) uint8, on one device; a last partial batch is left out.
        params: attributes as section `pretrain` of params/full.yaml; `seed` is of weights, order and views.
        checkpoint: file to write after each epoch and to go on from; it is of one set of parameters.
        start: the encoder to begin with, else one of random weights.
        after_epoch: called with the epoch and the encoder as it then is.
    """
    if len(images) < params.batch_size:
        raise UserError(f"batch_size: {params.batch_size} is more than {len(images)} images")
    network = new_network(params, seed)
    if start is not None:
        network[0].load_state_dict(start.state_dict())
    network = ranks.synchronised(network).to(images.device, memory_format=torch.channels_last)
    groups = [{"params": list(network.parameters()), "lr": params.learning_rate}]
    optimiser = adamw(groups, params.weight_decay, images.device)
    history = checkpoints.resume(checkpoint, network, optimiser)
    generator, views = torch.Generator(images.device), views_of(params)

    def learn(pairs: Tensor) -> Tensor:
        batch = views_of_pairs(images, pairs, views, generator)
        return training_step(network, optimiser, batch, params.temperature, dtype)

    learn = Replayed(learn, [network], optimiser, generator)
    trained = {"train_loss": math.nan, "seconds": 0.0}
    for epoch in range(len(history), params.epochs + 1):
        if epoch > 0:
            trained = _train(learn, network, images, params, seed, epoch, dtype, progress)
        validated = _validate(network, validation, params, dtype)
        history.append({"epoch": epoch, **trained, **validated})
        after_epoch(epoch, network[0])
        checkpoints.save(checkpoint, network, optimiser, history)
    return network[0].eval(), pd.DataFrame(history)


@torch.no_grad()
def untrained(
    images: Tensor, validation: Tensor, params, seed: int, dtype: torch.dtype, *_
) -> tuple[Encoder, pd.DataFrame]:
    """The encoder as pre-training starts with it, for comparison; arguments as of `pretrained`.

    Only its batch norm gets statistics, of 5,000 images: without, it would look worse than its weights are.
    """
    encoder = new_network(params, seed)[0].to(images.device, memory_format=torch.channels_last)
    for module in encoder.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None  # the plain mean over batches
    encoder.train()
    for batch in images[:_STATISTICS].split(BATCH):
        encoder(to_float(batch).to(memory_format=torch.channels_last))
    return encoder.eval(), pd.DataFrame()


def new_network(params, seed: int) -> nn.Sequential:
    """Encoder ([0]) and projection head ([1]) with random weights: (N, 1, 28, 28) -> z (N, D)."""
    torch.manual_seed(seed)
    encoder = Encoder(network=params.network)
    return nn.Sequential(encoder, projection_head(params.projection_hidden, params.projection_size))


def learning_rate(params, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine that reaches 0 after the last step (SGDR, no restart).

    `step` counts the optimiser steps done so far, from 0; an epoch has so many `steps`.
    """
    warmup = round(params.warmup_epochs * steps)
    if step < warmup:
        return params.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, params.epochs * steps - warmup)
    return params.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def training_step(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    batch: Tensor,
    temperature: float,
    dtype: torch.dtype,
) -> Tensor:
    """One step of SimCLR, which updates `network` (Chen et al. 2020, algorithm 1, but AdamW for LARS).

    Args:
        network: encoder and projection head, see `new_network`.
        batch: (2N, 1, 28, 28); rows i and i + N are two views of one image.
        dtype: of the network's arithmetic; the loss is computed in fp32.

    Returns:
        The loss before the step, detached.
    """
    with hardware.autocast(batch.device, dtype):
        z = network(batch)  # (2N, D)
    loss = losses.nt_xent(ranks.gathered(z), temperature)
    optimiser.zero_grad()
    loss.backward()
    ranks.sum_gradients(network)
    optimiser.step()
    return loss.detach()


def two_views(images: Tensor, views: Views, batch_size: int, seed: int, epoch: int) -> Iterator[Tensor]:
    """The batches of an epoch, shuffled; the last partial one is left out.

    Args:
        images: (M, 28, 28) uint8, on the device to train on; `batch_size` of them at least.
        batch_size: images N of a batch; of several processes each gets its share of every batch.

    Yields:
        (2N, 1, 28, 28) floats, rows i and i + N a positive pair.
    """
    generator = torch.Generator(images.device).manual_seed(seed_of(seed, epoch))
    for pairs in positive_pairs(len(images), batch_size, generator):
        yield views_of_pairs(images, pairs, views, generator)


def seed_of(seed: int, epoch: int) -> int:
    """The seed of the order and the views of an epoch."""
    return seed * 1_000_003 + epoch


def positive_pairs(
    many: int, batch_size: int, generator: torch.Generator, partners: Tensor | None = None
) -> Iterator[Tensor]:
    """The pairs of each batch of an epoch among so many images, shuffled.

    Args:
        partners: (many, k) indices of the nearest neighbours of each image, one of which is its partner.

    Yields:
        (N, 2) indices.
    """
    order = torch.randperm(many, generator=generator, device=generator.device)
    full = many // batch_size * batch_size  # the last partial batch is left out
    for rows in order[:full].split(batch_size):
        other = rows
        if partners is not None:
            shape = len(rows), 1
            pick = torch.randint(partners.shape[1], shape, generator=generator, device=rows.device)
            other = partners[rows].gather(1, pick).squeeze(1)
        yield torch.stack([rows, other], dim=1)


def views_of_pairs(images: Tensor, pairs: Tensor, views: Views, generator: torch.Generator) -> Tensor:
    """A view of each image of the pairs (N, 2), this rank's share; in the order of `two_views`."""
    share = ranks.share(len(pairs))
    return torch.cat([views(to_float(images[rows]), generator, share) for rows in pairs.unbind(1)])


def _train(
    learn: Replayed,
    network: nn.Module,
    images: Tensor,
    params,
    seed: int,
    epoch: int,
    dtype: torch.dtype,
    progress: Callable[[str], None],
) -> dict[str, float]:
    """One epoch: the mean of its losses, the last learning rate, seconds and views a second."""
    start, steps = time.perf_counter(), len(images) // params.batch_size
    seen = 2 * params.batch_size  # views of a step
    partners, generator = None, learn.generator
    if params.nearest:
        partners = nearest(features(network[0], images, dtype), params.nearest)[1]
    network.train()
    training = time.perf_counter()  # the search for neighbours is not in the speed of the progress line
    learn.total.zero_()
    generator.manual_seed(seed_of(seed, epoch))
    for step, pairs in enumerate(positive_pairs(len(images), params.batch_size, generator, partners)):
        rate = learning_rate(params, (epoch - 1) * steps + step, steps)
        set_rates(learn.optimiser, [rate])
        learn(pairs)
        if step % 10 == 0:
            mean = learn.total.item() / (step + 1)
            speed = (step + 1) * seen / (time.perf_counter() - training)
            left = ((params.epochs - epoch + 1) * steps - step - 1) * seen / speed
            progress(
                f"pretrain, seed {seed}  epoch {epoch}/{params.epochs}  loss {mean:.3f}"
                f"  {speed:,.0f} views/s  {left / 60:.0f} min left"
            )
    mean = learn.total.item() / steps  # waits for the device
    if not math.isfinite(mean):
        raise UserError(
            f"pretrain: the loss is {mean} in epoch {epoch}: training diverged; lower learning_rate "
            f"({params.learning_rate:g}) or raise temperature ({params.temperature:g})"
        )
    seconds = time.perf_counter() - start
    return {
        "train_loss": mean,
        "learning_rate": rate,
        "seconds": seconds,
        "views_per_second": steps * seen / seconds,
    }


@torch.no_grad()
def _validate(network: nn.Module, images: Tensor, params, dtype: torch.dtype) -> dict[str, float]:
    """Loss, alignment and uniformity of the projections, in eval mode, means over full batches."""
    network.eval()
    rows = []
    for batch in two_views(images, views_of(params), params.batch_size, VALIDATION_SEED, epoch=0):
        with hardware.autocast(images.device, dtype):
            z = ranks.gathered(network(batch)).float()
        loss = losses.nt_xent(z, params.temperature)
        rows.append([loss, losses.alignment(z), losses.uniformity(z[: len(z) // 2])])
    means = torch.tensor(rows).mean(0).tolist()
    return dict(zip(("validation_loss", "alignment", "uniformity"), means, strict=True))
