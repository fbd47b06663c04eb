"""Methods side by side, the source's claims, and sentences that depend on numbers."""

import ast
import math
import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from simclr import (
    claims,
    compare,
    display,
    evaluate,
    narrative,
    params,
    paths,
    provenance,
    settings,
)
from simclr.errors import UserError
from simclr.results import COLUMNS, METHODS, Draw

TESTS = 1000
TRUTH = np.arange(TESTS) % 10
SIZES = (10, 20, 60, 100)
PAIRS = [
    ("baseline_augmented", "baseline"),
    ("probe", "probe_untrained"),
    ("probe", "baseline"),
    ("probe", "baseline_augmented"),
    ("finetune", "baseline_augmented"),
    ("finetune", "probe"),
]  # as in 06_comparison
AGAINST_CONTROL = [("probe", "baseline_augmented"), ("finetune", "baseline_augmented")]
USUAL = {"baseline": 0.86, "baseline_augmented": 0.93}
USUAL |= {"probe_untrained": 0.8, "probe": 0.95, "finetune": 0.96}


def made_draws(means: dict[str, float], draws: int = 3) -> dict[str, dict[int, Draw]]:
    """Draws of all methods; draw k is k / 100 better, give or take, and fewer labels worse."""
    rng, made = np.random.default_rng(0), {}
    for method, mean in means.items():
        made[method] = {}
        for k in range(draws):
            top = mean + k / 100 + rng.normal(0, 0.001)
            accuracy = [top - 0.3, top - 0.2, top - 0.05, top]
            rows = pd.DataFrame({"n_labels": SIZES, "accuracy": accuracy, "n_test": TESTS})
            rows["correct"], rows["seconds"] = (rows.accuracy * TESTS).round().astype(int), 2.0
            predicted = np.where(rng.random(TESTS) < top, TRUTH, (TRUTH + 5) % 10)
            probabilities = np.full((TESTS, 10), 0.01)
            probabilities[np.arange(TESTS), predicted] = rng.uniform(0.5, 0.9, TESTS)
            made[method][k] = Draw(rows, pd.DataFrame(), probabilities.astype(np.float16))
    return made


def made_results(made: dict[str, dict[int, Draw]]) -> pd.DataFrame:
    """The tidy table of these draws."""
    table = pd.concat([evaluate.curve(draws, method) for method, draws in made.items()])
    pretrained = table.method.isin(["probe", "finetune"])
    table["pretrain_seed"] = np.where(pretrained, 0.0, np.nan)
    table = table.assign(dataset="mnist", variant="source", params_hash="0" * 12)
    return table[COLUMNS].astype({"pretrain_seed": "Int64"}).reset_index(drop=True)


def all_numbers(means: dict[str, float], draws: int = 3) -> dict:
    """What 06_comparison has when it speaks, made by the library as the notebooks do it."""
    return dict(_all_numbers(tuple(means.items()), draws))


@cache
def _all_numbers(items: tuple, draws: int) -> dict:
    means = dict(items)
    made = made_draws(means, draws)
    table = made_results(made)
    numbers = stage_numbers()
    for method in means:
        found = evaluate.numbers(method, made[method], TRUTH)
        numbers |= {
            name: value for name, value in found.items() if value == value
        }  # read from JSON
    numbers |= compared(table) | compare.class_numbers(made, TRUTH, claims.CELLS)
    numbers |= {"baseline_epochs": 40, "augmented_epochs": 80}
    return numbers | {
        "dataset": "MNIST",
        "confidence": "95%",
        "finetune_same_views": 1,
        "finetune_update_norm": 0,
    }


def compared(table: pd.DataFrame, confidence: float = 0.95) -> dict:
    """The numbers of the comparison, as 06_comparison asks for them."""
    gains = compare.over_labels(table, AGAINST_CONTROL, confidence)
    return compare.numbers(table, compare.paired(table, PAIRS, confidence), gains, confidence)


def stage_numbers() -> dict[str, float]:
    """Numbers of the stages before: those of the history, and what notebooks name one by one."""
    names = (
        "train_loss",
        "validation_loss",
        "alignment",
        "uniformity",
        "seconds",
        "views_per_second",
    )
    history = pd.DataFrame({name: [math.nan, 6.0, 5.0] for name in names})
    found = evaluate.pretraining(history, params.load("pretrain", "smoke"))
    text = "".join(file.read_text() for file in paths.NOTEBOOKS.glob("0[126]_*.ipynb"))
    named = re.findall(r'\\"((?:network|pretrain)_\w+)\\"(?::|\] =)', text)
    return {name: 5.0 for name in named} | found


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return made_results(made_draws(USUAL))


# ---- compare -------------------------------------------------------------------------------------


def test_the_summary_is_of_the_largest_number_of_labels(table: pd.DataFrame):
    found = compare.summary(table)
    assert found.method.tolist() == list(METHODS)
    row = found.set_index("method").loc["probe"]
    values = table[(table.method == "probe") & (table.n_labels == 100)].accuracy
    assert row.draws == 3
    assert (row["mean"], row.sd) == pytest.approx((values.mean(), values.std(ddof=1)))
    assert (row.worst, row.best) == (values.min(), values.max())
    assert (row["mean"], row.low, row.high) == pytest.approx(evaluate.interval(values))
    narrow = compare.summary(table, 0.5).set_index("method").loc["probe"]
    assert row.low < narrow.low < narrow.high < row.high


