"""Pre-training: schedule, batches, checkpoints; interrupted, it ends with the same weights."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from simclr import loss, pretrain
from simclr.augment import Views, to_float
from simclr.errors import UserError
from simclr.experiment.encode import encode
from simclr.pretrain import learning_rate, new_network, pretrained, untrained
from simclr.weights import load_encoder

BATCH, IMAGES, STEPS = 8, 20, 2  # two batches an epoch, four images left out
PLAIN = {"epochs": 3, "batch_size": BATCH, "temperature": 0.5, "learning_rate": 0.001}
PLAIN |= {"weight_decay": 0.000001, "warmup_epochs": 1.0, "projection_hidden": 32}
PLAIN |= {"projection_size": 16, "rotation": 45.0, "crop_scale": 0.5, "crop_aspect": 1.333}
PLAIN |= {"blur": 2.0, "blur_least": 0.1, "nearest": 0, "network": "source"}


def settings(**changes):
    return SimpleNamespace(**PLAIN | changes)


def pictures(n=IMAGES, seed=0):
    """(n, 28, 28) uint8: four by four random squares, unlike each other."""
    coarse = torch.randint(0, 256, (n, 4, 4), generator=torch.Generator().manual_seed(seed))
    return coarse.repeat_interleave(7, 1).repeat_interleave(7, 2).to(torch.uint8)


def run(checkpoint, progress=lambda text: None, validation=1, seed=0, dtype=None, **changes):
    given = pictures(), pictures(BATCH, validation), settings(**changes), seed
    return pretrained(*given, dtype or torch.float32, checkpoint, progress)


def weights(result):
    """Everything that a run ends with: weights, batch-norm statistics, losses."""
    encoder, history = result
    columns = ["epoch", "train_loss", "validation_loss", "alignment", "uniformity", "learning_rate"]
    losses = torch.tensor(history[columns].to_numpy(float)).nan_to_num(-1)
    return encoder.state_dict() | {"history": losses}


def assert_same(one, other):
    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert not different


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Three epochs without an interruption: the result and its checkpoint."""
    checkpoint = tmp_path_factory.mktemp("straight") / "checkpoint.pt"
    return run(checkpoint), checkpoint


@pytest.mark.parametrize("steps, warmup", [(97, 1), (5, 0), (5, 1.5), (7, 0.3), (7, 0.05)])
def test_learning_rate_warms_up_to_its_peak_then_falls_to_0(steps, warmup):
    p = settings(epochs=4, warmup_epochs=float(warmup), learning_rate=0.01)
    rates = [learning_rate(p, step, steps) for step in range(4 * steps)]
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(0.01) and min(rates) > 0
    assert rates[: top + 1] == sorted(rates[: top + 1]) and rates[top:] == sorted(rates[top:])[::-1]
    assert rates[-1] < 0.01 * (math.pi / 2 / (4 * steps - warmup * steps - 1)) ** 2 * 1.2
    assert learning_rate(p, 4 * steps, steps) == pytest.approx(0, abs=1e-12)


def test_history_has_a_row_an_epoch_and_one_before(straight):
    (encoder, history), _ = straight
    names = "train_loss validation_loss alignment uniformity learning_rate views_per_second"
    assert set(history) == {"epoch", "seconds", *names.split()}
    # 20 images in batches of 8 are two steps an epoch; a schedule for 2.5 would not reach 0
    rates = [learning_rate(settings(), STEPS * epoch - 1, STEPS) for epoch in (1, 2, 3)]
    assert history["learning_rate"].tolist()[1:] == rates
    assert history["epoch"].tolist() == [0, 1, 2, 3]
    assert math.isnan(history["train_loss"][0])
    assert history.loc[1:].notna().all(axis=None)
    assert history.loc[0, ["validation_loss", "alignment", "uniformity", "seconds"]].notna().all()
    speed = 2 * STEPS * BATCH / history["seconds"][3]
    assert history["views_per_second"][3] == pytest.approx(speed)
    assert not any(part.training for part in encoder.modules())
    assert encoder.layers.norm1.num_batches_tracked == 3 * STEPS


