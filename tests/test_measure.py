"""Draws, prefixes and samples of the test set: what is fitted, tested and kept."""

import os

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from simclr import data, evaluate, files, measure, params, paths, results
from simclr.augment import to_float
from simclr.errors import UserError
from simclr.model import Classifier, Encoder

TESTS, SAMPLE = 300, 120


def numbered(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """n images that carry their number in their first two pixels, and labels 0 to 9 in turn."""
    images = torch.zeros(n, 28, 28, dtype=torch.uint8)
    images[:, 0, 0], images[:, 0, 1] = torch.arange(n) % 256, torch.arange(n) // 256
    return images, torch.arange(n) % 10


def numbers_of(images: torch.Tensor) -> list[int]:
    return (images[:, 0, 0].int() + 256 * images[:, 0, 1].int()).tolist()


class Known(nn.Module):
    """Calls image i an (i mod 10), but a 0 where i is below `wrong`."""

    def __init__(self, wrong: int) -> None:
        super().__init__()
        self.wrong = wrong

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        number = (255 * x[:, 0, 0, 0] + 256 * 255 * x[:, 0, 0, 1]).round().long()
        called = torch.where(number < self.wrong, 0, number % 10)
        return 20.0 * nn.functional.one_hot(called, 10)


class Fit:
    """Stands for training; keeps what it was given."""

    def __init__(self, wrong: int = 0) -> None:
        self.calls: list[tuple[list[int], list[int], int]] = []
        self.wrong = wrong

    def __call__(self, images, labels, draw):
        self.calls.append((numbers_of(images), labels.tolist(), draw))
        return Known(self.wrong + draw), pd.DataFrame(
            {"epoch": [1], "loss": [2.0], "accuracy": 0.5}
        )


@pytest.fixture
def stage(tmp_path, monkeypatch) -> results.Stage:
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(measure, "workers", lambda device, jobs: 1)  # a fit can then be watched
    small = {"draws": [0, 1], "n_labels": [10, 20, 40], "test_images": TESTS, "device": "cpu"}
    small |= {"curve_test_images": SAMPLE, "precision": "fp32"}
    settings = params.load("probe", "smoke").model_dump() | small
    return results.Stage("probe", "runs/smoke/source", params.check("probe", settings))


@pytest.fixture
def tested(monkeypatch) -> list[list[int]]:
    """The numbers of the test images of each call of `predict`."""
    seen, real = [], measure.predict

    def predict(model, inputs, dtype):
        seen.append(numbers_of(inputs))
        return real(model, inputs, dtype)

    monkeypatch.setattr(measure, "predict", predict)
    return seen


def run(stage: results.Stage, fit: Fit, method: str = "probe", **options) -> dict:
    return measure.over_draws(stage, method, fit, numbered(600), numbered(TESTS), **options)


# ---- predict -------------------------------------------------------------------------------------


def test_predict_is_the_networks_softmax_in_eval_mode():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(784, 10)).train()
    images = torch.randint(0, 256, (1203, 28, 28), dtype=torch.uint8)  # more than a batch
    found = measure.predict(model, images)
    assert not model.training
    with torch.no_grad():
        torch.testing.assert_close(found, model(to_float(images)).softmax(1))
    assert found.dtype == torch.float32 and not found.requires_grad


def test_predict_takes_features_as_they_are():
    torch.manual_seed(0)
    head, features = nn.Linear(512, 10), torch.randn(7, 512)
    found = measure.predict(head, features)
    torch.testing.assert_close(found, head(features).softmax(1).detach())
    assert torch.equal(measure.predict(head, features, torch.bfloat16), found)


def test_classes_that_are_close_do_not_tie_in_bf16():
    """Two classes a thousandth apart: as bf16, whose digits are 0.8% apart, they would be one."""
    model = Classifier(Encoder())
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.copy_(torch.tensor([0.0] * 8 + [1.0, 1.001]))
    images = torch.randint(0, 256, (3, 28, 28), dtype=torch.uint8)
    assert measure.predict(model, images, torch.bfloat16).argmax(1).tolist() == [9, 9, 9]