def test_paired_differences_are_narrower_than_accuracies(table: pd.DataFrame):
    found = compare.paired(table, PAIRS)
    assert list(zip(found.a, found.b, strict=True)) == PAIRS
    row = found.iloc[2]  # probe less baseline; draws differ by points, differences by tenths
    assert row.difference == pytest.approx(0.09, abs=0.002)
    assert (row.difference, row.low, row.high) == pytest.approx(evaluate.interval(row["values"]))
    assert row.high - row.low < 0.02 < np.subtract(*evaluate.interval(values_of(table))[:0:-1])
    assert row.wins == 3 and len(row["values"]) == 3
    back = compare.paired(table, [("baseline", "probe")]).iloc[0]
    assert back.difference == pytest.approx(-row.difference) and back.wins == 0


def values_of(table: pd.DataFrame, method: str = "baseline") -> pd.Series:
    return table[(table.method == method) & (table.n_labels == 100)].accuracy


def test_a_draw_that_one_method_lacks_is_no_pair(table: pd.DataFrame):
    missing = table[(table.method != "probe") | (table.draw != 1)]
    with pytest.raises(UserError, match="probe, baseline: not measured on the same draws"):
        compare.paired(missing, [("probe", "baseline")])
    shuffled = table.sample(frac=1, random_state=0)
    found = compare.paired(shuffled, [("probe", "baseline")]).iloc[0]
    assert found.difference == compare.paired(table, [("probe", "baseline")]).iloc[0].difference


def test_draws_are_counted_as_ahead_equal_and_behind(table: pd.DataFrame):
    baseline, table = values_of(table).to_numpy(), table.copy()
    shifted = np.add(baseline, [0.01, 0.0, -0.02])
    table.loc[values_of(table, "probe").index, "accuracy"] = shifted
    row = compare.paired(table, [("probe", "baseline")]).iloc[0]
    assert (row.wins, row.ties, row.losses) == (1, 1, 1)


def test_p_values_are_those_of_the_t_test():
    values = np.random.default_rng(0).normal(0.5, 1, 10)
    assert compare.p_value(values) == pytest.approx(ttest_1samp(values, 0).pvalue)
    _, low, _ = evaluate.interval(values, 1 - compare.p_value(values))
    assert low == pytest.approx(0)  # the interval and the test agree
    assert compare.p_value(np.zeros(3)) == 1 and compare.p_value(np.full(3, 0.5)) == 0
    assert math.isnan(compare.p_value(np.ones(1)))


def test_holm_allows_for_the_number_of_tests():
    # The smallest of three counts three times, the next twice; none falls below one before it.
    assert compare.holm([0.04, 0.01, 0.03]).tolist() == pytest.approx([0.06, 0.03, 0.06])
    assert compare.holm([0.02]).tolist() == [0.02]
    assert compare.holm([0.5, math.nan]).tolist() == [1, 1]


def test_numbers_of_the_comparison(table: pd.DataFrame):
    found = compared(table)
    assert found["best_method"] == "finetune" and found["best_not_ahead_of"] == ""
    assert found["best_accuracy_mean"] == pytest.approx(values_of(table, "finetune").mean())
    assert found["compared_draws"] == 3 and found["compared_labels"] == 100
    assert found["compared_test_images"] == found["smaller_test_images"] == TESTS
    assert found["best_error_mean"] == pytest.approx(1 - found["best_accuracy_mean"])
    assert [found[f"probe_less_baseline_{part}"] for part in ("wins", "ties", "losses")] == [
        3,
        0,
        0,
    ]
    assert found["probe_less_baseline_difference"] == pytest.approx(9, abs=0.2)  # points
    low, high = (found[f"probe_less_baseline_{side}"] for side in ("low", "high"))
    assert low < found["probe_less_baseline_difference"] < high
    # the probe is at 0.90 with 60 labels and at 0.75 with 20, the baseline at 0.86 with 100
    assert found["probe_labels_to_match_baseline"] == 60
    assert found["baseline_labels_to_match_baseline"] == 100


def test_a_method_that_never_matches_the_baseline_has_no_such_number():
    table = made_results(made_draws(USUAL | {"probe": 0.7}))
    assert "probe_labels_to_match_baseline" not in compared(table)


def test_the_best_may_not_be_the_best_beyond_chance():
    table = made_results(made_draws(USUAL | {"finetune": 0.95}))
    assert compared(table)["best_not_ahead_of"] in ("probe", "finetune")
    one = made_results(made_draws(USUAL, draws=1))
    assert set(compared(one)["best_not_ahead_of"].split(",")) == set(METHODS) - {"finetune"}


def test_the_confidence_asked_for_is_the_one_used(table: pd.DataFrame):
    wide, narrow = compared(table, 0.99), compared(table, 0.6)
    for name in ("probe_less_baseline", "probe_most_ahead"):
        width = [found[f"{name}_high"] - found[f"{name}_low"] for found in (wide, narrow)]
        assert width[0] > 2 * width[1]
    assert "probe_ahead_with" not in compared(table, 1 - 1e-9)


