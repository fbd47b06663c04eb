"""Training a classifier on few labels: baseline, control and fine-tuning share this one loop."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr import hardware
from simclr.augment import Views, to_float
from simclr.draws import History, Task
from simclr.errors import UserError
from simclr.model import Classifier, Encoder, features
from simclr.probe import fit_linear

# Added to a seed, so that weights, dropout and the order of images have streams of their own. Torch's
# generator on a CPU takes the lowest 32 bits of a seed only, so these must differ there.
_DROPOUT, _ORDER = 1_000_000_007, 2_000_000_011


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained.

    Attributes:
        steps: optimiser steps, the same with few labels as with many; the epoch begun last is finished.
        batch_size: upper bound; an epoch is cut into equal batches, so that no batch norm sees a
            batch of two or three images.
        encoder_rate, head_rate: peak learning rates; both follow one cosine to 0.
        weight_decay: decoupled (AdamW).
        views: how training images are augmented, None to leave them as they are.
        update_norm: False keeps batch norm in eval mode, with the statistics it came with; its scales
            and shifts are trained like any weight.
        seed: of order, views and dropout.
        dtype: of the network's arithmetic.
    """

    steps: int
    batch_size: int
    encoder_rate: float
    head_rate: float
    weight_decay: float
    views: Views | None
    update_norm: bool
    seed: int
    dtype: torch.dtype


def train(model: Classifier, images: Tensor, labels: Tensor, recipe: Recipe) -> History:
    """Train `model` in place with cross entropy; it is left in training mode.

    Args:
        images: (n, 28, 28) uint8, on the device to train on, with their labels (n,) int64.

    Returns:
        The history, a value an epoch: step (the last one of the epoch), loss and accuracy (a
        fraction), both over the training batches.

    Raises:
        UserError: training diverged.
    """
    device = images.device
    generator = torch.Generator(device).manual_seed(recipe.seed + _ORDER)
    torch.manual_seed(recipe.seed + _DROPOUT)  # dropout draws from the global generator
    model.to(device, memory_format=torch.channels_last)
    x = to_float(images)
    batches = min(-(-len(x) // recipe.batch_size), len(x) // 2)  # batch norm needs two images
    epochs = -(-recipe.steps // batches)
    parts = (model.encoder, recipe.encoder_rate), (model.head, recipe.head_rate)
    groups = [{"params": part.parameters(), "lr": rate} for part, rate in parts]
    optimiser = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * batches)
    history: History = {"step": [], "loss": [], "accuracy": []}
    for epoch in range(1, epochs + 1):
        _training_mode(model, recipe.update_norm)
        loss_sum, right = torch.zeros((), device=device), torch.zeros((), device=device)
        order = torch.randperm(len(x), generator=generator, device=device)
        for rows in order.tensor_split(batches):
            batch = x[rows] if recipe.views is None else recipe.views(x[rows], generator)
            batch = batch.contiguous(memory_format=torch.channels_last)
            with hardware.autocast(device, recipe.dtype):
                logits = model(batch)
            loss = F.cross_entropy(logits, labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            loss_sum += loss.detach() * len(rows)
            right += (logits.detach().argmax(1) == labels[rows]).sum()
        values = epoch * batches, loss_sum.item() / len(x), right.item() / len(x)
        for name, value in zip(history, values, strict=True):
            history[name].append(value)
        if not math.isfinite(values[1]):
            raise UserError(
                f"the loss is {values[1]} in epoch {epoch}: training diverged; lower the learning "
                f"rates ({recipe.encoder_rate:g} encoder, {recipe.head_rate:g} head)"
            )
    return history


def baseline(task: Task, params) -> tuple[Classifier, History]:
    """The source's network from random weights, on the labelled images as they are."""
    return _from_scratch(task, params, params.steps, views=None)


def baseline_augmented(task: Task, params) -> tuple[Classifier, History]:
    """The control: the same, with the labelled images augmented."""
    return _from_scratch(task, params, params.augmented_steps, _views(params))


def _from_scratch(task: Task, params, steps: int, views: Views | None):
    torch.manual_seed(_seed(task, params))
    model = Classifier(Encoder(params.dropout_conv, params.dropout_dense))
    rates = params.learning_rate, params.learning_rate
    recipe = _recipe(task, params, steps, rates, views, update_norm=True)
    return model, train(model, task.images, task.labels, recipe)


def finetune(task: Task, params) -> tuple[Classifier, History]:
    """Train encoder and head together, from the pre-trained encoder and the linear probe's head.

    The head starts as the probe's, so that the first gradients do not tear good features apart
    (Kumar et al. 2022); `task.encoder` itself is left as it is.
    """
    encoder = Encoder(params.dropout_conv, params.dropout_dense).to(task.images.device)
    encoder.load_state_dict(task.encoder.state_dict())
    model = Classifier(encoder)
    h = features(encoder, task.images, task.dtype)
    model.head = fit_linear(h, task.labels, params.probe_l2)
    rates = params.encoder_learning_rate, params.head_learning_rate
    recipe = _recipe(task, params, params.steps, rates, _views(params), params.update_norm)
    return model, train(model, task.images, task.labels, recipe)


def _recipe(
    task: Task,
    params,
    steps: int,
    rates: tuple[float, float],
    views: Views | None,
    update_norm: bool,
) -> Recipe:
    return Recipe(
        steps=steps,
        batch_size=params.batch_size,
        encoder_rate=rates[0],
        head_rate=rates[1],
        weight_decay=params.weight_decay,
        views=views,
        update_norm=update_norm,
        seed=_seed(task, params),
        dtype=task.dtype,
    )


def _views(params) -> Views:
    return Views(params.rotation, params.crop_scale, params.crop_aspect, params.shear)


def _seed(task: Task, params) -> int:
    return params.seed * 10_000 + task.draw


def _training_mode(model: nn.Module, update_norm: bool) -> None:
    model.train()
    if not update_norm:
        for layer in model.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.eval()