# ---- over draws ----------------------------------------------------------------------------------


def test_every_draw_trains_on_nested_prefixes(stage):
    fit = Fit()
    run(stage, fit)
    assert [(len(images), draw) for images, _, draw in fit.calls] == [
        (n, k) for k in (0, 1) for n in (10, 20, 40)
    ]
    labels = numbered(600)[1].numpy()
    for images, given, k in fit.calls:
        chosen = data.draw(labels, "mnist", k, 40).tolist()
        assert images == chosen[: len(images)]
        assert given == labels[images].tolist()


def test_what_is_measured(stage):
    found = run(stage, Fit(wrong=50))
    assert list(found) == [0, 1]
    for k, draw in found.items():
        assert list(draw.rows.columns) == ["n_labels", "correct", "n_test", "accuracy", "seconds"]
        assert draw.rows.n_labels.tolist() == [10, 20, 40]
        assert draw.rows.n_test.tolist() == [SAMPLE, SAMPLE, TESTS]
        # images 0, 10, … are zeros, and so called rightly in spite of being wrong
        right = TESTS - sum(i % 10 != 0 for i in range(50 + k))
        assert draw.rows.correct.iloc[-1] == right
        assert (draw.rows.accuracy == draw.rows.correct / draw.rows.n_test).all()
        assert draw.probabilities.shape == (TESTS, 10)
        assert (draw.rows.seconds >= 0).all()
        assert draw.history.loss.tolist() == [2.0]


def test_small_points_see_a_sample_that_draws_do_not_share_and_methods_do(stage, tested):
    run(stage, Fit(), "probe")
    first = list(tested)
    run(stage, Fit(), "finetune")
    assert tested[6:] == first
    ten, twenty, forty = tested[:3]
    assert ten == twenty and len(set(ten)) == SAMPLE
    assert forty == list(range(TESTS))
    assert ten != tested[3]  # draw 1's


def test_what_is_there_is_not_fitted_again(stage):
    fit = Fit()
    first = run(stage, fit)
    again = run(stage, fit)
    assert len(fit.calls) == 6
    for k in first:
        pd.testing.assert_frame_equal(again[k].rows, first[k].rows)
    stage.draw_file("probe", 1).unlink()  # as after an interruption
    run(stage, fit)
    assert [draw for _, _, draw in fit.calls[6:]] == [1, 1, 1]


def test_an_interruption_keeps_the_draws_that_are_done(stage):
    class Interrupted(Fit):
        def __call__(self, images, labels, draw):
            if draw == 1 and len(images) == 40:
                raise KeyboardInterrupt
            return super().__call__(images, labels, draw)

    with pytest.raises(KeyboardInterrupt):
        run(stage, Interrupted())
    assert stage.draw_file("probe", 0).exists()
    assert not stage.draw_file("probe", 1).exists()


def test_methods_do_not_take_each_others_results(stage):
    first = run(stage, Fit(), "baseline")[0]
    second = run(stage, Fit(wrong=100), "baseline_augmented")[0]
    assert second.rows.correct.iloc[-1] < first.rows.correct.iloc[-1]


def test_the_first_draws_classifier_is_saved_whole(stage):
    made = []

    def whole(model):
        made.append(model)
        return nn.Linear(1, 1)

    run(stage, Fit(wrong=50), whole=whole)
    assert [model.wrong for model in made] == [50]  # of draw 0 alone, and not 51 of draw 1
    about = files.read_json(stage.folder / "classifier-probe.json")
    assert (about["method"], about["draw"], about["n_labels"]) == ("probe", 0, 40)
    assert about["accuracy"] == about["correct"] / about["n_test"]
    assert (stage.folder / "classifier-probe.safetensors").exists()


def test_progress_is_told(stage):
    said = []
    run(stage, Fit(), progress=said.append)
    assert [line.split("  ")[1] for line in said] == ["draw 0/2", "draw 1/2", "draw 2/2"]
    assert "100.00%" in said[1] and "0 min left" in said[-1]


