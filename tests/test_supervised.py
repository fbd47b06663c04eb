"""Training on few labels: what moves and what must not, batches, the two recipes built on it."""

import pytest
import torch

from simclr import params, supervised
from simclr.augment import Views, to_float
from simclr.errors import UserError
from simclr.model import Classifier, Encoder
from simclr.probe import classifier, features, fit_linear
from simclr.supervised import Recipe, finetuning, from_scratch, train

PLAIN = Recipe(
    epochs=2,
    min_steps=1,
    batch_size=10,
    encoder_rate=0.003,
    head_rate=0.003,
    weight_decay=0.0,
    views=None,
    update_norm=True,
    seed=0,
    device="cpu",
    precision="fp32",
)


def recipe(**changes):
    return Recipe(**(vars(PLAIN) | changes))


def settings(stage, **changes):
    here = {"device": "cpu", "precision": "fp32", "epochs": 1, "min_steps": 1, "batch_size": 10}
    return params.load(stage, "smoke").model_copy(update=here | changes)


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
    return {
        name for name, value in model.state_dict().items() if not torch.equal(value, before[name])
    }


def statistics(names):
    return {n for n in names if n.endswith(("running_mean", "running_var", "num_batches_tracked"))}


@pytest.fixture(scope="module")
def pretrained():
    """An encoder with batch-norm statistics of its own, as pre-training leaves one."""
    torch.manual_seed(2)
    encoder = Encoder()
    encoder(to_float(labelled()[0]))
    return encoder.eval()


