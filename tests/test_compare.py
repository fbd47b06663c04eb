"""Methods side by side, the source's claims, and sentences that depend on numbers."""

import ast
import math
import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simclr import claims, compare, display, evaluate, narrative, paths, provenance
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
    numbers = {name: 5.0 for name in notebook_numbers()}
    for method in means:
        found = evaluate.numbers(method, made[method], TRUTH)
        numbers |= {
            name: value for name, value in found.items() if value == value
        }  # read from JSON
    numbers |= compare.numbers(table, compare.paired(table, PAIRS))
    return numbers | {"dataset": "MNIST", "confidence": 0.95}


def notebook_numbers() -> list[str]:
    """The numbers that notebooks 01 and 02 name one by one."""
    text = "".join(file.read_text() for file in paths.NOTEBOOKS.glob("0[12]_*.ipynb"))
    return re.findall(r'\\"((?:network|pretrain)_\w+)\\":', text)


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


def test_only_draws_that_both_have_are_paired(table: pd.DataFrame):
    missing = table[(table.method != "probe") | (table.draw != 1)]
    shuffled = missing.sample(frac=1, random_state=0)
    found = compare.paired(shuffled, [("probe", "baseline")]).iloc[0]
    assert len(found["values"]) == 2 and found.difference == pytest.approx(0.09, abs=0.003)


def test_numbers_of_the_comparison(table: pd.DataFrame):
    found = compare.numbers(table, compare.paired(table, PAIRS))
    assert found["best_method"] == "finetune"
    assert found["best_accuracy_mean"] == pytest.approx(values_of(table, "finetune").mean())
    assert found["compared_draws"] == 3 and found["compared_labels"] == 100
    assert found["compared_test_images"] == TESTS
    assert found["probe_less_baseline_difference"] == pytest.approx(9, abs=0.2)  # points
    low, high = (found[f"probe_less_baseline_{side}"] for side in ("low", "high"))
    assert low < found["probe_less_baseline_difference"] < high
    # the probe is at 0.90 with 60 labels and at 0.75 with 20, the baseline at 0.86 with 100
    assert found["probe_labels_to_match_baseline"] == 60
    assert found["baseline_labels_to_match_baseline"] == 100


def test_a_method_that_never_matches_the_baseline_has_no_such_number():
    table = made_results(made_draws(USUAL | {"probe": 0.7}))
    found = compare.numbers(table, compare.paired(table, PAIRS))
    assert "probe_labels_to_match_baseline" not in found


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
    "baseline_at_20_mean": 0.6,
    "baseline_at_60_mean": 0.84,
    "baseline_at_100_mean": 0.85,
    "pretrain_train_loss_first": 5.78,
    "pretrain_train_loss_last": 5.17,
    "pretrain_largest_loss_gap": 0.07,
    "pretrain_largest_loss_gap_later": 0.05,
    "probe_accuracy_mean": 0.91,
    "probe_accuracy_sd": 0.01,
    "probe_at_20_mean": 0.82,
    "probe_at_100_mean": 0.91,
    "finetune_accuracy_mean": 0.90,
    "finetune_at_100_mean": 0.90,
    **confusions("baseline", BASELINE_RECALLS, x49=100, x94=140, x83=91, x85=40, x89=115),
    **confusions("probe", PROBE_RECALLS, x83=65, x85=14, x89=89, x94=60),
    "finetune_less_probe_low": -1.5,
    "finetune_less_probe_high": -0.5,
    **confusions("baseline_augmented", PROBE_RECALLS),
    **confusions("finetune", [recall - 0.02 for recall in PROBE_RECALLS]),
}
# Numbers for which each of the claims is wrong.
UNLIKE_THE_SOURCE = {
    "compared_labels": 100,
    "network_parameters": 1677675,
    "network_multiply_adds": 19_980_000,
    "baseline_accuracy_mean": 0.86,
    "baseline_accuracy_sd": 0.01,
    "baseline_at_10_mean": 0.4,
    "baseline_at_20_mean": 0.6,
    "baseline_at_60_mean": 0.82,
    "baseline_at_100_mean": 0.86,
    "pretrain_train_loss_first": 5.78,
    "pretrain_train_loss_last": 4.0,
    "pretrain_largest_loss_gap": 0.2,
    "pretrain_largest_loss_gap_later": 0.05,
    "probe_accuracy_mean": 0.95,
    "probe_accuracy_sd": 0.02,
    "probe_at_20_mean": 0.88,
    "probe_at_100_mean": 0.95,
    "finetune_accuracy_mean": 0.96,
    "finetune_at_100_mean": 0.96,
    **confusions("baseline", [0.8] * 4 + [0.9] * 6, x49=1, x94=1, x83=1, x85=1, x89=1),
    **confusions("probe", [0.8] * 5 + [0.85] * 4 + [0.95], x83=2, x85=2, x89=2, x94=2),
    "finetune_less_probe_low": 0.5,
    "finetune_less_probe_high": 1.5,
    **confusions("baseline_augmented", PROBE_RECALLS),
    **confusions("finetune", [0.95] * 10),
}


