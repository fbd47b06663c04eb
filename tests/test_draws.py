"""The protocol of a label draw: on what a classifier is tested, and what is counted and kept."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from simclr import data
from simclr.draws import Fitted, Task, measure, rows_tested
from simclr.experiment import measure as job_of
from simclr.model import Classifier, Encoder
from simclr.weights import load_classifier, load_encoder, save_network

SIZES = [10, 20, 40]
HISTORY = {"step": [4, 8], "loss": [2.0, 1.0], "accuracy": [0.5, 0.75]}


def one_hot(classes):
    return 20.0 * torch.nn.functional.one_hot(torch.tensor(classes), 10).float()


def test_all_labels_are_tested_on_all_images_and_fewer_on_a_sample_of_the_draws_own():
    rows = rows_tested(300, SIZES, draw=0, many=120)
    assert list(rows) == SIZES and rows[40].tolist() == list(range(300))
    assert (rows[10] == rows[20]).all()
    assert len(set(rows[10])) == 120 and (np.diff(rows[10]) > 0).all() and rows[10].max() < 300
    again, other = rows_tested(300, [10, 50], 0, 120), rows_tested(300, SIZES, 1, 120)
    assert (again[10] == rows[10]).all() and (other[10] != rows[10]).any()
    pinned = rows_tested(10_000, [10, 20], 9, 5)[10]
    assert pinned.tolist() == [264, 1833, 1883, 4748, 6565]  # it must never change


def test_what_is_counted_and_kept():
    called = {10: [0, 0, 0, 0, 0], 20: [0, 1, 2, 0, 0], 40: [0, 1, 2, 3, 3]}
    given = Task(3, None, None, SIZES, {}, None, torch.float32)

    def method(received, params):
        assert received is given and params == "the parameters"
        for n in SIZES:
            history = HISTORY if n == 40 else {}
            yield Fitted(n, f"classifier {n}", one_hot(called[n]), n / 10, history)

    truth = dict.fromkeys(SIZES, torch.tensor([0, 1, 2, 3, 4]))
    found, classifier = measure(method, given, "the parameters", truth)
    assert classifier == "classifier 40" and found["n_labels"].tolist() == SIZES
    assert found["correct"].tolist() == [1, 3, 4] and found["n_test"].tolist() == [5, 5, 5]
    assert found["seconds"].tolist() == [1.0, 2.0, 4.0]
    assert {name: found[f"history_{name}"].tolist() for name in HISTORY} == HISTORY
    assert found["predicted"].tolist() == called[40] and found["predicted"].dtype == np.uint8
    assert found["probabilities"].shape == (5, 10) and found["probabilities"].dtype == np.float16
    assert found["probabilities"].argmax(1).tolist() == called[40]


def test_logits_are_counted_and_not_probabilities_in_half_precision():
    """Kept in half precision, two probabilities may become the same; what is counted is not."""
    logits = torch.zeros(50, 10)
    logits[:, 3], logits[:, 8] = 9.0, 9.00001  # an 8 by a hair
    fitted = Fitted(10, None, logits, 0.0, history={})
    found, _ = measure(lambda *_: iter([fitted]), None, None, {10: torch.full((50,), 8)})
    halves = found["probabilities"]
    assert (halves[:, 3] == halves[:, 8]).all() and (halves.argmax(1) == 3).all()
    assert found["correct"].tolist() == [50] and (found["predicted"] == 8).all()


SEEN = []  # the tasks that `known` was given, with the number of threads


def known(task, params):
    """A method that calls image i an (i mod 10), but a 0 where i is below `params.wrong`."""
    SEEN.append((task, torch.get_num_threads()))
    for n in task.sizes:
        numbers = torch.tensor(numbers_of(task.tested[n]))
        called = torch.where(numbers < params.wrong, 0, numbers % 10)
        yield Fitted(n, Classifier(Encoder()), one_hot(called.tolist()), 0.0, history={})


def numbers_of(images):
    return (images[:, 0, 0].int() + 256 * images[:, 0, 1].int()).tolist()


@pytest.fixture
def job(tmp_path):
    """A data set of images that carry their number, with labels 0 to 9 in turn; and what to do."""
    for part, n in (("train", 60_000), ("test", 10_000)):
        numbers = np.arange(n)
        pixels = np.stack([numbers % 256, numbers // 256], axis=1).astype(np.uint8)
        np.save(tmp_path / f"{part}_images.npy", pixels[:, None])
        np.save(tmp_path / f"{part}_labels.npy", (numbers % 10).astype(np.uint8))
    inputs = {"device": "cpu", "precision": "bf16", "draw": 3, "number": 0, "n_labels": SIZES}
    inputs |= {"balanced": True, "test_images": 300, "curve_test_images": 120}
    inputs |= {"method": "test_draws:known", "params": {"wrong": 50}, "keep_classifier": True}
    save_network(tmp_path / "encoder.safetensors", Encoder())
    reads = {"encoder": SimpleNamespace(file=lambda name: tmp_path / name)}
    (tmp_path / "result").mkdir()
    SEEN.clear()
    return SimpleNamespace(inputs=inputs, reads=reads, data=tmp_path, folder=tmp_path / "result")


def test_a_job_gives_a_method_the_draw_and_counts_what_it_gets_right(job):
    threads = torch.get_num_threads()
    job_of.measure(job, lambda text: None)
    ((task, at_work),) = SEEN
    drawn = data.draw(np.arange(50_000) % 10, 0, 3, 40)
    assert numbers_of(task.images) == drawn.tolist()
    assert task.labels.tolist() == (drawn % 10).tolist()
    assert (task.draw, task.sizes, task.dtype) == (3, SIZES, torch.bfloat16)
    rows = rows_tested(300, SIZES, 3, 120)
    assert all(numbers_of(task.tested[n]) == rows[n].tolist() for n in SIZES)
    assert at_work == 1 and torch.get_num_threads() == threads
    with np.load(job.folder / "result.npz") as found:
        # images 0, 10, … are zeros, and so called rightly in spite of being wrong
        right = [sum(i >= 50 or i % 10 == 0 for i in rows[n]) for n in SIZES]
        assert found["correct"].tolist() == right and found["n_test"].tolist() == [120, 120, 300]
        assert found["predicted"].shape == (300,)
    kept = load_encoder(job.data / "encoder.safetensors")
    assert torch.equal(task.encoder.layers.conv1.weight, kept.layers.conv1.weight)
    assert load_classifier(job.folder / "classifier.safetensors")
