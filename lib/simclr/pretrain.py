"""SimCLR pre-training: two views of every image, NT-Xent, checkpoint and resume. No label is read."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from simclr import device as devices
from simclr import loss as losses
from simclr.augment import Views, to_float
from simclr.errors import UserError
from simclr.files import write_atomically
from simclr.model import Encoder, projection_head
from simclr.params import PretrainParams

# The same validation views every epoch: the curve moves by learning alone.
VALIDATION_SEED = 1_000_000


def pretrain(
    images: Tensor,
    validation: Tensor,
    params: PretrainParams,
    checkpoint: Path,
    progress: Callable[[str], None] = lambda text: None,
) -> tuple[Encoder, nn.Module, pd.DataFrame]:
    """Train encoder and projection head on unlabelled images (Chen et al. 2020, algorithm 1).

    A checkpoint is written after each epoch, in one step; a run killed at any moment and started
    again ends with the same weights as one that was not, since each epoch's randomness depends on
    the seed and the epoch's number alone.

    Args:
        images: (N, 28, 28) uint8; an epoch visits each once, the last partial batch left out.
        validation: (M, 28, 28) uint8, for the validation loss only.
        params: settings; `params.precision` and `params.device` say where and how.
        checkpoint: file to write and, where it exists, to go on from.
        progress: called with one line of text as the work goes on.

    Returns:
        Encoder and projection head, in eval mode, and the history with a row an epoch: epoch (0 =
        before training), train_loss, validation_loss, alignment, uniformity, learning_rate, seconds,
        views_per_second.

    Raises:
        UserError: the checkpoint was made with other parameters or cannot be read, or there are too
            few images.
    """
    device, dtype = devices.pick(params.device, params.precision)
    images, validation = images.to(device), validation.to(device)
    if len(images) < params.batch_size:
        raise UserError(
            f"batch_size: {params.batch_size} is more than the {len(images)} unlabelled images"
        )
    encoder = untrained(params.seed)
    head = projection_head(params.projection_hidden, params.projection_size)
    network = nn.Sequential(encoder, head).to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay
    )
    views = Views(params.rotation, params.crop_scale, params.crop_aspect, params.shear, params.blur)
    autocast = devices.autocast(device, dtype)

    def validate() -> dict[str, float]:
        return _validate(network, validation, views, params, autocast)

    history = _resume(checkpoint, params, network, optimiser)
    if not history:
        history = [{"epoch": 0, "train_loss": math.nan, **validate(), "seconds": 0.0}]
    for epoch in range(len(history), params.epochs + 1):
        trained = _train(network, optimiser, images, views, params, epoch, autocast, progress)
        if not math.isfinite(trained["train_loss"]):
            raise UserError(
                f"pretrain: the loss is {trained['train_loss']} in epoch {epoch}: training diverged; lower "
                f"learning_rate ({params.learning_rate:g}) or raise temperature ({params.temperature:g})"
            )
        history.append({"epoch": epoch, **trained, **validate()})
        _save(checkpoint, params, network, optimiser, history)
    network.eval()
    return encoder, head, pd.DataFrame(history)


def untrained(seed: int) -> Encoder:
    """The encoder as pre-training starts with it."""
    torch.manual_seed(seed)
    return Encoder()


def learning_rate(params: PretrainParams, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine that reaches 0 after the last step (SGDR, no restart).

    Args:
        step: optimiser steps done so far, from 0.
        steps: steps an epoch.
    """
    warmup = round(params.warmup_epochs * steps)
    if step < warmup:
        return params.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, params.epochs * steps - warmup)
    return params.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def _two_views(
    images: Tensor, views: Views, batch_size: int, seed: int, epoch: int
) -> Iterator[Tensor]:
    """The batches of an epoch: (2N, 1, 28, 28), rows i and i + N two views of one image."""
    generator = torch.Generator(images.device).manual_seed(seed * 1_000_003 + epoch)
    order = torch.randperm(len(images), generator=generator, device=images.device)
    full = len(order) // batch_size * batch_size  # the last partial batch is left out
    for rows in order[:full].split(batch_size):
        batch = to_float(images[rows])
        yield torch.cat([views(batch, generator), views(batch, generator)])


def _train(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    images: Tensor,
    views: Views,
    params: PretrainParams,
    epoch: int,
    autocast: torch.autocast,
    progress: Callable[[str], None],
) -> dict[str, float]:
    """One epoch: the mean of its losses, the last learning rate, seconds and views a second."""
    start, steps = time.perf_counter(), len(images) // params.batch_size
    total = torch.zeros((), device=images.device)
    network.train()
    for step, batch in enumerate(_two_views(images, views, params.batch_size, params.seed, epoch)):
        rate = learning_rate(params, (epoch - 1) * steps + step, steps)
        for group in optimiser.param_groups:
            group["lr"] = rate
        with autocast:
            z = network(batch)
        loss = losses.nt_xent(z, params.temperature)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.detach()
        if step % 10 == 0:
            speed = (step + 1) * len(batch) / (time.perf_counter() - start)
            left = ((params.epochs - epoch + 1) * steps - step - 1) * len(batch) / speed
            progress(
                f"pretrain  epoch {epoch}/{params.epochs}  loss {loss.item():.3f}"
                f"  {speed:,.0f} views/s  {left / 60:.0f} min left"
            )
    mean = total.item() / steps  # waits for the device
    seconds = time.perf_counter() - start
    return {
        "train_loss": mean,
        "learning_rate": rate,
        "seconds": seconds,
        "views_per_second": steps * 2 * params.batch_size / seconds,
    }


@torch.no_grad()
def _validate(
    network: nn.Module,
    images: Tensor,
    views: Views,
    params: PretrainParams,
    autocast: torch.autocast,
) -> dict[str, float]:
    """Loss, alignment and uniformity of the projections, in eval mode, means over full batches."""
    network.eval()
    rows = []
    for batch in _two_views(images, views, params.batch_size, VALIDATION_SEED, epoch=0):
        with autocast:
            z = network(batch).float()
        rows.append(
            torch.stack(
                [
                    losses.nt_xent(z, params.temperature),
                    losses.alignment(z),
                    losses.uniformity(z[: len(z) // 2]),
                ]
            )
        )
    means = torch.stack(rows).mean(0).tolist()
    return dict(zip(("validation_loss", "alignment", "uniformity"), means, strict=True))


def _save(checkpoint: Path, params: PretrainParams, network, optimiser, history: list) -> None:
    state = {
        "params": params.model_dump(mode="json"),
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "history": history,
    }
    with write_atomically(checkpoint) as temporary:
        torch.save(state, temporary)


def _resume(checkpoint: Path, params: PretrainParams, network, optimiser) -> list[dict]:
    """Load the checkpoint into network and optimiser; its history, empty where there is none."""
    if not checkpoint.exists():
        return []
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        then, history = state["params"], state["history"]
    except Exception:  # torch.load has a different one for every kind of damage
        raise UserError(
            f"{checkpoint}: cannot be read, it may be damaged; delete the file to start again"
        ) from None
    for name, value in params.model_dump(mode="json").items():
        if then.get(name) != value:
            raise UserError(
                f"{checkpoint}: made with {name} = {then.get(name)}, now {name} = {value}; "
                "delete the file to start again, or set the parameter back"
            )
    try:
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
    except (RuntimeError, ValueError, KeyError):
        raise UserError(
            f"{checkpoint}: made with another network; delete the file to start again"
        ) from None
    return history