def test_training_lowers_both_losses(tmp_path):
    changes = {"learning_rate": 0.003, "warmup_epochs": 0.0, "rotation": 10.0, "blur": 0.0}
    _, history = run(tmp_path / "c.pt", epochs=6, validation=0, **changes)
    assert history["train_loss"][6] < history["train_loss"][1] - 0.1
    assert history["validation_loss"][6] < history["validation_loss"][0]


def test_in_bf16_the_weights_stay_fp32_and_the_losses_are_nearly_the_same(straight, tmp_path):
    encoder, history = run(tmp_path / "c.pt", dtype=torch.bfloat16)
    assert {weight.dtype for weight in encoder.parameters()} == {torch.float32}
    exact = straight[0][1]
    assert not history.train_loss.equals(exact.train_loss)
    np.testing.assert_allclose(history.train_loss[1:], exact.train_loss[1:], rtol=0.05)


def test_the_seed_decides_and_validation_changes_nothing(straight, tmp_path):
    torch.manual_seed(99)  # what went before does not matter
    assert_same(weights(run(tmp_path / "same.pt")), weights(straight[0]))
    other = run(tmp_path / "other.pt", seed=1)[0].layers.conv1.weight
    assert not torch.equal(other, straight[0][0].layers.conv1.weight)
    watched = weights(run(tmp_path / "watched.pt", validation=2))  # by other validation images
    assert not torch.equal(watched.pop("history"), weights(straight[0])["history"])
    assert_same(watched, straight[0][0].state_dict())


def test_views_are_new_each_epoch_but_the_same_for_validation(tmp_path, monkeypatch):
    seen, draw = [], Views.__call__

    def record(self, images, generator, share):
        out = draw(self, images, generator, share)
        seen.append((images, out))
        return out

    monkeypatch.setattr(Views, "__call__", record)
    run(tmp_path / "c.pt", epochs=2)
    for (images, first), (again, second) in zip(seen[::2], seen[1::2], strict=True):
        assert torch.equal(images, again) and not torch.equal(first, second)  # two views of each
    before, one, middle, two, after = seen[:2], seen[2:6], seen[6:8], seen[8:12], seen[12:]
    for (_, first), (_, second), (_, third) in zip(before, middle, after, strict=True):
        assert torch.equal(first, second) and torch.equal(first, third)
    for epoch in (one, two):
        visited = torch.cat([epoch[0][0], epoch[2][0]]).flatten(1)
        assert len(visited.unique(dim=0)) == STEPS * BATCH  # no image twice
    assert not torch.equal(one[0][0], two[0][0])


