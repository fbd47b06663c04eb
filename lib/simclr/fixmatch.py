"""FixMatch (Sohn et al. 2020): a network learns from its own sure answers, without pre-training or graph."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor

from simclr import hardware
from simclr.augment import Views, to_float, views_of
from simclr.draws import History, Task
from simclr.errors import UserError
from simclr.model import Classifier, Encoder
from simclr.replay import Replayed, adamw, set_rates
from simclr.supervised import average, recipe_for


def fixmatch(task: Task, params) -> tuple[Classifier, History]:
    """Train on labelled images, and on those images of the pool whose class the network is sure of.

    Where its probability for a mild view of an image reaches the threshold, its answer is the label of a
    strong view of that image (equations 3 and 4, both losses with the same weight). The paper answers
    without dropout, cuts squares out of strong views, and trains by SGD and much longer.

    `params` has sections `views`, for strong views, and `fixmatch`.
    """
    torch.manual_seed(params.seed * 10_000 + task.draw)
    model = Classifier(Encoder(params.dropout_conv, params.dropout_dense))
    model.to(task.images.device, memory_format=torch.channels_last).train()
    mean = copy.deepcopy(model)
    rates = params.learning_rate, params.learning_rate
    recipe = recipe_for(task, params, params.steps, rates, views_of(params), True, warmup=params.warmup_steps)
    generator = torch.Generator(task.images.device).manual_seed(recipe.seed)
    groups = [{"params": list(model.parameters()), "lr": params.learning_rate}]
    optimiser = adamw(groups, params.weight_decay, task.images.device, fused=True)
    mild = Views(params.mild_rotation, params.mild_crop_scale, flip=params.flip)

    def learn(rows: Tensor, others: Tensor, share: Tensor) -> Tensor:
        given, unlabelled = to_float(task.images[rows]), to_float(task.pool.images[others])
        views = mild(given, generator), mild(unlabelled, generator), recipe.views(unlabelled, generator)
        with hardware.autocast(given.device, task.dtype):
            logits = model(torch.cat(views).contiguous(memory_format=torch.channels_last))
        on_given, on_mild, on_strong = logits.split([len(view) for view in views])
        sure, answers = on_mild.detach().softmax(1).max(1)
        learned = F.cross_entropy(on_strong, answers, reduction="none") * (sure >= params.threshold)
        loss = F.cross_entropy(on_given, task.labels[rows]) + learned.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        average(mean, model, share)
        return loss.detach()

    learn = Replayed(learn, [model, mean], optimiser, generator)
    for step in range(params.steps):
        set_rates(optimiser, [params.learning_rate * recipe.rate(step)])
        rows, others = (
            torch.randint(len(images), (many,), generator=generator, device=images.device)
            for images, many in (
                (task.images, params.batch_size),
                (task.pool.images, params.batch_size * params.unlabelled_ratio),
            )
        )
        share = 1 - min(params.ema_decay, 1 - 1 / (step + 1))
        learn(rows, others, torch.full((), share, device=rows.device))
    if not learn.total.isfinite():
        raise UserError(f"fixmatch: training diverged; lower learning_rate ({params.learning_rate:g})")
    return mean, {}