class Draws:
    """A fit with real arithmetic, whose result depends on the draw and shows its threads."""

    def __call__(self, images, labels, draw):
        torch.manual_seed(draw)
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
        return model, pd.DataFrame(
            {"epoch": [1], "loss": [torch.get_num_threads()], "accuracy": [os.getpid()]}
        )


@pytest.mark.slow
def test_draws_side_by_side_give_what_they_give_one_by_one(stage, monkeypatch):
    threads = torch.get_num_threads()
    alone = run(stage, Draws(), "baseline")
    monkeypatch.setattr(measure, "workers", lambda device, jobs: 2)
    together = run(stage, Draws(), "finetune")
    assert list(together) == list(alone) == [0, 1]
    for k in alone:
        measured = [draw.rows.drop(columns="seconds") for draw in (alone[k], together[k])]
        pd.testing.assert_frame_equal(*measured)
        np.testing.assert_array_equal(alone[k].probabilities, together[k].probabilities)
        assert alone[k].history.loss[0] == together[k].history.loss[0] == 1  # thread
    assert {draw.history.accuracy[0] for draw in alone.values()} == {os.getpid()}
    assert os.getpid() not in {draw.history.accuracy[0] for draw in together.values()}
    assert torch.get_num_threads() == threads
    assert (stage.folder / "classifier-finetune.safetensors").exists()


class Fails(Fit):
    def __call__(self, images, labels, draw):
        if draw == 1:
            raise UserError("draw 1 cannot be had")
        return super().__call__(images, labels, draw)


@pytest.mark.slow
def test_an_error_in_a_draw_beside_others_is_the_callers(stage, monkeypatch):
    monkeypatch.setattr(measure, "workers", lambda device, jobs: 2)
    with pytest.raises(UserError, match="draw 1 cannot be had"):
        run(stage, Fails())
    assert not stage.draw_file("probe", 1).exists()


def test_as_many_draws_at_a_time_as_there_are_threads_and_one_on_a_gpu(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr(measure, "cpu_count", lambda: 8)
    pages = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**24}
    monkeypatch.setattr(os, "sysconf", pages.get)
    workers = [measure.workers(torch.device("cpu"), jobs) for jobs in (0, 1, 3, 10)]
    assert workers == [1, 1, 3, 4]
    assert measure.workers(torch.device("cuda"), 10) == 1
    monkeypatch.setattr(measure, "cpu_count", lambda: 3)  # in a container
    assert measure.workers(torch.device("cpu"), 10) == 3
    pages["SC_PHYS_PAGES"] = 2**20  # 4 GiB
    assert measure.workers(torch.device("cpu"), 10) == 2


def test_curves_and_histories_put_draws_together(stage):
    found = run(stage, Fit())
    curve = evaluate.curve(found, "probe")
    assert len(curve) == 6 and set(curve.method) == {"probe"}
    assert {"method", "draw", "n_labels", "accuracy"} <= set(curve.columns)
    history = evaluate.histories(found, "probe")
    assert history.draw.tolist() == [0, 1]
    assert {"method", "draw", "epoch", "loss", "accuracy"} == set(history.columns)


def test_the_confusion_matrix_agrees_with_the_accuracy_where_two_classes_nearly_tie(stage):
    """Kept in half precision, two probabilities may become the same; both must then count alike."""

    class Tie(nn.Module):
        def forward(self, x):
            logits = torch.zeros(len(x), 10)
            logits[:, 3], logits[:, 8] = 9.0, 9.00001  # an 8 by a hair
            return logits

    def fit(images, labels, draw):
        return Tie(), pd.DataFrame({"epoch": [1], "loss": [1.0], "accuracy": [0.5]})

    pool, (images, _) = numbered(600), numbered(TESTS)
    eights = torch.full((TESTS,), 8)
    found = measure.over_draws(stage, "probe", fit, pool, (images, eights))
    matrix = evaluate.confusion(found, eights.numpy())
    assert matrix.trace() == found[0].rows.correct.iloc[-1]
