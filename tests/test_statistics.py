"""What results come to, against closed forms, SciPy, sums of squares by hand, and simulation."""

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from simclr.experiment import statistics
from simclr.experiment.statistics import Estimate, differences, estimate, grid, holm, summary

DRAWS, SIZES = range(6), (10, 20, 60, 100)
CONTROL = "baseline_augmented"
USUAL = {"baseline": 0.86, CONTROL: 0.93, "probe": 0.95, "finetune": 0.96}


def results(means=USUAL, draws=DRAWS, spread=0.001):
    """Draw k is k points better for every method, fewer labels and seed 1 are worse."""
    rng, rows = np.random.default_rng(0), []
    for method, mean in means.items():
        seeds = [None] if method.startswith("baseline") else [0, 1]
        for seed, draw, (k, n) in product(seeds, draws, enumerate(SIZES)):
            accuracy = mean + draw / 100 - 0.1 * (3 - k) - 0.005 * (seed or 0)
            rows.append((method, seed, draw, n, accuracy + rng.normal(0, spread), n / 10))
    names = ["method", "pretrain_seed", "draw", "n_labels", "accuracy", "seconds"]
    return pd.DataFrame(rows, columns=names).astype({"pretrain_seed": "Int64"})


def accuracies(table, method, n=100):
    return table[(table.method == method) & (table.n_labels == n)].accuracy


def test_the_interval_of_one_seed_is_students():
    values = np.random.default_rng(0).normal(0.5, 1, 10)
    found = estimate(values[None], 0.8)
    expected = stats.t.interval(0.8, 9, values.mean(), stats.sem(values))
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_the_interval_of_two_seeds_is_that_of_a_two_way_analysis_of_variance():
    """Seeds 1 and 3 on five draws, by hand: means of draws 2, 3, 4, 5, 7, of seeds 3.6 and 4.8."""
    values = np.array([[1.0, 3.0, 3.0, 4.0, 7.0], [3.0, 3.0, 5.0, 6.0, 7.0]])
    ms_draws, ms_seeds, ms_rest = 2 * 14.8 / 4, 5 * 2 * 0.6**2, 2 * (3 * 0.4**2 + 2 * 0.6**2) / 4
    variance = ms_draws + ms_seeds - ms_rest
    freedom = variance**2 / (ms_draws**2 / 4 + ms_seeds**2 / 1 + ms_rest**2 / 4)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(variance / 10)
    found = estimate(values)
    assert (found.mean, found.low, found.high) == pytest.approx((4.2, 4.2 - half, 4.2 + half))
    t = 4.2 / math.sqrt(variance / 10)
    assert found.p == pytest.approx(2 * stats.t.sf(t, freedom))
    # seeds that differ no more than the rest are averaged
    alike = np.array([[1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 1.0, 4.0, 3.0, 5.0]])
    averaged = estimate(alike.mean(0, keepdims=True))
    assert estimate(alike).high == pytest.approx(averaged.high)


