"""Training on few labels: what moves and what must not, batches, streams, the recipes on it."""

from types import SimpleNamespace

import pytest
import torch

from simclr import supervised
from simclr.augment import Views, to_float
from simclr.draws import Task
from simclr.errors import UserError
from simclr.model import Classifier, Encoder, features, predict
from simclr.probe import fit_linear, joined
from simclr.supervised import Recipe, baseline, baseline_augmented, finetune, train

RECIPE = {"steps": 4, "batch_size": 10, "encoder_rate": 0.003, "head_rate": 0.003}
RECIPE |= {"weight_decay": 0.0, "views": None, "update_norm": True, "seed": 0}
PARAMS = {"seed": 0, "steps": 2, "augmented_steps": 6, "batch_size": 10, "weight_decay": 0.0}
PARAMS |= {"dropout_conv": 0.0, "dropout_dense": 0.0, "learning_rate": 0.003, "update_norm": False}
PARAMS |= {"rotation": 20, "crop_scale": 0.6, "crop_aspect": 1.3, "shear": 0.2, "probe_l2": 0.001}
PARAMS |= {"flip": False, "encoder_learning_rate": 0.003, "head_learning_rate": 0.003}


def recipe(**changes):
    return Recipe(**{"dtype": torch.float32} | RECIPE | changes)


def labelled(n=20):
    """(n, 28, 28) uint8 and (n,) labels: a bar whose height says the class, on noise."""
    labels = torch.arange(n) % 10
    images = torch.randint(0, 60, (n, 28, 28), generator=torch.Generator().manual_seed(0))
    for image, label in zip(images, labels.tolist(), strict=True):
        image[2 * label + 3 : 2 * label + 6] += 180
    return images.to(torch.uint8), labels


def network(**dropout):
    torch.manual_seed(1)
    return Classifier(Encoder(**dropout))


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def moved(model, before):
    """Names of what is not what it was, bit for bit."""
    return {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])}


def statistics(names):
    return {n for n in names if n.endswith(("running_mean", "running_var", "num_batches_tracked"))}


def task(draw=0, encoder=None):
    return Task(draw, *labelled(), encoder, torch.float32)


def fit(method, given, **changes):
    return method(given, SimpleNamespace(**PARAMS | changes))


def batches_of(model):
    """The list to which every batch that `model` sees will be added."""
    seen = []
    model.register_forward_pre_hook(lambda m, inputs: seen.append(inputs[0].clone()))
    return seen


@pytest.fixture(scope="module")
def pretrained():
    """An encoder with batch-norm statistics of its own, as pre-training leaves one."""
    torch.manual_seed(2)
    encoder = Encoder()
    encoder(to_float(labelled()[0]))
    return encoder.eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loss_falls_and_accuracy_is_a_fraction(dtype):
    model = network()
    history = train(model, *labelled(), recipe(steps=12, dtype=dtype))
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert history["step"] == [2, 4, 6, 8, 10, 12]
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert min(history["accuracy"]) >= 0 and 0.8 < history["accuracy"][-1] <= 1


def test_a_training_that_diverges_is_told():
    with pytest.raises(UserError, match=r"loss is nan in epoch \d: training diverged; lower the"):
        train(network(), *labelled(), recipe(steps=6, head_rate=1e30, encoder_rate=1e30))


@pytest.mark.parametrize(
    "n, batch_size, sizes", [(8, 8, [8]), (6, 8, [6]), (9, 8, [4, 5]), (17, 8, [5, 6, 6]), (5, 2, None)]
)
def test_an_epoch_is_cut_into_equal_batches_of_every_image(n, batch_size, sizes):
    """Batch norm cannot take a batch of one image, even where pairs were asked for."""
    model = network()
    batches, (images, labels) = batches_of(model), labelled(n)
    steps = len(sizes) if sizes else 2
    train(model, images, labels, recipe(steps=steps, batch_size=batch_size))
    found = sorted(len(batch) for batch in batches)
    assert found == sizes if sizes else min(found) >= 2
    seen = sorted(image.numpy().tobytes() for image in torch.cat(batches))
    assert seen == sorted(image.numpy().tobytes() for image in to_float(images))


@pytest.mark.parametrize(
    "n, steps, epochs", [(4, 6, 6), (10, 6, 6), (20, 6, 3), (20, 7, 4), (30, 6, 2), (30, 1, 1)]
)
def test_few_labels_get_as_many_steps_as_many_labels(n, steps, epochs):
    """The fewer batches an epoch has, the more epochs; the last may be cut short."""
    model = network()
    batches = batches_of(model)
    history = train(model, *labelled(n), recipe(steps=steps))
    assert len(history["step"]) == epochs and history["step"][-1] == len(batches)
    assert len(batches) == steps