@pytest.mark.parametrize("damage", ["empty", "half", "other network"])
def test_a_damaged_checkpoint_is_named_and_kept(straight, tmp_path, damage):
    content, file = straight[1].read_bytes(), tmp_path / "c.pt"
    file.write_bytes(content[: len(content) // 2] if damage == "half" else b"")
    if damage == "other network":
        state = torch.load(straight[1], weights_only=True)
        del state["network"]["1.0.bias"]
        torch.save(state, file)
    with pytest.raises(UserError, match=r"c\.pt: cannot be read.*delete the file"):
        run(file)
    assert file.exists()


def test_a_training_that_diverges_is_told_and_its_weights_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(loss, "nt_xent", lambda z, temperature: z.sum() * math.nan)
    with pytest.raises(UserError, match="the loss is nan in epoch 1: training diverged; lower"):
        run(tmp_path / "c.pt")
    assert len(torch.load(tmp_path / "c.pt")["history"]) == 1  # that of before training
    with pytest.raises(UserError, match=r"batch_size: 64 .* 20"):  # fewer images than a batch
        run(tmp_path / "c.pt", batch_size=64)


def test_an_untrained_encoder_has_the_weights_of_the_start_and_the_images_statistics(monkeypatch):
    given = pictures(40), None, settings(), 0, torch.float32
    encoder, history = untrained(*given, Path("unused"), print)
    start = new_network(settings(), seed=0)[0]
    assert history.empty and not any(part.training for part in encoder.modules())
    assert_same(dict(encoder.named_parameters()), dict(start.named_parameters()))
    first, norm = start.layers.conv1(to_float(pictures(40))), encoder.layers.norm1
    torch.testing.assert_close(norm.running_mean, first.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, first.var((0, 2, 3)), rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(pretrain, "BATCH", 10)  # a mean over batches, each weighing the same
    again, _ = untrained(*given)
    torch.testing.assert_close(again.layers.norm1.running_mean, norm.running_mean)


def job(folder):
    """A job on images without labels; the pool's last twenty are unlabelled."""
    images = np.zeros((60_000, 28, 28), np.uint8)
    images[49_980:50_000], images[50_000:50_008] = pictures(), pictures(BATCH, 1)
    np.save(folder / "train_images.npy", images)
    np.save(folder / "unlabelled_balanced.npy", np.arange(49_980, 50_000))
    inputs = {"train": "simclr.pretrain:pretrained", "seed": 0, "device": "cpu", "precision": "fp32"}
    sizes = {"unlabelled_images": IMAGES, "validation_images": BATCH}
    inputs |= {"params": PLAIN | sizes, "balanced": True, "kept": [2]}
    (folder / "result").mkdir()
    return SimpleNamespace(inputs=inputs, reads={}, data=folder, folder=folder / "result")


def test_a_job_reads_no_label_and_leaves_encoder_and_history(straight, tmp_path):
    done = job(tmp_path)  # no file of labels is there, nor one of test images
    encode(done, lambda text: None)
    history, encoder, kept = sorted(done.folder.iterdir())[::-1]
    assert (encoder.name, history.name) == ("encoder.safetensors", "history.csv")
    assert kept.name == "encoder-2.safetensors"  # on the way
    assert load_encoder(kept).layers.norm1.num_batches_tracked == 2 * STEPS
    found = load_encoder(encoder), pd.read_csv(history)
    assert_same(weights(found), weights(straight[0]))


def test_a_job_that_is_killed_goes_on_and_ends_with_the_same_weights(straight, tmp_path, monkeypatch):
    saves, write = [], Path.write_bytes

    def half(file, content):  # as a kill in the midst of a checkpoint leaves it
        saves.append(file)
        write(file, content if len(saves) < 3 else content[: len(content) // 2])
        if len(saves) == 3:
            raise KeyboardInterrupt

    begun, lines = job(tmp_path), []
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "write_bytes", half)
        encode(begun, lines.append)
    lines.clear()
    encode(begun, lines.append)
    assert len(lines) == 2 and "epoch 2/3" in lines[0]  # the first epoch is not done again
    found = load_encoder(begun.folder / "encoder.safetensors").state_dict()
    assert_same(found, straight[0][0].state_dict())


def test_a_finished_checkpoint_is_not_trained_further(straight):
    again = run(straight[1], progress=lambda text: pytest.fail(f"trained again: {text}"))
    assert_same(weights(again), weights(straight[0]))


def test_with_neighbours_the_second_view_is_of_one_of_them():
    """Images of one grey each, so that a view says of which image it is."""
    images = (torch.arange(12, dtype=torch.uint8) * 20)[:, None, None].expand(-1, 28, 28)
    partners = torch.stack([torch.arange(12).roll(-1), torch.arange(12).roll(-2)], dim=1)
    seen = []
    for epoch in range(8):
        generator = torch.Generator().manual_seed(epoch)
        for pairs in pretrain.positive_pairs(12, 4, generator, partners):
            batch = pretrain.views_of_pairs(images, pairs, Views(), generator)
            first, second = (batch.mean((1, 2, 3)) * 255 / 20).round().long().chunk(2)
            seen += ((second - first) % 12).tolist()
    assert set(seen) == {1, 2}


def test_neighbours_are_found_again_each_epoch_by_the_encoder_as_it_is(tmp_path, monkeypatch):
    found = []

    def nearest(h, k):
        found.append(h.clone())
        return real(h, k)

    real = pretrain.nearest
    monkeypatch.setattr(pretrain, "nearest", nearest)
    run(tmp_path / "checkpoint.pt", epochs=2, nearest=3)
    assert len(found) == 2 and not torch.equal(*found)