@pytest.mark.parametrize("between_seeds", [0.0, 0.5, 1.0])
def test_intervals_of_two_seeds_hold_the_truth_as_often_as_they_should(between_seeds):
    """Draws and seeds both drawn anew; averaging over seeds would hold it in 0.76 and 0.53."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(2000):
        draws, seeds = rng.normal(0, 1, (1, 10)), rng.normal(0, between_seeds, (2, 1))
        found = estimate(draws + seeds + rng.normal(0, 0.5, (2, 10)))
        held += found.low < 0 < found.high
    assert 0.88 < held / 2000 < 0.98


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_five_draws_have_a_mean_alone(seeds):
    values = np.arange(seeds * 5.0).reshape(seeds, 5)
    few, enough = estimate(values[:, :4]), estimate(values)
    assert few.mean == values[:, :4].mean()
    assert all(math.isnan(value) for value in (few.low, few.high, few.p))
    assert enough.low < enough.mean < enough.high


@pytest.mark.parametrize(("value", "p"), [(0.0, 1), (0.5, 0)])
def test_values_that_do_not_vary(value, p):
    found = estimate(np.full((2, 5), value))
    assert (found.mean, found.low, found.high, found.p) == (value, value, value, p)


def test_the_summary_has_a_row_a_method_and_number_of_labels():
    table = results()
    found = summary(table).set_index(["method", "n_labels"])
    assert len(found) == len(USUAL) * len(SIZES)
    row, values = found.loc["probe", 60], grid(table, "probe", 60).to_numpy()
    assert values.tolist() == accuracies(table, "probe", 60).to_numpy().reshape(2, 6).tolist()
    assert (row.draws, row.seeds, found.loc[("baseline", 60), "seeds"]) == (6, 2, 1)
    expected = estimate(values)
    assert (row["mean"], row.low, row.high) == (expected.mean, expected.low, expected.high)
    assert row.sd == pytest.approx(math.sqrt(values.var(1, ddof=1).mean()))
    assert (row.worst, row.best) == (values.min(), values.max())
    narrow = summary(table, 0.5).set_index(["method", "n_labels"]).loc["probe", 60]
    assert row.low < narrow.low < narrow.high < row.high
    one = summary(results(draws=[3]))
    assert one[["low", "high", "sd"]].isna().all(axis=None) and (one["mean"] > 0).all()


def test_intervals_of_accuracies_stay_between_0_and_1():
    table = results({"probe": 0.99, "baseline": 0.01})
    found = summary(table.assign(accuracy=table.accuracy.clip(0, 1)))
    assert found.low.min() == 0 and found.high.max() == 1
    assert (found.low <= found["mean"]).all() and (found["mean"] <= found.high).all()


def test_differences_are_paired_by_draw_across_methods_with_and_without_seeds():
    table = results().sample(frac=1, random_state=0)
    found = differences(table, [("probe", "baseline"), (CONTROL, "baseline")])
    assert found.n_labels.tolist() == list(SIZES) * 2
    row = found.set_index(["a", "n_labels"]).loc["probe", 100]
    pairs = grid(table, "probe", 100).to_numpy() - grid(table, "baseline", 100).to_numpy()
    assert estimate(pairs) == Estimate(row.difference, row.low, row.high, row.p)
    assert row.difference == pytest.approx(0.0875, abs=0.002)
    assert row["values"] == pytest.approx(pairs.mean(0)) and len(row["values"]) == 6
    # draws differ by points, differences between methods by tenths
    alone = found.set_index(["a", "n_labels"]).loc[CONTROL, 100]
    spread = estimate(accuracies(table, CONTROL).to_numpy()[None])
    assert alone.high - alone.low < 0.1 * (spread.high - spread.low)
    back = differences(table, [("baseline", "probe")]).set_index("n_labels").loc[100]
    assert (back.difference, back.low) == pytest.approx((-row.difference, -row.high))


def test_each_seed_is_paired_with_the_same_seed_of_the_other():
    found = differences(results(spread=0), [("finetune", "probe")])
    for values in found["values"]:
        assert values == pytest.approx([0.01] * 6)
    assert found.high.max() - found.low.min() < 1e-9  # what seeds share does not count


def test_numbers_of_labels_are_corrected_pair_by_pair_but_the_largest_for_all_pairs():
    found = differences(results(spread=0.05), [("finetune", "probe"), (CONTROL, "baseline")])
    most = found[found.n_labels == 100]
    assert most.p_holm.tolist() == holm(most.p).tolist()
    for _, part in found.groupby("a"):
        assert part.p_holm.tolist()[:3] == holm(part.p[:3]).tolist()
    every = results()
    alone = differences(every[every.n_labels == 100], [("probe", "baseline")])
    assert len(alone) == 1 and alone.p_holm.tolist() == alone.p.tolist()
    few = differences(results(draws=range(3)), [("probe", "baseline")])
    assert few[["low", "high", "p"]].isna().all(axis=None) and (few.p_holm == 1).all()


def test_holm_against_known_values():
    # The smallest of three counts three times, the next twice; none falls below one before it.
    assert holm([0.04, 0.01, 0.03]).tolist() == pytest.approx([0.06, 0.03, 0.06])
    # R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm")
    found = holm([0.01, 0.02, 0.03, 0.04, 0.05]).tolist()
    assert found == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.5, math.nan]).tolist() == [1, 1]


def test_confusions_of_each_run_in_ten_thousand_images():
    truth = np.array([0, 0, 1, 4, 4])
    predicted = np.array([[0, 1, 1, 4, 9], [0, 0, 1, 9, 9]])
    found = statistics.confusions(predicted, truth)
    assert found.shape == (2, 10, 10) and (found.sum((1, 2)) == 10_000).all()
    assert found[:, 0, 1].tolist() == [2000, 0]  # rows are true classes
    assert found[:, 4, 9].tolist() == [2000, 4000] and not found[:, 9, 4].any()


def test_precision_and_recall_are_over_all_runs():
    truth = np.repeat([0, 1, 2], [10, 10, 4])
    first, second = truth.copy(), truth.copy()
    first[8:10], first[20:], second[20:] = 1, 0, 0  # no image is ever called a 2
    found = statistics.classes(np.stack([first, second]), truth).set_index("digit")
    assert found.precision[0] == pytest.approx(18 / 26) and found.recall[0] == 0.9
    assert found.precision[1] == pytest.approx(20 / 22) and found.recall[1] == 1
    assert np.isnan(found.precision[2]) and found.recall[2] == 0
    assert len(found) == 10


def test_the_largest_confusions_in_words():
    counts = 100.0 * np.eye(10)
    counts[4, 9], counts[7, 2], counts[9, 4] = 31.4, 20, 18
    assert statistics.largest_confusions(counts) == "4→9 (31), 7→2 (20) and 9→4 (18)"
    assert statistics.largest_confusions(np.eye(10)) == "none"


def test_the_surest_mistakes_come_first():
    rng = np.random.default_rng(0)
    truth, probabilities = np.arange(200) % 10, rng.dirichlet(np.full(10, 0.3), 200)
    predicted = probabilities.astype(np.float16).argmax(1)
    found = statistics.surest_mistakes(probabilities.astype(np.float16), truth, 8)
    wrong = np.flatnonzero(predicted != truth)
    assert len(found) == 8 < len(wrong)
    assert (found.true == truth[found.image]).all() and set(found.image) <= set(wrong)
    assert (found.predicted == predicted[found.image]).all()
    expected = np.sort(probabilities[wrong].max(1))[::-1][:8]
    assert found.confidence.to_numpy() == pytest.approx(expected, abs=1e-3)