def test_a_lead_is_told_only_where_it_outlasts_the_correction():
    """Three tests with p of 0.02: any alone is below 0.05, and none after Holm's correction."""
    pair = {"a": "probe", "b": "baseline_augmented", "low": 0.001, "high": 0.02}
    gains = pd.DataFrame([pair | {"difference": 0.01, "p": 0.02, "n_labels": n} for n in SIZES])
    found = compare._with_fewer(gains, 0.95)
    assert found == {"smaller_sizes": 3}
    gains.loc[1, ["p", "difference"]] = 0.001, -0.01
    assert compare._with_fewer(gains, 0.95)["probe_behind_with"] == "20"
    both = pd.concat([gains, gains.assign(a="finetune", p=0.001)])
    found = compare._with_fewer(both, 0.95)
    assert (found["probe_behind_with"], found["finetune_behind_with"]) == ("20", "20")
    assert found["finetune_ahead_with"] == "10, 60"
    assert compare._with_fewer(gains[gains.n_labels == 100], 0.95) == {}


def test_numbers_of_classes():
    made = made_draws(USUAL)
    found = compare.class_numbers(made, TRUTH, [(8, 3), (5, 5)])
    each = {m: compare.counts(made[m], TRUTH) for m in ("baseline", "probe")}
    assert each["probe"].shape == (3, 10, 10) and each["probe"].sum() == pytest.approx(30_000)
    assert each["probe"].mean(0) == pytest.approx(evaluate.confusion(made["probe"], TRUTH) * 10)
    _, low, high = evaluate.interval(each["probe"][:, 5, 5] - each["baseline"][:, 5, 5])
    assert found["probe_confusion_5_5_change_low"] == pytest.approx(low)
    assert found["probe_confusion_5_5_change_high"] == pytest.approx(high)
    assert 0 < found["finetune_probe_recall_difference"] < 6
    one = compare.class_numbers(made_draws(USUAL, draws=1), TRUTH, [(8, 3)])
    assert set(one) <= {"control_ahead_confusions"}


def test_classes_that_differ_are_named():
    made = made_draws(USUAL, draws=5)
    for draw in made["finetune"].values():
        draw.probabilities[TRUTH == 3] = np.eye(10, dtype=np.float16)[8]  # every 3 is called 8
    found = compare.class_numbers(made, TRUTH, [])
    assert found["probe_ahead_digits"] == "3" and "finetune_ahead_digits" not in found
    assert found["finetune_probe_recall_difference"] > 80
    for draw in made["probe"].values():
        draw.probabilities[TRUTH == 6] = np.eye(10, dtype=np.float16)[2]
    found = compare.class_numbers(made, TRUTH, [])
    assert found["control_ahead_confusions"].startswith("6→2 (1000 against 0)")


def test_confident_mistakes_are_mistakes_and_the_surest_first():
    draw = made_draws(USUAL)["baseline"][0]
    found = compare.confident_mistakes(draw, TRUTH, 8)
    assert all(len(values) == 8 for values in found.values())
    assert (found["true"] == TRUTH[found["image"]]).all()
    assert (found["predicted"] == draw.probabilities[found["image"]].argmax(1)).all()
    assert (found["predicted"] != found["true"]).all()
    assert (np.diff(found["confidence"]) <= 0).all()
    every = compare.confident_mistakes(draw, TRUTH, TESTS)
    assert len(every["image"]) == (draw.probabilities.argmax(1) != TRUTH).sum()
    assert set(every["confidence"][8:]) <= set(np.sort(every["confidence"])[:-8])


def test_costs(table: pd.DataFrame):
    found = compare.costs(table.assign(seconds=table.n_labels / 10), pretrain_seconds=300)
    once, fit = compare.STAGE_NAMES["pretrain"], compare.STAGE_NAMES["fit"]
    assert list(found.itertuples(index=False, name=None)) == [
        ("baseline", fit, 10.0),
        ("baseline_augmented", fit, 10.0),
        ("probe_untrained", fit, 10.0),
        ("probe", once, 300.0),
        ("probe", fit, 10.0),
        ("finetune", once, 300.0),
        ("finetune", fit, 10.0),
    ]


# ---- claims --------------------------------------------------------------------------------------


def confusions(method: str, recalls: list[float], **counts: float) -> dict[str, float]:
    """A confusion matrix of 1,000 images a class; the errors of a row are spread out evenly, but
    for those that are given as `from_4_to_9`."""
    found = {}
    given = {tuple(map(int, re.findall(r"\d", name))): count for name, count in counts.items()}
    for true, recall in enumerate(recalls):
        others = {other: given.get((true, other)) for other in range(10) if other != true}
        known = sum(count for count in others.values() if count is not None)
        rest = (1000 - 1000 * recall - known) / sum(count is None for count in others.values())
        for other, count in others.items():
            found[f"{method}_confusion_{true}_{other}"] = rest if count is None else count
        found[f"{method}_confusion_{true}_{true}"] = 1000 * recall
    return found


def changes(**middles: float) -> dict[str, float]:
    """Intervals of changes, 10 to either side of those that are given as `x94=-80`."""
    names = {f"probe_confusion_{name[1]}_{name[2]}_change": at for name, at in middles.items()}
    return {f"{name}_low": at - 10.0 for name, at in names.items()} | {
        f"{name}_high": at + 10.0 for name, at in names.items()
    }


