"""Training a classifier on few labels: the baseline and fine-tuning share this one function."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr import device as devices
from simclr.augment import Views, to_float
from simclr.errors import UserError
from simclr.model import Classifier, Encoder
from simclr.params import BaselineParams, FinetuneParams, Training
from simclr.probe import features, fit_linear


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained.

    Attributes:
        epochs: passes over the labelled images.
        min_steps: epochs are added until there are as many optimiser steps: few labels make few
            batches an epoch, and would be trained too little.
        batch_size: upper bound; an epoch is cut into equal batches, so that no batch norm sees a
            batch of two or three images.
        encoder_rate, head_rate: peak learning rates; both follow one cosine to 0.
        weight_decay: decoupled (AdamW).
        views: how training images are augmented, None to leave them as they are.
        update_norm: False keeps batch norm in eval mode, with the statistics it came with.
        seed: of order, views and dropout.
        device, precision: as `device.pick` takes them.
    """

    epochs: int
    min_steps: int
    batch_size: int
    encoder_rate: float
    head_rate: float
    weight_decay: float
    views: Views | None
    update_norm: bool
    seed: int
    device: str
    precision: str


def train(model: Classifier, images: Tensor, labels: Tensor, recipe: Recipe) -> pd.DataFrame:
    """Train `model` in place with cross entropy; it is left in training mode.

    Args:
        images: (n, 28, 28) uint8.
        labels: (n,) int64.

    Returns:
        A row an epoch: epoch, loss and accuracy (a fraction), both over the training batches.

    Raises:
        UserError: training diverged.
    """
    device, dtype = devices.pick(recipe.device, recipe.precision)
    generator = torch.Generator(device).manual_seed(recipe.seed)
    torch.manual_seed(recipe.seed)  # dropout draws from the global generator
    model.to(device, memory_format=torch.channels_last)
    x, y = to_float(images.to(device)), labels.to(device)
    batches = min(-(-len(x) // recipe.batch_size), len(x) // 2)  # batch norm needs two images
    epochs = max(recipe.epochs, -(-recipe.min_steps // batches))
    optimiser = torch.optim.AdamW(
        [
            {"params": model.encoder.parameters(), "lr": recipe.encoder_rate},
            {"params": model.head.parameters(), "lr": recipe.head_rate},
        ],
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * batches)
    history = []
    for epoch in range(1, epochs + 1):
        _training_mode(model, recipe.update_norm)
        loss_sum, right = torch.zeros((), device=device), torch.zeros((), device=device)
        order = torch.randperm(len(x), generator=generator, device=device)
        for rows in order.tensor_split(batches):
            batch = x[rows] if recipe.views is None else recipe.views(x[rows], generator)
            batch = batch.contiguous(memory_format=torch.channels_last)
            with devices.autocast(device, dtype):
                logits = model(batch)
            loss = F.cross_entropy(logits, y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            loss_sum += loss.detach() * len(rows)
            right += (logits.detach().argmax(1) == y[rows]).sum()
        history.append((epoch, loss_sum.item() / len(x), right.item() / len(x)))
        if not math.isfinite(history[-1][1]):
            raise UserError(
                f"the loss is {history[-1][1]} in epoch {epoch}: training diverged; lower the learning "
                f"rates ({recipe.encoder_rate:g} encoder, {recipe.head_rate:g} head)"
            )
    return pd.DataFrame(history, columns=["epoch", "loss", "accuracy"])


def from_scratch(settings: BaselineParams, augmented: bool) -> Callable:
    """The baseline as a function for `measure.over_draws`, or its control with augmentation."""

    def fit(images: Tensor, labels: Tensor, draw: int) -> tuple[Classifier, pd.DataFrame]:
        torch.manual_seed(_seed(settings, draw))
        model = Classifier(Encoder(settings.dropout_conv, settings.dropout_dense))
        recipe = Recipe(
            epochs=settings.augmented_epochs if augmented else settings.epochs,
            min_steps=settings.augmented_min_steps if augmented else settings.min_steps,
            batch_size=settings.batch_size,
            encoder_rate=settings.learning_rate,
            head_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            views=_views(settings) if augmented else None,
            update_norm=True,
            seed=_seed(settings, draw),
            device=settings.device,
            precision=settings.precision,
        )
        return model, train(model, images, labels, recipe)

    return fit


def finetuning(settings: FinetuneParams, pretrained: Encoder) -> Callable:
    """Full fine-tuning as a function for `measure.over_draws`.

    The head starts as the linear probe's, so that the first gradients do not tear good features
    apart (Kumar et al. 2022); `pretrained` itself is left as it is.
    """
    _, dtype = devices.pick(settings.device, settings.precision)

    def fit(images: Tensor, labels: Tensor, draw: int) -> tuple[Classifier, pd.DataFrame]:
        encoder = Encoder(settings.dropout_conv, settings.dropout_dense).to(images.device)
        encoder.load_state_dict(pretrained.state_dict())
        model = Classifier(encoder)
        model.head = fit_linear(features(encoder, images, dtype), labels, settings.l2)
        recipe = Recipe(
            epochs=settings.epochs,
            min_steps=settings.min_steps,
            batch_size=settings.batch_size,
            encoder_rate=settings.encoder_learning_rate,
            head_rate=settings.head_learning_rate,
            weight_decay=settings.weight_decay,
            views=_views(settings),
            update_norm=settings.update_norm,
            seed=_seed(settings, draw),
            device=settings.device,
            precision=settings.precision,
        )
        return model, train(model, images, labels, recipe)

    return fit


def _views(settings: Training) -> Views:
    return Views(settings.rotation, settings.crop_scale, settings.crop_aspect, settings.shear)


def _seed(settings: Training, draw: int) -> int:
    return settings.seed * 10_000 + draw


def _training_mode(model: nn.Module, update_norm: bool) -> None:
    model.train()
    if not update_norm:
        for layer in model.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.eval()
