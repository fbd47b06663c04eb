"""Pre-training: schedule, batches, checkpoints; interrupted, it ends with the same weights."""

import io
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from simclr import loss, params
from simclr.augment import Views
from simclr.errors import UserError
from simclr.pretrain import learning_rate, pretrain, untrained

BATCH, IMAGES, STEPS = 8, 20, 2  # two batches an epoch, four images left out


def settings(**changes):
    plain = {"epochs": 3, "batch_size": BATCH, "warmup_epochs": 1.0, "projection_hidden": 32}
    plain |= {"projection_size": 16, "device": "cpu", "precision": "fp32"}
    return params.load("pretrain", "smoke").model_copy(update=plain | changes)


def pictures(n=IMAGES, seed=0):
    """(n, 28, 28) uint8: four by four random squares, unlike each other."""
    coarse = torch.randint(0, 256, (n, 4, 4), generator=torch.Generator().manual_seed(seed))
    return coarse.repeat_interleave(7, 1).repeat_interleave(7, 2).to(torch.uint8)


def run(checkpoint, progress=lambda text: None, validation=1, **changes):
    return pretrain(
        pictures(), pictures(BATCH, validation), settings(**changes), checkpoint, progress
    )


def weights(result):
    """Everything that a run ends with: weights, batch-norm statistics, losses."""
    encoder, head, history = result
    values = {**encoder.state_dict(prefix="f."), **head.state_dict(prefix="g.")}
    columns = ["epoch", "train_loss", "validation_loss", "alignment", "uniformity", "learning_rate"]
    values["history"] = torch.tensor(history[columns].to_numpy(float)).nan_to_num(-1)
    return values


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


def test_warm_up_is_linear_and_its_last_step_has_the_peak():
    p = settings(epochs=4, warmup_epochs=2.0, learning_rate=0.01)
    rates = [learning_rate(p, step, 5) for step in range(10)]
    assert rates == pytest.approx([0.001 * (step + 1) for step in range(10)])


def test_schedule_ends_with_the_last_step_taken(straight):
    """20 images in batches of 8 are two steps an epoch; a schedule for 2.5 would not reach 0."""
    (_, _, history), _ = straight
    expected = [learning_rate(settings(), STEPS * epoch - 1, STEPS) for epoch in (1, 2, 3)]
    assert history["learning_rate"].tolist()[1:] == expected


def test_history_has_a_row_an_epoch_and_one_before(straight):
    (_, _, history), _ = straight
    assert set(history) == {
        "epoch",
        "train_loss",
        "validation_loss",
        "alignment",
        "uniformity",
        "learning_rate",
        "seconds",
        "views_per_second",
    }
    assert history["epoch"].tolist() == [0, 1, 2, 3]
    assert math.isnan(history["train_loss"][0])
    assert history.loc[1:].notna().all(axis=None)
    assert history.loc[0, ["validation_loss", "alignment", "uniformity", "seconds"]].notna().all()
    assert history["views_per_second"][3] == pytest.approx(
        2 * STEPS * BATCH / history["seconds"][3]
    )


def test_encoder_and_head_come_back_trained_and_in_eval_mode(straight):
    (encoder, head, _), _ = straight
    assert not any(part.training for part in [*encoder.modules(), *head.modules()])
    start = untrained(settings().seed).state_dict()
    assert not torch.equal(encoder.layers.conv1.weight, start["layers.conv1.weight"])
    assert encoder.layers.norm1.num_batches_tracked == 3 * STEPS


def test_training_lowers_both_losses(tmp_path):
    changes = {"learning_rate": 0.003, "warmup_epochs": 0.0, "rotation": 10.0, "blur": 0.0}
    _, _, history = run(tmp_path / "c.pt", epochs=6, validation=0, **changes)
    assert history["train_loss"][6] < history["train_loss"][1] - 0.1
    assert history["validation_loss"][6] < history["validation_loss"][0]


def test_bf16_computes_the_same_losses_and_keeps_fp32_weights(straight, tmp_path):
    encoder, _, history = run(tmp_path / "c.pt", epochs=1, warmup_epochs=0.0, precision="bf16")
    exact = straight[0][2]["validation_loss"][0]
    assert history["validation_loss"][0] == pytest.approx(exact, rel=0.01)
    assert history["validation_loss"][0] != exact and math.isfinite(history["train_loss"][1])
    assert encoder.layers.conv1.weight.dtype == torch.float32


def test_the_seed_decides(straight, tmp_path):
    torch.manual_seed(99)  # what went before does not matter
    assert_same(weights(run(tmp_path / "same.pt")), weights(straight[0]))
    other = weights(run(tmp_path / "other.pt", seed=1))
    assert not torch.equal(
        other["f.layers.conv1.weight"], straight[0][0].state_dict()["layers.conv1.weight"]
    )


def test_validation_images_change_no_weight_and_no_statistic(straight, tmp_path):
    other = weights(run(tmp_path / "c.pt", validation=2))
    expected = weights(straight[0])
    assert not torch.equal(other.pop("history"), expected.pop("history"))
    assert_same(other, expected)