BASELINE_RECALLS = [0.97, 0.98, 0.8, 0.82, 0.8, 0.793, 0.93, 0.92, 0.7, 0.75]
PROBE_RECALLS = [0.97, 0.98, 0.9, 0.9, 0.9, 0.843, 0.95, 0.92, 0.8, 0.837]
# What the source itself reports, where it reports it.
AS_THE_SOURCE = {
    "compared_labels": 100,
    "network_parameters": 1677674,
    "network_multiply_adds": 19_980_000,
    "baseline_accuracy_mean": 0.85,
    "baseline_accuracy_sd": 0.02,
    "baseline_at_10_mean": 0.2,
    "baseline_at_20_sd": 0.05,
    "baseline_at_100_sd": 0.02,
    "probe_at_20_sd": 0.03,
    "probe_at_100_sd": 0.01,
    "baseline_at_20_mean": 0.6,
    "baseline_at_60_mean": 0.84,
    "baseline_at_100_mean": 0.85,
    "pretrain_train_loss_first": 5.78,
    "pretrain_train_loss_last": 5.17,
    "pretrain_largest_loss_gap": 0.07,
    "pretrain_largest_loss_gap_later": 0.05,
    "pretrain_validation_loss_last": 5.18,
    "pretrain_validation_loss_rise": 0.0,
    "probe_accuracy_mean": 0.91,
    "probe_accuracy_sd": 0.01,
    "probe_at_20_mean": 0.82,
    "probe_at_100_mean": 0.91,
    "finetune_accuracy_mean": 0.90,
    "finetune_at_100_mean": 0.90,
    **confusions("baseline", BASELINE_RECALLS, x49=100, x94=140, x83=91, x85=40, x89=115),
    **confusions("probe", PROBE_RECALLS, x83=65, x85=14, x89=89, x94=60),
    **changes(x55=50, x83=-26, x89=-26, x85=-26, x94=-80),
    "probe_less_baseline_difference": 6.0,
    "probe_less_baseline_low": 5.0,
    "probe_less_baseline_high": 7.0,
    "baseline_augmented_less_baseline_difference": 4.0,
    "finetune_less_probe_difference": -1.0,
    "finetune_less_probe_low": -1.5,
    "finetune_less_probe_high": -0.5,
    **confusions("baseline_augmented", PROBE_RECALLS),
    "finetune_probe_recall_difference": 2.0,
}
# Numbers for which each of the claims is wrong.
UNLIKE_THE_SOURCE = {
    "compared_labels": 100,
    "network_parameters": 1677675,
    "network_multiply_adds": 19_980_000,
    "baseline_accuracy_mean": 0.86,
    "baseline_accuracy_sd": 0.01,
    "baseline_at_10_mean": 0.4,
    "baseline_at_20_sd": 0.03,
    "baseline_at_100_sd": 0.01,
    "probe_at_20_sd": 0.05,
    "probe_at_100_sd": 0.02,
    "baseline_at_20_mean": 0.64,
    "baseline_at_60_mean": 0.82,
    "baseline_at_100_mean": 0.86,
    "pretrain_train_loss_first": 5.78,
    "pretrain_train_loss_last": 4.0,
    "pretrain_largest_loss_gap": 0.2,
    "pretrain_largest_loss_gap_later": 0.05,
    "pretrain_validation_loss_last": 5.18,
    "pretrain_validation_loss_rise": 0.1,
    "probe_accuracy_mean": 0.95,
    "probe_accuracy_sd": 0.02,
    "probe_at_20_mean": 0.88,
    "probe_at_100_mean": 0.95,
    "finetune_accuracy_mean": 0.96,
    "finetune_at_100_mean": 0.96,
    **confusions("baseline", [0.8] * 4 + [0.9] * 6, x49=1, x94=1, x83=1, x85=1, x89=1),
    **confusions("probe", [0.8] * 5 + [0.85] * 4 + [0.95], x83=2, x85=2, x89=2, x94=2),
    **changes(x55=-50, x83=26, x89=26, x85=26, x94=80),
    "probe_less_baseline_difference": 9.0,
    "probe_less_baseline_low": 8.0,
    "probe_less_baseline_high": 10.0,
    "baseline_augmented_less_baseline_difference": 4.0,
    "finetune_less_probe_difference": 1.0,
    "finetune_less_probe_low": 0.5,
    "finetune_less_probe_high": 1.5,
    **confusions("baseline_augmented", PROBE_RECALLS),
    "finetune_probe_recall_difference": 10.0,
    "probe_ahead_digits": "0, 3",
}


def test_the_sources_own_numbers_make_every_claim_hold():
    verdicts = claims.table(AS_THE_SOURCE)
    assert verdicts.columns.tolist() == ["holds", "claim", "source", "here", "why"]
    holding = verdicts.holds.isin([claims.HOLDS, claims.BUILT_IN])
    assert verdicts[~holding].claim.tolist() == []
    assert (verdicts.why == "").all()
    assert (verdicts.holds == claims.BUILT_IN).sum() == 2


def test_every_claim_can_fail():
    verdicts = claims.table(UNLIKE_THE_SOURCE)
    assert verdicts[verdicts.holds != claims.FAILS].claim.tolist() == []
    reasons = verdicts.why[verdicts.why != ""]
    assert len(reasons) > 5 and (reasons.str.len() > 10).all()


