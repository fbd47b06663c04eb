"""The protocol of a label draw: on what a classifier is tested, and what is counted and kept."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from simclr import data
from simclr.draws import Task, measure, sample_rows
from simclr.experiment import measure as job_of
from simclr.model import Classifier, Encoder, predict
from simclr.weights import load_classifier, load_encoder, save_network

HISTORY = {"step": [4, 8], "loss": [2.0, 1.0], "accuracy": [0.5, 0.75]}


def test_the_sample_of_test_images_is_the_draws_own():
    rows = sample_rows(300, 120, draw=0)
    assert len(set(rows)) == 120 and (np.diff(rows) > 0).all() and rows.max() < 300
    assert (sample_rows(300, 120, 0) == rows).all() and (sample_rows(300, 120, 1) != rows).any()
    assert sample_rows(300, 300, 4).tolist() == list(range(300))
    pinned = sample_rows(10_000, 5, 9)
    assert pinned.tolist() == [264, 1833, 1883, 4748, 6565]  # it must never change


def test_logits_are_counted_and_not_probabilities_in_half_precision():
    """Kept in half precision, two probabilities may become the same; what is counted is not."""
    logits = torch.zeros(50, 10)
    logits[:, 3], logits[:, 8] = 9.0, 9.00001  # an 8 by a hair
    classifier = SimpleNamespace(encoder=torch.nn.Identity(), head=lambda h: logits)
    task = Task(0, None, None, None, torch.float32)
    images, truth = torch.zeros(50, 28, 28, dtype=torch.uint8), torch.full((50,), 8)
    found, _ = measure(lambda *_: (classifier, {}), task, None, images, truth)
    halves = found["probabilities"]
    assert (halves[:, 3] == halves[:, 8]).all() and (halves.argmax(1) == 3).all()
    assert found["correct"] == 50 and (found["predicted"] == 8).all()


SEEN = []  # the tasks that `known` was given, with the number of threads


def known(task, params):
    SEEN.append((task, torch.get_num_threads()))
    return Classifier(Encoder()), HISTORY


def numbers_of(images):
    return (images[:, 0, 0].int() + 256 * images[:, 0, 1].int()).tolist()


@pytest.fixture
def job(tmp_path):
    """A data set of images that carry their number, with labels 0 to 9 in turn; and what to do."""
    for part, n in (("train", 60_000), ("test", 10_000)):
        numbers = np.arange(n)
        images = np.zeros((n, 28, 28), np.uint8)
        images[:, 0, 0], images[:, 0, 1] = numbers % 256, numbers // 256
        np.save(tmp_path / f"{part}_images.npy", images)
        np.save(tmp_path / f"{part}_labels.npy", (numbers % 10).astype(np.uint8))
    inputs = {"device": "cpu", "precision": "bf16", "draw": 3, "number": 0, "n_labels": 20}
    inputs |= {"balanced": True, "test_images": 300, "tested": 120, "keep_classifier": True, "chosen": False}
    inputs |= {"method": "test_draws:known", "params": {"wrong": 50}}
    save_network(tmp_path / "encoder.safetensors", Encoder())
    reads = {"encoder": SimpleNamespace(file=lambda name: tmp_path / name)}
    (tmp_path / "result").mkdir()
    SEEN.clear()
    return SimpleNamespace(inputs=inputs, reads=reads, data=tmp_path, folder=tmp_path / "result")


def test_a_job_gives_a_method_the_draw_and_counts_what_it_gets_right(job):
    threads = torch.get_num_threads()
    job_of.measure(job, lambda text: None)
    ((task, at_work),) = SEEN
    drawn = data.draw(np.arange(50_000) % 10, 0, 3, 40)[:20]
    assert numbers_of(task.images) == drawn.tolist()
    assert task.labels.tolist() == (drawn % 10).tolist()
    assert (task.draw, task.dtype) == (3, torch.bfloat16)
    assert at_work == 1 and torch.get_num_threads() == threads
    kept = load_encoder(job.data / "encoder.safetensors")
    assert torch.equal(task.encoder.layers.conv1.weight, kept.layers.conv1.weight)
    classifier = load_classifier(job.folder / "classifier.safetensors")
    rows = sample_rows(300, 120, 3)
    with np.load(job.folder / "result.npz") as found:
        tested = data.images(job.data, "test")[rows]
        predicted = predict(classifier, tested, torch.bfloat16).argmax(1).numpy()
        assert (found["predicted"] == predicted).all()
        assert found["correct"] == (predicted == rows % 10).sum() and found["n_test"] == 120
        assert found["probabilities"].shape == (120, 10)
        assert {name: found[f"history_{name}"].tolist() for name in HISTORY} == HISTORY
