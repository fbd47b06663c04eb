"""What results come to, against closed forms."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from simclr import evaluate, params, results
from simclr.loss import chance_loss


def made_up(predicted: np.ndarray, n_labels=(10, 100), accuracies=None) -> results.Draw:
    """A draw whose largest classifier predicts these classes with probability 0.91."""
    accuracies = accuracies or [0.5] * len(n_labels)
    rows = pd.DataFrame({"n_labels": n_labels, "correct": 1, "n_test": 2, "accuracy": accuracies})
    history = pd.DataFrame({"epoch": [1], "loss": [1.0], "accuracy": [0.5]})
    probabilities = np.full((len(predicted), 10), 0.01)
    probabilities[np.arange(len(predicted)), predicted] = 0.91
    return results.Draw(rows.assign(seconds=3.0), history, probabilities.astype(np.float16))


def test_predictions_and_the_confusion_matrix():
    truth = np.array([0, 0, 1, 4, 4])
    draws = {0: made_up(np.array([0, 1, 1, 4, 9])), 3: made_up(np.array([0, 0, 1, 9, 9]))}
    predicted, confidence = evaluate.predictions(draws)
    assert predicted.tolist() == [[0, 1, 1, 4, 9], [0, 0, 1, 9, 9]]
    assert np.allclose(confidence, 0.91, atol=1e-3)
    matrix = evaluate.confusion(draws, truth)
    assert matrix[0, 0] == 1.5 and matrix[0, 1] == 0.5  # rows are true classes
    assert matrix[4, 9] == 1.5 and matrix[4, 4] == 0.5 and matrix[9, 4] == 0
    assert matrix.sum(1).tolist() == [2, 1, 0, 0, 2, 0, 0, 0, 0, 0]


def test_the_largest_confusions_in_words():
    matrix = 100.0 * np.eye(10)
    matrix[4, 9], matrix[7, 2], matrix[9, 4] = 31.4, 20, 18
    assert evaluate.largest_confusions(matrix, 3) == "4→9 (31), 7→2 (20) and 9→4 (18)"
    assert evaluate.largest_confusions(matrix, 1) == "4→9 (31)"
    assert matrix[0, 0] == 100  # and leaves the matrix as it was
    assert evaluate.largest_confusions(matrix, 5).count("→") == 3  # what is right is no confusion
    assert evaluate.largest_confusions(np.eye(10), 3) == "none"


def test_precision_and_recall():
    matrix = np.zeros((10, 10))
    matrix[0, 0], matrix[0, 1], matrix[1, 1] = 8, 2, 10
    matrix[2, 0] = 4  # no image is ever called a 2
    found = evaluate.precision_recall(matrix).set_index("digit")
    assert found.precision[0] == pytest.approx(8 / 12) and found.recall[0] == 0.8
    assert found.precision[1] == pytest.approx(10 / 12) and found.recall[1] == 1
    assert np.isnan(found.precision[2]) and found.recall[2] == 0
    assert len(found) == 10


def test_neighbours():
    h = torch.tensor([[1.0, 0.0], [9.0, 0.1], [0.0, 1.0], [0.1, 2.0], [0.2, 1.0]])
    labels = torch.tensor([0, 0, 1, 1, 2])  # by direction, whatever the length
    assert evaluate.neighbours(h, labels) == pytest.approx(4 / 5)


@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_the_interval_is_students(confidence: float):
    values = np.random.default_rng(0).normal(0.9, 0.01, 10)
    mean, low, high = evaluate.interval(values, confidence)
    expected = stats.t.interval(
        confidence, 9, loc=values.mean(), scale=values.std(ddof=1) / np.sqrt(10)
    )
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx(expected)


def test_an_interval_from_a_table_and_of_one_draw():
    half = 4.302652729911275 / np.sqrt(3)  # t of two degrees of freedom, from tables
    assert evaluate.interval([1, 2, 3]) == pytest.approx((2, 2 - half, 2 + half))
    mean, low, high = evaluate.interval(np.array([0.9]))
    assert mean == 0.9 and np.isnan(low) and np.isnan(high)


def test_numbers_of_a_method():
    truth = np.arange(200) % 10
    wrong = truth.copy()
    wrong[truth == 4] = 9
    draws = {
        0: made_up(truth, accuracies=[0.4, 0.9]),
        1: made_up(wrong, accuracies=[0.6, 0.7]),
    }
    found = evaluate.numbers("probe", draws, truth)
    assert found["probe_accuracy_mean"] == found["probe_at_100_mean"] == pytest.approx(0.8)
    assert found["probe_accuracy_sd"] == pytest.approx(np.std([0.9, 0.7], ddof=1))
    assert found["probe_at_10_mean"] == pytest.approx(0.5)
    assert (found["probe_accuracy_worst"], found["probe_accuracy_best"]) == (0.7, 0.9)
    assert found["probe_accuracy_low"] < 0.8 < found["probe_accuracy_high"]
    assert found["probe_fit_seconds"] == 3
    # in 10,000 images: 20 fours of 200, called nines on one draw of two
    assert found["probe_confusion_4_9"] == found["probe_confusion_4_4"] == 500
    assert sum(found[f"probe_confusion_{i}_{j}"] for i, j in np.ndindex(10, 10)) == 10_000
    assert all(type(value) is float for value in found.values())


def test_one_draw_has_a_mean_and_no_spread():
    found = evaluate.numbers("probe", {0: made_up(np.arange(10))}, np.arange(10))
    assert found["probe_accuracy_mean"] == 0.5
    none = {name for name, value in found.items() if np.isnan(value)}
    assert none == {
        "probe_accuracy_sd",
        "probe_accuracy_low",
        "probe_accuracy_high",
        "probe_at_10_sd",
        "probe_at_100_sd",
    }


def test_numbers_of_pretraining_are_of_trained_epochs_and_time_is_the_median_epochs():
    history = pd.DataFrame(
        {
            "epoch": [0, 1, 2, 3],
            "train_loss": [math.nan, 5.7, 5.2, 5.0],
            "validation_loss": [6.9, 5.4, 5.3, 5.05],
            "alignment": [0.1, 0.3, 0.4, 0.5],
            "uniformity": [-0.2, -2.0, -3.0, -3.5],
            "seconds": [0.0, 10.0, 500.0, 12.0],  # the machine slept in epoch 2
            "views_per_second": [math.nan, 120.0, 2.0, 100.0],
        }
    )
    settings = params.load("pretrain", "smoke").model_copy(update={"batch_size": 8})
    found = evaluate.pretraining(history, settings)
    assert found["pretrain_epochs"] == 3
    assert found["pretrain_seconds"] == 36
    assert found["pretrain_views_per_second"] == 100
    assert found["pretrain_chance_loss"] == chance_loss(8)
    assert (found["pretrain_train_loss_first"], found["pretrain_train_loss_last"]) == (5.7, 5.0)
    assert found["pretrain_alignment_first"] == 0.1  # before training
    gaps = [found[f"pretrain_{name}"] for name in ("largest_loss_gap", "largest_loss_gap_later")]
    assert gaps == pytest.approx([0.3, 0.1])
    assert found["pretrain_loss_gap_last"] == pytest.approx(0.05)