def test_what_was_measured_stands_beside_the_claim():
    verdicts = claims.table(AS_THE_SOURCE).set_index("claim")
    for start, here in {
        "The network has": "1,677,674; 19.98 M",
        "Baseline with 100": "85.0%",
        "The baseline climbs": "60.0%",
        "The baseline recognises 0, 1": "970, 980, 930, 920; the lowest share 92.0%",
        "4→9 is among": "100",
        "8→9 is among": "115",
        "The probe varies less": "σ 1.00 against 2.00 points; with 20 labels 3.00 against 5.00",
        "The pre-training loss": "5.78 → 5.17; batch size and temperature were chosen to match",
        "9→4 falls": "140 → 60 [−90, −70]; control 18",
        "The probe gets more 5s": "793 → 843 [+40, +60]; control 843",
        "Fine-tuning is slightly": "−1.0 points [−1.5, −0.5]",
        "Fine-tuning performs": "recalls up to 2.0 points apart; beyond chance: none",
        "SimCLR improves": "85.0% → 91.0%: +6.0 points [+5.0, +7.0]; control +4.0",
    }.items():
        (row,) = [row for claim, row in verdicts.iterrows() if claim.startswith(start)]
        assert row.here == here


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        ({"baseline_accuracy_mean": 0.87, "baseline_at_60_mean": 0.86}, "Baseline with 100"),
        ({"baseline_at_60_mean": 0.8}, "The baseline is on its plateau"),
        ({"pretrain_train_loss_first": 6.2}, "The pre-training loss"),
        ({"probe_at_20_sd": 0.06, "probe_at_100_sd": 0.03}, "The probe varies less"),
        ({"baseline_confusion_0_1": 150.0}, "The baseline recognises 0"),
        ({"probe_less_baseline_difference": 8.0}, "SimCLR improves the baseline"),
        (
            {"finetune_less_probe_low": 0.1, "finetune_less_probe_high": 0.5},
            "Fine-tuning is slightly",
        ),
        (changes(x94=80), "9→4 falls"),
        (changes(x55=-50), "The probe gets more 5s"),
        ({"baseline_confusion_8_3": 1.0}, "8→3 is among"),
        ({"finetune_probe_recall_difference": 6.0}, "Fine-tuning performs"),
        ({"pretrain_largest_loss_gap": 0.3}, "Validation and training loss"),
        ({"pretrain_validation_loss_rise": 0.02}, "Pre-training does not over-fit"),
    ],
)
def test_one_number_decides_one_claim(change: dict, claim: str):
    verdicts = claims.table(AS_THE_SOURCE | change)
    (failed,) = verdicts[verdicts.holds == claims.FAILS].claim
    assert failed.startswith(claim)


def test_what_is_not_there_is_not_measured():
    verdicts = claims.table({})
    assert (verdicts.holds == claims.MISSING).all()
    assert (verdicts.here == "–").all() and (verdicts.why == "").all()
    fewer = {name: value for name, value in AS_THE_SOURCE.items() if "_at_60_" not in name}
    verdicts = claims.table(fewer)
    assert (verdicts.holds == claims.MISSING).sum() == 1


def test_claims_run_on_what_the_library_measures():
    numbers = all_numbers(USUAL)
    verdicts = claims.table(numbers)
    assert claims.MISSING not in set(verdicts.holds)
    assert not verdicts.here.str.contains("nan").any()


def test_claims_ask_for_numbers_that_some_notebook_makes():
    text = Path(claims.__file__).read_text()
    asked = set(re.findall(r'"((?:network|pretrain)_\w+)"|\'((?:network|pretrain)_\w+)\'', text))
    assert len(asked) > 5 and {a or b for a, b in asked} <= set(stage_numbers())


# ---- narrative -----------------------------------------------------------------------------------

SPOKEN = [narrative.abstract, narrative.reading, narrative.discussion]
CASES = {
    "normal": (USUAL, 3),
    "one draw": (USUAL, 1),
    "probe worse than control": (USUAL | {"probe": 0.90}, 3),
    "augmentation harms": (USUAL | {"baseline_augmented": 0.80}, 3),
    "probe never matches": (USUAL | {"probe": 0.70}, 3),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("speak", SPOKEN)
def test_sentences_find_all_their_numbers(speak, case: str):
    numbers = all_numbers(*CASES[case])
    text = speak(numbers).format_map(display._Numbers(numbers))  # as display.say does
    assert "nan" not in text and "{" not in text and "  " not in text


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("speak", SPOKEN)
def test_sentences_hold_no_number_of_their_own(speak, case: str):
    template = speak(all_numbers(*CASES[case]))
    assert not re.search(r"\d", re.sub(r"\{[^{}]*\}", "", template))


def test_no_text_of_the_module_holds_a_number():
    """Whatever branch is taken: every string of narrative.py, docstrings and formats aside."""
    tree = ast.parse(Path(narrative.__file__).read_text())
    docstrings = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)
    }  # strings that stand alone

    def texts(node: ast.AST):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                part.value if isinstance(part, ast.Constant) else "x" for part in node.values
            )
            inner = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
        elif isinstance(node, ast.Constant):
            inner = []
            if isinstance(node.value, str) and id(node) not in docstrings:
                yield node.value
        else:
            inner = list(ast.iter_child_nodes(node))
        for child in inner:
            yield from texts(child)

    found = list(texts(tree))
    assert len(found) > 20
    said = [re.sub(r"\{[^{}]*\}", "", text).replace("SHA-256", "") for text in found]
    assert [text for text in said if re.search(r"\d", text)] == []


