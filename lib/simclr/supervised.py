"""Training a classifier: baseline, control, fine-tuning and self-training share this one loop."""

import copy
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr import hardware
from simclr.augment import Views, to_float, views_of
from simclr.draws import History, Task
from simclr.errors import UserError
from simclr.model import Classifier, Encoder, features
from simclr.probe import fit_linear
from simclr.replay import Replayed, adamw, set_rates

# Added to a seed, so that weights, dropout and the order of images have streams of their own. Torch's
# generator on a CPU takes the lowest 32 bits of a seed only, so these must differ there.
_DROPOUT, _ORDER = 1_000_000_007, 2_000_000_011


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained.

    Attributes:
        steps: optimiser steps, the same with few labels as with many; the last epoch may be cut short.
        batch_size: upper bound; an epoch is cut into equal batches, so that no batch norm sees a
            batch of two or three images.
        encoder_rate, head_rate: peak learning rates; both follow one cosine to 0, times a linear
            warm-up over the first `warmup` steps.
        weight_decay: decoupled (AdamW).
        views: how training images are augmented, None to leave them as they are.
        update_norm: False keeps batch norm in eval mode, with the statistics it came with; its scales
            and shifts are trained like any weight.
        seed: of order, views and dropout.
        dtype: of the network's arithmetic.
        label_smoothing: share of every target that is spread over all classes (Szegedy et al. 2016).
        ema_decay: decay of the running mean of all weights that is kept in the end; 0 keeps the last.
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
    warmup: int = 0
    label_smoothing: float = 0.0
    ema_decay: float = 0.0

    def rate(self, step: int) -> float:
        """The learning rate of a step, from 0, as a share of its peak."""
        warm = min(1, (step + 1) / max(1, self.warmup))
        return warm * (1 + math.cos(math.pi * step / self.steps)) / 2


def train(model: Classifier, images: Tensor, labels: Tensor, recipe: Recipe) -> History:
    """Train `model` in place on images (n, 28, 28) uint8 and their labels (n,) int64, on one device.

    It is left in training mode. The history has a value an epoch: its last step, loss and accuracy over
    the training batches. Raises a UserError where training diverges.
    """
    generator = torch.Generator(images.device).manual_seed(recipe.seed + _ORDER)
    torch.manual_seed(recipe.seed + _DROPOUT)  # dropout draws from the global generator
    model.to(images.device, memory_format=torch.channels_last)
    mean = copy.deepcopy(model) if recipe.ema_decay else None
    batches = min(-(-len(images) // recipe.batch_size), len(images) // 2)  # batch norm needs two
    peaks = recipe.encoder_rate, recipe.head_rate
    parts = zip((model.encoder, model.head), peaks, strict=True)
    groups = [{"params": list(part.parameters()), "lr": rate} for part, rate in parts]
    optimiser = adamw(groups, recipe.weight_decay, images.device, fused=True)

    def learn(rows: Tensor, share: Tensor) -> Tensor:
        batch, truth = to_float(images[rows]), labels[rows]
        batch = batch if recipe.views is None else recipe.views(batch, generator)
        batch = batch.contiguous(memory_format=torch.channels_last)
        with hardware.autocast(images.device, recipe.dtype):
            logits = model(batch)
        loss = F.cross_entropy(logits, truth, label_smoothing=recipe.label_smoothing)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if mean is not None:
            average(mean, model, share)
        right = (logits.detach().argmax(1) == truth).sum()
        return torch.stack([loss.detach() * len(rows), right, torch.full_like(right, len(rows))])

    learn = Replayed(learn, [model, mean] if mean else [model], optimiser, generator, sums=(3,))
    ends, totals = [], []  # of epochs
    for step in range(recipe.steps):
        if step % batches == 0:
            _training_mode(model, recipe.update_norm)
            order = torch.randperm(len(images), generator=generator, device=images.device)
            epoch = order.tensor_split(batches)
        set_rates(optimiser, [rate * recipe.rate(step) for rate in peaks])
        share = 1 - min(recipe.ema_decay, 1 - 1 / (step + 1))  # of the newest weights; a plain mean at first
        learn(epoch[step % batches], torch.full((), share, device=images.device))
        if step % batches == batches - 1 or step == recipe.steps - 1:
            ends.append(step + 1)
            totals.append(learn.total.clone())
            learn.total.zero_()
    if mean is not None:
        model.load_state_dict(mean.state_dict())
    losses, right, seen = torch.stack(totals).T.cpu()
    _check(losses, recipe)
    return {"step": ends, "loss": (losses / seen).tolist(), "accuracy": (right / seen).tolist()}


def _check(losses: Tensor, recipe: Recipe) -> None:
    if not losses.isfinite().all():
        epoch = (~losses.isfinite()).nonzero()[0].item() + 1
        raise UserError(
            f"the loss is {losses[epoch - 1]} in epoch {epoch}: training diverged; lower the learning "
            f"rates ({recipe.encoder_rate:g} encoder, {recipe.head_rate:g} head)"
        )


@torch.no_grad()
def average(mean: nn.Module, model: nn.Module, share: Tensor) -> None:
    """Move the averaged weights and statistics towards the model's by a share (a scalar)."""
    for kept, value in zip(mean.state_dict().values(), model.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(value, share)


def baseline(task: Task, params) -> tuple[Classifier, History]:
    """The source's network from random weights, on the labelled images as they are."""
    return _from_scratch(task, params, params.steps, views=None)


def baseline_augmented(task: Task, params) -> tuple[Classifier, History]:
    """The control: the same, with the labelled images augmented."""
    return _from_scratch(task, params, params.augmented_steps, views_of(params))


def _from_scratch(task: Task, params, steps: int, views: Views | None):
    torch.manual_seed(_seed(task, params))
    model = Classifier(Encoder(params.dropout_conv, params.dropout_dense))
    rates = params.learning_rate, params.learning_rate
    recipe = recipe_for(task, params, steps, rates, views, update_norm=True)
    return model, train(model, task.images, task.labels, recipe)


def finetune(task: Task, params) -> tuple[Classifier, History]:
    """Train encoder and head together, from the pre-trained encoder and the linear probe's head.

    The head starts as the probe's, so that the first gradients do not tear good features apart
    (Kumar et al. 2022); `task.encoder` itself is left as it is.
    """
    dropout = params.dropout_conv, params.dropout_dense
    encoder = Encoder(*dropout, task.encoder.network).to(task.images.device)
    encoder.load_state_dict(task.encoder.state_dict())
    model = Classifier(encoder)
    h = features(encoder, task.images, task.dtype)
    model.head = fit_linear(h, task.labels, params.probe_l2)
    rates = params.encoder_learning_rate, params.head_learning_rate
    recipe = recipe_for(task, params, params.steps, rates, views_of(params), params.update_norm)
    return model, train(model, task.images, task.labels, recipe)


def recipe_for(
    task: Task, params, steps: int, rates: tuple[float, float], views: Views | None, update_norm: bool, **more
) -> Recipe:
    """The recipe of a draw; `more` are fields of `Recipe` that have a default."""
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
        **more,
    )


def _seed(task: Task, params) -> int:
    return params.seed * 10_000 + task.draw


def _training_mode(model: nn.Module, update_norm: bool) -> None:
    model.train()
    if not update_norm:
        for layer in model.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.eval()