def test_loss_falls_and_accuracy_is_a_fraction():
    history = train(network(), *labelled(), recipe(epochs=6))
    assert history.columns.tolist() == ["epoch", "loss", "accuracy"]
    assert history["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    assert history["loss"].iloc[-1] < 0.5 * history["loss"].iloc[0]
    assert history["accuracy"].between(0, 1).all() and history["accuracy"].iloc[-1] > 0.8


def test_a_training_that_diverges_is_told():
    with pytest.raises(
        UserError, match=r"the loss is nan in epoch \d: training diverged; lower the"
    ):
        train(network(), *labelled(), recipe(epochs=3, head_rate=1e30, encoder_rate=1e30))


def test_bf16_trains_fp32_weights():
    model = network()
    before = state(model)
    history = train(model, *labelled(10), recipe(epochs=1, precision="bf16"))
    exact = train(network(), *labelled(10), recipe(epochs=1))
    assert history["loss"][0] == pytest.approx(exact["loss"][0], rel=0.02)
    assert history["loss"][0] != exact["loss"][0]
    assert {"head.weight", "encoder.layers.conv1.weight"} <= moved(model, before)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_statistics_move_with_update_norm():
    model = network()
    before = state(model)
    train(model, *labelled(), recipe(epochs=1))
    assert statistics(moved(model, before)) == statistics(before)


def test_statistics_stay_without_update_norm_while_weights_move():
    model = network(dropout_conv=0.1)
    before, live = state(model), []
    model.encoder.layers.drop1.register_forward_pre_hook(lambda m, _: live.append(m.training))
    train(model, *labelled(), recipe(epochs=1, update_norm=False))
    changed = moved(model, before)
    assert not statistics(changed)
    assert {"head.weight", "encoder.layers.conv1.weight", "encoder.layers.norm1.weight"} <= changed
    assert live == [True, True]  # batch norm alone is in eval mode, dropout is not


def test_encoder_rate_0_trains_the_head_alone():
    model = network()
    before = state(model)
    train(model, *labelled(), recipe(encoder_rate=0.0, weight_decay=0.1, update_norm=False))
    assert moved(model, before) == {"head.weight", "head.bias"}


@pytest.mark.parametrize(
    "n, batch_size, sizes",
    [
        (8, 8, [8]),
        (6, 8, [6]),
        (9, 8, [4, 5]),
        (17, 8, [5, 6, 6]),
        (20, 10, [10, 10]),
        (5, 2, None),
    ],
)
def test_an_epoch_is_cut_into_equal_batches_of_every_image(n, batch_size, sizes):
    """Batch norm cannot take a batch of one image, even where pairs were asked for."""
    model, batches = network(), []
    model.register_forward_pre_hook(lambda m, inputs: batches.append(inputs[0].clone()))
    images, labels = labelled(n)
    train(model, images, labels, recipe(epochs=1, batch_size=batch_size))
    found = sorted(len(batch) for batch in batches)
    assert found == sizes if sizes else min(found) >= 2
    seen = {image.numpy().tobytes() for image in torch.cat(batches)}
    assert seen == {image.numpy().tobytes() for image in to_float(images)}
    assert sum(found) == n


@pytest.mark.parametrize("epochs, min_steps, expected", [(1, 5, 3), (2, 4, 2), (3, 1, 3)])
def test_epochs_are_added_until_there_are_enough_steps(epochs, min_steps, expected):
    """Two batches an epoch here."""
    history = train(network(), *labelled(), recipe(epochs=epochs, min_steps=min_steps))
    assert len(history) == expected


def test_order_differs_between_epochs():
    model, batches = network(), []
    model.register_forward_pre_hook(lambda m, inputs: batches.append(inputs[0].clone()))
    train(model, *labelled(), recipe(epochs=2))
    assert not torch.equal(torch.cat(batches[:2]), torch.cat(batches[2:]))


def test_optimiser_holds_every_parameter_once_and_ends_at_rate_0(monkeypatch, pretrained):
    """The classic mistake: an optimiser built before the new head is attached."""
    made, adamw = [], torch.optim.AdamW

    def record(*args, **kwargs):
        made.append(adamw(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(supervised.torch.optim, "AdamW", record)
    rates = {"encoder_learning_rate": 0.0003, "head_learning_rate": 0.001}
    model, _ = finetuning(settings("finetune", epochs=2, min_steps=5, **rates), pretrained)(
        *labelled(), 0
    )
    encoder, head = made[0].param_groups
    assert [id(p) for p in encoder["params"]] == [id(p) for p in model.encoder.parameters()]
    assert [id(p) for p in head["params"]] == [id(p) for p in model.head.parameters()]
    assert encoder["lr"] == head["lr"] == pytest.approx(0, abs=1e-12)
    assert (encoder["initial_lr"], head["initial_lr"]) == (0.0003, 0.001)


def test_finetuning_starts_at_the_probe_and_leaves_its_encoder_alone(pretrained):
    images, labels = labelled()
    before = state(pretrained)
    still = settings("finetune", encoder_learning_rate=0.0, head_learning_rate=1e-12)
    model, _ = finetuning(still, pretrained)(images, labels, 0)
    probe = classifier(pretrained, fit_linear(features(pretrained, images), labels, still.l2))
    x = to_float(images)
    torch.testing.assert_close(model.eval()(x), probe(x), rtol=1e-4, atol=1e-4)
    assert model.encoder is not pretrained and not moved(pretrained, before)


@pytest.mark.parametrize("update_norm", [True, False])
def test_finetuning_trains_encoder_and_head_but_not_the_one_it_was_given(pretrained, update_norm):
    images, labels = labelled()
    before, pixels = state(pretrained), images.clone()
    model, history = finetuning(settings("finetune", update_norm=update_norm), pretrained)(
        images, labels, 0
    )
    head = fit_linear(features(pretrained, images), labels, settings("finetune").l2)
    assert not torch.equal(model.head.weight, head.weight)
    assert "layers.conv1.weight" in moved(model.encoder, before)
    assert bool(statistics(moved(model.encoder, before))) is update_norm
    assert not moved(pretrained, before) and not pretrained.training
    assert torch.equal(images, pixels) and len(history) == 1


def test_from_scratch_depends_on_the_draw_and_on_nothing_else():
    images, labels = labelled()
    fit = from_scratch(settings("baseline"), augmented=False)
    first, curve = fit(images, labels, 3)
    torch.manual_seed(99)
    again, same_curve = fit(images, labels, 3)
    other, _ = fit(images, labels, 4)
    assert not moved(again, state(first)) and same_curve.equals(curve)
    assert "encoder.layers.conv1.weight" in moved(other, state(first))
    reseeded, _ = from_scratch(settings("baseline", seed=1), augmented=False)(images, labels, 3)
    assert "encoder.layers.conv1.weight" in moved(reseeded, state(first))


def test_draws_of_one_seed_are_not_those_of_the_next():
    seeds = {
        supervised._seed(settings("baseline", seed=s), draw) for s in (0, 1) for draw in (0, 9999)
    }
    assert len(seeds) == 4


def test_the_control_has_its_own_least_number_of_steps():
    chosen = settings("baseline", augmented_epochs=1, augmented_min_steps=6)
    lengths = [len(from_scratch(chosen, way)(*labelled(), 0)[1]) for way in (False, True)]
    assert lengths == [1, 3]  # epochs of two batches


def test_only_the_control_is_augmented_and_only_it_has_its_epochs(monkeypatch):
    seen, draw = [], Views.__call__

    def record(self, images, generator):
        seen.append(self)
        return draw(self, images, generator)

    monkeypatch.setattr(Views, "__call__", record)
    images, labels = labelled()
    chosen = settings("baseline", epochs=1, augmented_epochs=2)
    plain, short = from_scratch(chosen, augmented=False)(images, labels, 0)
    assert not seen
    augmented, long = from_scratch(chosen, augmented=True)(images, labels, 0)
    assert seen == [Views(20, 0.6, 1.3, 0.2)] * 4  # two epochs of two batches
    assert (len(short), len(long)) == (1, 2)
    assert long["loss"][0] != short["loss"][0]
    assert "encoder.layers.conv1.weight" in moved(augmented, state(plain))