def test_the_verdict_follows_the_interval():
    better = {"probe_less_baseline_augmented_low": 0.1, "probe_less_baseline_augmented_high": 1.0}
    worse = {"probe_less_baseline_augmented_low": -2.0, "probe_less_baseline_augmented_high": -0.1}
    neither = {"probe_less_baseline_augmented_low": -1.5, "probe_less_baseline_augmented_high": 1.0}
    none = dict.fromkeys(neither, float("nan"))  # one draw, as compare.numbers gives it
    for change, words in [
        (better, "the probe is better than the control"),
        (worse, "the probe is worse than the control"),
        (neither, "the probe cannot be told from the control"),
        (none, "the probe is on too few draws to be told from the control"),
    ]:
        numbers = all_numbers(USUAL) | change
        assert words in narrative.abstract(numbers)
        said = narrative.discussion(numbers).format_map(display._Numbers(numbers))
        excluded = (
            "leaves open any difference from -1.5 to +1.0 points for this one encoder, and does"
        )
        assert (excluded in said) == (change == neither)
    no_interval = {k: v for k, v in all_numbers(USUAL).items() if k not in none}
    assert "on too few draws to be told from" in narrative.abstract(no_interval)


def test_intervals_stand_beside_differences():
    numbers = all_numbers(USUAL) | {"probe_less_baseline_augmented_difference": 0.25}
    numbers |= {
        "probe_less_baseline_augmented_low": -0.5,
        "probe_less_baseline_augmented_high": 1.0,
    }
    numbers |= {
        f"probe_less_baseline_augmented_{n}": k
        for n, k in (("wins", 1), ("ties", 1), ("losses", 1))
    }
    for speak in (narrative.abstract, narrative.discussion):
        said = speak(numbers).format_map(display._Numbers(numbers))
        assert "+0.2 points, 95% interval -0.5 to +1.0" in said
    assert "ahead on 1 of 3 draws, equal on 1, behind on 1" in said


def test_that_the_control_trains_longer_is_told_where_it_does():
    numbers = all_numbers(USUAL)
    said = narrative.abstract(numbers).format_map(display._Numbers(numbers))
    assert "trained with augmented images and for longer (80 epochs, not 40), reaches" in said
    as_long = numbers | {"augmented_epochs": 40}
    assert "longer" not in narrative.abstract(as_long) + narrative.discussion(as_long)


def test_the_recipe_of_fine_tuning_is_told_as_it_was():
    numbers = all_numbers(USUAL)
    usual = narrative.discussion(numbers)
    assert "with the same views" in usual and "keeps its batch norm frozen" in usual
    other = narrative.discussion(numbers | {"finetune_same_views": 0, "finetune_update_norm": 1})
    assert "with views of their own" in other and "frozen" not in other


def test_one_draw_claims_no_difference():
    numbers = all_numbers(USUAL, draws=1)
    for text in (narrative.abstract(numbers), narrative.discussion(numbers)):
        assert "cannot be told" not in text and "better than" not in text and "interval" not in text
        assert "too few draws" in text
    assert "standard deviation" not in narrative.reading(numbers)


def test_the_reading_names_the_best_and_what_the_probe_saves():
    usual = narrative.reading(all_numbers(USUAL))
    assert usual.startswith("Fine-tuning has the highest mean")
    assert (
        "reached by the probe with {probe_labels_to_match_baseline} and by the augmented" in usual
    )
    assert "ahead of every other method beyond chance" in usual
    tied = narrative.reading(all_numbers(USUAL) | {"best_not_ahead_of": "baseline_augmented,probe"})
    assert (
        "cannot be told from the augmented control and the linear probe (@tbl-differences)" in tied
    )
    poor = narrative.reading(all_numbers(USUAL | {"probe": 0.7}))
    assert "reached by the probe" not in poor
    spread = {"probe_accuracy_sd": 0.03, "baseline_accuracy_sd": 0.02}
    assert "no less between draws" in narrative.reading(all_numbers(USUAL) | spread)
    narrow = all_numbers(USUAL) | {"probe_accuracy_sd": 0.01, "baseline_accuracy_sd": 0.02}
    narrow.pop("probe_varies_no_less_with", None)
    assert "probe varies less between draws" in narrative.reading(narrow)
    assert "no less" not in narrative.reading(narrow)
    mixed = narrative.reading(narrow | {"probe_varies_no_less_with": "10, 20"})
    assert mixed.endswith("With {probe_varies_no_less_with} labels it varies no less.")