def test_the_sources_own_numbers_make_every_claim_hold():
    verdicts = claims.table(AS_THE_SOURCE)
    assert verdicts.columns.tolist() == ["claim", "source", "here", "holds", "why"]
    assert verdicts[verdicts.holds != claims.HOLDS].claim.tolist() == []
    assert (verdicts.why == "").all()


def test_every_claim_can_fail_and_then_says_why():
    verdicts = claims.table(UNLIKE_THE_SOURCE)
    assert verdicts[verdicts.holds != claims.FAILS].claim.tolist() == []
    reasons = verdicts.why[1:]  # a network of another size has no excuse
    assert (reasons.str.len() > 10).all()


def test_what_was_measured_stands_beside_the_claim():
    verdicts = claims.table(AS_THE_SOURCE).set_index("claim")
    for start, here in {
        "The network has": "1,677,674; 19.98 M",
        "Baseline with 100": "85.0%",
        "The baseline recognises 0, 1": "0, 1, 6, 7",
        "4→9 (100)": "4→9 100, 9→4 140",
        "The pre-training loss": "5.78 → 5.17; batch size and temperature were chosen to match",
        "9→4 falls": "140 → 60; control 18",
        "The probe gets more 5s": "793 → 843; control 843",
        "Fine-tuning is slightly": "90.0%, probe 91.0%",
        "SimCLR gains": "+6.0 points",
    }.items():
        (row,) = [row for claim, row in verdicts.iterrows() if claim.startswith(start)]
        assert row.here == here


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        ({"baseline_at_100_mean": 0.87, "baseline_at_60_mean": 0.86}, "Baseline with 100"),
        ({"baseline_at_60_mean": 0.8}, "The baseline is on its plateau"),
        ({"pretrain_train_loss_first": 6.2}, "The pre-training loss"),
        ({"probe_accuracy_sd": 0.03}, "The probe varies less"),
        (
            {"finetune_less_probe_low": 0.1, "finetune_less_probe_high": 0.5},
            "Fine-tuning is slightly",
        ),
        ({"baseline_confusion_9_4": 50.0}, "9→4 falls"),
        ({"finetune_confusion_2_2": 300.0}, "Probe and fine-tuning have"),
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
    assert {a or b for a, b in asked} <= set(notebook_numbers())


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
    neither = {"probe_less_baseline_augmented_low": -1.0, "probe_less_baseline_augmented_high": 1.0}
    none = dict.fromkeys(neither, float("nan"))  # one draw, as compare.numbers gives it
    for change, words in [
        (better, "the probe is better than the augmented control"),
        (worse, "the probe is worse than the augmented control"),
        (neither, "the probe is indistinguishable from the augmented control"),
        (none, "the probe is on too few draws to be told from the augmented control"),
    ]:
        assert words in narrative.abstract(all_numbers(USUAL) | change)
    no_interval = {k: v for k, v in all_numbers(USUAL).items() if k not in none}
    assert "on too few draws to be told from" in narrative.abstract(no_interval)


def test_one_draw_claims_no_difference():
    numbers = all_numbers(USUAL, draws=1)
    for text in (narrative.abstract(numbers), narrative.discussion(numbers)):
        assert "indistinguishable" not in text and "better than" not in text
        assert "too few draws" in text
    assert "standard deviation" not in narrative.reading(numbers)