def test_views_are_new_each_epoch_but_the_same_for_validation(tmp_path, monkeypatch):
    seen, draw = [], Views.__call__

    def record(self, images, generator):
        out = draw(self, images, generator)
        seen.append((images, out))
        return out

    monkeypatch.setattr(Views, "__call__", record)
    run(tmp_path / "c.pt", epochs=2)
    for (images, first), (again, second) in zip(seen[::2], seen[1::2], strict=True):
        assert torch.equal(images, again) and not torch.equal(first, second)  # two views of each
    before, one, middle, two, after = seen[:2], seen[2:6], seen[6:8], seen[8:12], seen[12:]
    for call in range(2):
        assert torch.equal(before[call][1], middle[call][1])
        assert torch.equal(before[call][1], after[call][1])
    for epoch in (one, two):
        visited = torch.cat([epoch[0][0], epoch[2][0]]).flatten(1)
        assert len(visited.unique(dim=0)) == STEPS * BATCH  # no image twice
    assert not torch.equal(one[0][0], two[0][0])


class Stop(Exception):
    pass


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt])
def test_interrupted_in_an_epoch_it_ends_with_the_same_weights(straight, tmp_path, error):
    def interrupt(text):
        if "epoch 2/3" in text:
            raise error

    with pytest.raises(error):
        run(tmp_path / "c.pt", interrupt)
    lines = []
    result = run(tmp_path / "c.pt", lines.append)
    assert_same(weights(result), weights(straight[0]))
    assert len(lines) == 2 and "epoch 2/3" in lines[0]  # the first epoch is not done again


def train_until_killed(checkpoint, moment):
    """What the child of the next test does: kill itself in the second epoch."""
    saves, save = [], torch.save

    def half(state, file):
        saves.append(file)
        if len(saves) < 2:
            return save(state, file)
        buffer = io.BytesIO()
        save(state, buffer)
        Path(file).write_bytes(buffer.getvalue()[: buffer.tell() // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    def step(text):
        if "epoch 2/3" in text:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.save = half
    run(Path(checkpoint), step if moment == "step" else lambda text: None)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["step", "write"])
def test_killed_it_ends_with_the_same_weights(straight, tmp_path, moment):
    code = "import sys, test_pretrain as t; t.train_until_killed(*sys.argv[1:])"
    child = [sys.executable, "-c", code, str(tmp_path / "c.pt"), moment]
    done = subprocess.run(child, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert_same(weights(run(tmp_path / "c.pt")), weights(straight[0]))


def test_a_write_that_fails_leaves_the_old_checkpoint(straight, tmp_path, monkeypatch):
    save = torch.save

    def fail(state, file):
        if len(state["history"]) == 3:  # the second epoch's
            Path(file).write_bytes(b"half")
            raise OSError("disk full")
        save(state, file)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fail)
        with pytest.raises(OSError, match="disk full"):
            run(tmp_path / "c.pt")
    assert [file.name for file in tmp_path.iterdir()] == ["c.pt"]  # no half file beside it
    assert_same(weights(run(tmp_path / "c.pt")), weights(straight[0]))


@pytest.mark.parametrize("damaged", [b"", b"no checkpoint at all", None])
def test_a_damaged_checkpoint_is_named_and_kept(straight, tmp_path, damaged):
    content = straight[1].read_bytes()
    file = tmp_path / "c.pt"
    file.write_bytes(content[: len(content) // 2] if damaged is None else damaged)
    with pytest.raises(UserError, match=r"c\.pt: cannot be read.*delete the file"):
        run(file)
    assert file.exists()


def test_a_checkpoint_of_another_network_is_refused(straight, tmp_path):
    state = torch.load(straight[1], weights_only=True)
    del state["network"]["1.0.bias"]
    torch.save(state, tmp_path / "c.pt")
    with pytest.raises(UserError, match=r"c\.pt: made with another network; delete the file"):
        run(tmp_path / "c.pt")


def test_a_finished_checkpoint_is_not_trained_further(straight):
    result, checkpoint = straight
    written = checkpoint.stat().st_mtime_ns
    again = run(checkpoint, progress=lambda text: pytest.fail(f"trained again: {text}"))
    assert_same(weights(again), weights(result))
    assert not again[0].training and checkpoint.stat().st_mtime_ns == written


@pytest.mark.parametrize("changed", [{"epochs": 4}, {"temperature": 0.1}, {"projection_size": 8}])
def test_a_checkpoint_of_other_parameters_is_refused(straight, changed):
    _, checkpoint = straight
    ((name, value),) = changed.items()
    before = checkpoint.read_bytes()
    with pytest.raises(UserError) as error:
        run(checkpoint, **changed)
    said = str(error.value)
    assert str(checkpoint) in said and f"{name} = {value}" in said and "\n" not in said
    assert f"{name} = {getattr(settings(), name)}" in said
    assert checkpoint.read_bytes() == before


def test_fewer_images_than_a_batch_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"batch_size: 64 .* 20"):
        run(tmp_path / "c.pt", batch_size=64)


def test_a_training_that_diverges_is_told_and_leaves_no_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(loss, "nt_xent", lambda z, temperature: z.sum() * math.nan)
    with pytest.raises(UserError, match="the loss is nan in epoch 1: training diverged; lower"):
        run(tmp_path / "c.pt")
    assert not list(tmp_path.iterdir())


def test_a_batch_of_all_images_and_one_of_the_rest(tmp_path):
    """Exactly one batch, and a rest of one image, for which there is no negative."""
    one = settings(epochs=1, warmup_epochs=0.0)
    for n in (BATCH, BATCH + 1):
        _, _, history = pretrain(pictures(n), pictures(BATCH), one, tmp_path / f"{n}.pt")
        assert math.isfinite(history["train_loss"][1])