def test_what_few_labels_gain_is_told_where_it_is_beyond_chance():
    numbers = all_numbers(USUAL)
    assert numbers["probe_ahead_with"] == "10, 20, 60"
    assert numbers["probe_most_ahead_labels"] in (10, 20, 60)
    assert numbers["probe_most_ahead_difference"] == pytest.approx(2, abs=0.3)
    said = narrative.discussion(numbers).format_map(display._Numbers(numbers))
    assert "for 3 tests, one for each number of labels below 100: with 10, 20, 60." in said
    assert f"points, 95% interval {numbers['probe_most_ahead_low']:+.1f} to " in said
    assert (
        said.count("Fine-tuning, tested alike, is ahead of the control with 10, 20, 60 labels.")
        == 1
    )
    assert "labels the probe is ahead of the control, most with" in narrative.abstract(numbers)
    single = narrative.abstract(numbers | {"probe_ahead_with": "10"})
    assert "the probe is ahead of the control: {probe_most_ahead_difference" in single
    none = all_numbers(USUAL | {"probe": 0.9})
    assert "probe_ahead_with" not in none
    assert "nowhere ahead of the control beyond chance" in narrative.discussion(none)
    assert "It is behind it with {probe_behind_with}." in narrative.discussion(none)
    poor = narrative.discussion(all_numbers(USUAL | {"finetune": 0.9}))
    assert "is nowhere ahead of the control and behind it with {finetune_behind_with}." in poor
    assert "most with" not in narrative.abstract(none)


def test_differences_over_labels_are_those_at_each(table: pd.DataFrame):
    found = compare.over_labels(table, [("probe", "baseline")])
    assert found.n_labels.tolist() == list(SIZES)
    at_20 = compare.paired(table[table.n_labels == 20], [("probe", "baseline")]).iloc[0]
    row = found[found.n_labels == 20].iloc[0]
    assert (row.difference, row.low, row.high) == (at_20.difference, at_20.low, at_20.high)


def test_a_difference_whose_interval_holds_zero_decides_nothing():
    change = {"finetune_less_probe_low": -0.5, "finetune_less_probe_high": 0.5}
    verdicts = claims.table(AS_THE_SOURCE | change)
    (row,) = verdicts[verdicts.holds == claims.OPEN].itertuples()
    assert row.claim.startswith("Fine-tuning is slightly") and row.why == ""
    for change in ({"probe_less_baseline_low": -1.0}, {"probe_at_20_sd": 0.06}):
        (row,) = claims.table(AS_THE_SOURCE | change).query("holds == @claims.OPEN").itertuples()
        assert row.claim.startswith(("SimCLR improves", "The probe varies less"))


def test_claims_of_a_single_draw_have_no_interval():
    verdicts = claims.table(all_numbers(USUAL, draws=1))
    assert not verdicts.here.str.contains("nan|\\[").any()
    assert claims.OPEN in set(verdicts.holds)


def test_claims_about_100_labels_are_not_judged_by_20():
    verdicts = claims.table(AS_THE_SOURCE | {"compared_labels": 20})
    judged = verdicts[verdicts.holds != claims.MISSING]
    assert len(judged) == 4  # of the network and of pre-training
    assert all(re.search("network|loss|Pre-training", claim) for claim in judged.claim)


def test_why_counts_the_claims_and_lists_reasons_that_there_are():
    def why(numbers: dict) -> str:
        text = narrative.why(claims.table(numbers))
        assert text == text.format_map(display._Numbers({}))  # nothing left to fill in
        return text

    total, built_in = len(claims.CLAIMS), " Those that hold by construction (2) are not counted."
    counted = total - 2
    cause = " A claim of a gain or a fall with the probe is about what is seen, not about its cause: the "
    cause += (
        "control, which had no pre-training, stands beside it to show how much augmentation does."
    )
    built_in += cause
    assert why(AS_THE_SOURCE) == f"The verdicts on {counted} claims are: {counted} yes.{built_in}"
    unexplained = why(AS_THE_SOURCE | {"finetune_probe_recall_difference": 6.0})
    assert (
        unexplained == f"The verdicts on {counted} claims are: {counted - 1} yes, 1 no.{built_in}"
    )
    lower = why(AS_THE_SOURCE | {"finetune_accuracy_mean": 0.85})
    assert "\n\nPossible reasons, not tested, why some do not hold:\n\n- *Full fine" in lower
    both = why(AS_THE_SOURCE | {"baseline_accuracy_mean": 0.853, "baseline_at_20_mean": 0.7})
    assert both.count("\n- *") == 1 and "*; *The baseline climbs" in both  # one reason, told once
    assert why({}) == f"The verdicts on {total} claims are: {total} not measured."
    mixed = AS_THE_SOURCE | {"finetune_probe_recall_difference": 6, "finetune_less_probe_high": 0.5}
    assert f"are: {counted - 2} yes, 1 no, 1 undecided." in why(mixed)
    assert "not about its cause" not in why({})