def streams(**changes):
    """The images in the order they were seen, and where dropout struck, in two epochs."""
    dropout = changes.pop("dropout", 0.5)
    model, struck = network(dropout_dense=dropout), []
    batches = batches_of(model)
    model.encoder.layers.drop3.register_forward_hook(
        lambda m, given, out: struck.append((out == 0) | (given[0] == 0))
    )
    rates = {"encoder_rate": 0.0, "head_rate": 0.0, "update_norm": False}
    train(model, *labelled(), recipe(**rates | changes))
    return torch.cat(batches), torch.cat(struck)


def test_order_and_views_depend_on_the_seed_and_not_on_dropout():
    for views in (None, Views(rotation=20)):
        images, struck = streams(views=views)
        assert not torch.equal(images[:20], images[20:])  # the second epoch
        assert not torch.equal(struck[:20], struck[20:])
        torch.manual_seed(99)
        assert all(map(torch.equal, streams(views=views), (images, struck)))
        assert torch.equal(images, streams(views=views, dropout=0.0)[0])
        assert not torch.equal(images, streams(views=views, seed=1)[0])


def test_from_scratch_depends_on_the_draw_and_on_nothing_else():
    first, history = fit(baseline, task(3))
    torch.manual_seed(99)
    again, same = fit(baseline, task(3))
    assert not moved(again, state(first)) and same == history
    for other, _ in (fit(baseline, task(4)), fit(baseline, task(3), seed=1)):
        assert "encoder.layers.conv1.weight" in moved(other, state(first))


def test_only_the_control_is_augmented_and_only_it_has_its_steps(monkeypatch):
    seen, draw = [], Views.__call__

    def record(self, images, generator):
        seen.append(self)
        return draw(self, images, generator)

    monkeypatch.setattr(Views, "__call__", record)
    _, plain = fit(baseline, task())
    assert not seen
    _, control = fit(baseline_augmented, task())
    assert seen == [Views(20, 0.6, 1.3, 0.2)] * 6  # a batch each
    assert (plain["step"][-1], control["step"][-1]) == (2, 6)


def test_encoder_and_head_have_their_own_rates(pretrained):
    """The classic mistake: an optimiser built before the new head is attached."""
    rates = {"encoder_learning_rate": 0.0, "head_learning_rate": 0.001}
    one, _ = fit(finetune, task(encoder=pretrained), **rates)
    other, _ = fit(finetune, task(encoder=pretrained), **rates | {"steps": 4})
    weights = dict(pretrained.named_parameters())
    assert all(torch.equal(p, weights[name]) for name, p in one.encoder.named_parameters())
    assert not torch.equal(one.head.weight, other.head.weight)


def test_finetuning_starts_at_the_probe(pretrained):
    given = task(encoder=pretrained)
    found, _ = fit(finetune, given, encoder_learning_rate=0.0, head_learning_rate=1e-12)
    tested = labelled(30)[0]
    head = fit_linear(features(pretrained, given.images), given.labels, PARAMS["probe_l2"])
    probe = joined(pretrained, head)(to_float(tested)).detach()
    torch.testing.assert_close(predict(found, tested), probe, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("update_norm", [True, False])
def test_finetuning_trains_all_but_the_encoder_it_was_given(pretrained, update_norm):
    given = task(encoder=pretrained)
    before, pixels = state(pretrained), given.images.clone()
    found, _ = fit(finetune, given, update_norm=update_norm)
    changed = moved(found.encoder, before)
    assert {"layers.conv1.weight", "layers.norm1.weight"} <= changed
    assert statistics(changed) == (statistics(before) if update_norm else set())
    assert not moved(pretrained, before) and not pretrained.training
    assert torch.equal(given.images, pixels)


def test_the_kept_weights_are_the_running_mean(monkeypatch):
    """With a decay of one, the plain mean of the weights after each step."""
    model, after = network(), []
    real = supervised.average

    def average(mean, model, share):
        real(mean, model, share)
        after.append(model.head.weight.detach().clone())

    monkeypatch.setattr(supervised, "average", average)
    train(model, *labelled(), recipe(steps=3, ema_decay=1.0))
    assert len(after) == 3 and not torch.equal(after[0], after[2])
    torch.testing.assert_close(model.head.weight.detach(), torch.stack(after).mean(0))


def test_smoothed_targets_keep_the_loss_from_falling_to_0():
    hard = train(network(), *labelled(), recipe(steps=60))["loss"][-1]
    smooth = train(network(), *labelled(), recipe(steps=60, label_smoothing=0.3))["loss"][-1]
    assert hard < 0.3 < smooth