def test_the_reading_names_the_best_and_what_the_probe_saves():
    usual = narrative.reading(all_numbers(USUAL))
    assert usual.startswith("Fine-tuning has the highest mean")
    assert "the probe needs {probe_labels_to_match_baseline} and the augmented control" in usual
    poor = narrative.reading(all_numbers(USUAL | {"probe": 0.7}))
    assert "the probe needs" not in poor
    spread = {"probe_accuracy_sd": 0.03, "baseline_accuracy_sd": 0.02}
    assert "no less than the baseline" in narrative.reading(all_numbers(USUAL) | spread)
    assert "less than the baseline" in narrative.reading(
        all_numbers(USUAL) | {"probe_accuracy_sd": 0.01, "baseline_accuracy_sd": 0.02}
    )


def test_what_few_labels_gain_is_told_where_it_is_beyond_chance():
    numbers = all_numbers(USUAL)
    assert numbers["probe_ahead_with"] == "10, 20, 60"
    assert numbers["probe_most_ahead_labels"] in (10, 20, 60)
    assert numbers["probe_most_ahead_difference"] == pytest.approx(2, abs=0.3)
    said = narrative.discussion(numbers).format_map(display._Numbers(numbers))
    assert "beyond chance: with 10, 20, 60 labels, by up to " in said
    none = all_numbers(USUAL | {"probe": 0.9})
    assert "probe_ahead_with" not in none
    assert "beyond chance" not in narrative.discussion(none)


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


def test_claims_about_100_labels_are_not_judged_by_20():
    verdicts = claims.table(AS_THE_SOURCE | {"compared_labels": 20})
    judged = verdicts[verdicts.holds != claims.MISSING]
    assert len(judged) == 3  # of the network and of pre-training
    assert all(re.search("network|loss", claim) for claim in judged.claim)


def test_why_counts_the_claims_and_lists_those_that_fail():
    def why(numbers: dict) -> str:
        text = narrative.why(claims.table(numbers))
        assert text == text.format_map(display._Numbers({}))  # nothing left to fill in
        return text

    total = len(claims.CLAIMS)
    assert why(AS_THE_SOURCE) == f"Of {total} claims {total} hold here."
    one = why(AS_THE_SOURCE | {"probe_accuracy_sd": 0.03})
    assert one.startswith(f"Of {total} claims {total - 1} hold here and 1 do not.\n\nWhy ")
    assert one.count("\n- *") == 1 and "Too few draws to tell." in one
    assert why({}) == f"Of {total} claims 0 hold here and {total} are not measured in this build."
    mixed = AS_THE_SOURCE | {"probe_accuracy_sd": 0.03, "finetune_less_probe_high": 0.5}
    said = f"Of {total} claims {total - 2} hold here, 1 do not and 1 cannot be decided."
    assert why(mixed).startswith(said)


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
    assert "from a mirror, each file checked against its SHA-256, and ran" in text
    assert "python 3.11.2, torch 2.11.0" in text
    stamp["params"] = {"dataset": "kmnist"}  # of which no SHA-256 is known
    assert "from a mirror, and ran" in narrative.statement(
        {**collected, "stages": {"pretrain": stamp}}
    )
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


def test_the_difference_from_the_probe_is_told_where_there_is_one():
    assert narrative.against_probe({}) == ""
    said = narrative.against_probe({"finetune_probe_difference": 0.5})
    assert "+0.5 points" in said.format(finetune_probe_difference=0.5)


def test_limits_are_those_of_the_build():
    balanced, drawn = (narrative.limits("mnist", flag) for flag in (True, False))
    assert "Labels are balanced" in balanced and "Labels are drawn at random" in drawn
    assert "The digits are centred" in balanced
    assert "The articles of clothing are centred" in narrative.limits("fashion-mnist", True)


def test_threads_are_told_where_the_processor_computes():
    said = narrative.timing({"device": "cpu", "threads": 3})
    assert "all 3 threads" in said
    assert narrative.timing({"device": "cuda", "threads": 3}) == ""