@pytest.mark.parametrize(
    ("revision", "clean", "says"),
    [
        ("0123456789abcdef", True, "0123456789"),
        ("0123456789abcdef", False, "0123456789 + changes"),
        (None, None, "–"),
    ],
)
def test_the_report_says_where_its_numbers_come_from(revision, clean, says: str):
    stamp = {"seconds": 300.0, "versions": {"python": "3.11.2", "torch": "2.11.0"}}
    stamp |= {"device_name": "A Processor", "threads": 2, "precision": "bf16"}
    stamp |= {"git": {"revision": revision, "clean": clean}, "params": {"dataset": "mnist"}}
    stages = {"pretrain": stamp, "probe": stamp | {"seconds": 60.0}}
    collected = {"data": {"source": "a mirror"}, "stages": stages}
    text = narrative.statement(collected)
    assert "from a mirror, each file checked against its SHA-256. All stages ran with" in text
    assert "python 3.11.2, torch 2.11.0" in text
    other = stages | {"probe": stamp | {"versions": {"python": "3.12.1", "torch": "2.11.0"}}}
    mixed = narrative.statement({**collected, "stages": other})
    assert "ran with different versions" in mixed and "3.11.2" not in mixed
    stamp["params"] = {"dataset": "kmnist"}  # of which no SHA-256 is known
    assert "from a mirror. All" in narrative.statement({**collected, "stages": {"pretrain": stamp}})
    table = provenance.table(collected)
    assert table.stage.tolist() == ["pretrain", "probe"] and table.minutes.tolist() == [5, 1]
    assert table.revision.tolist() == [says, says]
    assert table.loc[0, ["device", "threads", "precision"]].tolist() == ["A Processor", 2, "bf16"]


def test_a_single_draw_has_no_spread():
    numbers = {"probe_accuracy_sd": math.nan, "probe_accuracy_worst": 0.9}
    assert narrative.spread(numbers, "probe") == "(a single draw)"
    numbers["probe_accuracy_sd"] = 0.01
    said = narrative.spread(numbers, "probe").format_map(numbers)
    assert said == "(standard deviation between draws 1.0%, worst draw 90.0%)"


def test_a_curve_of_a_single_point_has_no_last_step():
    assert narrative.last_labels({}) == ""
    numbers = {"baseline_last_gain": 0.5, "baseline_augmented_last_gain": -0.25}
    numbers |= {"labels_before_last": 90.0, "n_labels_largest": 100}
    said = narrative.last_labels(numbers).format_map(numbers)
    assert "from 90 to 100 labels" in said and "+0.5 points" in said and "-0.2" in said


def test_limits_are_those_of_the_build():
    tested = {"smaller_test_images": 2500, "compared_test_images": 10_000}
    balanced, drawn = (narrative.limits(tested, "mnist", flag) for flag in (True, False))
    assert "Labels are balanced" in balanced and "Labels are drawn at random" in drawn
    assert "The digits are centred" in balanced
    assert "The articles of clothing are centred" in narrative.limits(tested, "fashion-mnist", True)
    assert "{smaller_test_images:,} of the test images" in balanced
    all_alike = tested | {"smaller_test_images": 10_000}
    assert "smaller_test_images" not in narrative.limits(all_alike, "mnist", True)


def test_the_published_results_are_of_mnist():
    numbers = {"dataset": "MNIST", "compared_labels": 100, "best_error_mean": 0.053}
    assert (
        narrative.published(numbers)
        .format_map(numbers)
        .endswith("on MNIST with 100 labels, is 5.3%, against about one percent there.")
    )
    assert "of other images than theirs" in narrative.published(numbers | {"dataset": "KMNIST"})


# ---- settings ------------------------------------------------------------------------------------


def test_settings_are_those_of_the_stages():
    stages = {name: params.load(name).model_dump(mode="json") for name in params.STAGES}
    table = settings.table({name: {"params": found} for name, found in stages.items()})
    assert table.columns.tolist() == ["setting", *settings.COLUMNS]
    rows = table.set_index("setting")
    assert rows.loc["epochs"].tolist() == [
        *map(str, [stages["baseline"]["epochs"], stages["baseline"]["augmented_epochs"]]),
        *map(str, [stages["pretrain"]["epochs"], "–", stages["finetune"]["epochs"]]),
    ]
    rate = rows.loc["learning rate, encoder", "fine-tuning"]
    assert float(rate) == stages["finetune"]["encoder_learning_rate"]
    assert rows.loc["rotation, up to (°)", "baseline"] == "–"  # its images stay as they are
    assert rows.loc["batch norm learns"].tolist() == ["–"] * 4 + ["no"]
    assert rows.loc["labels", "probe"] == "10, 20, … 100"
    assert rows.loc["unlabelled images", "pre-training"] == "49,900"
    assert not (rows == "–").all(axis=1).any()  # every row names parameters that there are


@pytest.mark.parametrize("name, value", [("shear", 0.9), ("update_norm", True)])
def test_numbers_of_the_recipe_of_fine_tuning(name: str, value: object):
    stages = {stage: {"params": params.load(stage).model_dump()} for stage in params.STAGES}
    assert settings.numbers(stages) == {"finetune_same_views": 1, "finetune_update_norm": 0}
    stages["finetune"]["params"][name] = value
    changed = {
        "finetune_same_views": int(name != "shear"),
        "finetune_update_norm": int(value is True),
    }
    assert settings.numbers(stages) == changed


def test_every_name_in_the_settings_is_a_parameter():
    for setting, (name, columns) in settings.ROWS.items():
        for column in columns:
            key = settings._OTHER_NAMES.get((setting, column), name)
            assert key in params.STAGES[settings.COLUMNS[column]].model_fields, (setting, column)


def test_threads_are_told_where_the_processor_computes():
    said = narrative.timing({"device": "cpu", "threads": 3})
    assert "all 3 threads" in said
    assert narrative.timing({"device": "cuda", "threads": 3}) == ""
