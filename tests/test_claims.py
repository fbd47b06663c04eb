"""The numbers of the prose and the verdicts on the source's claims, on results that are made up."""

import numpy as np
import pandas as pd
import pytest

from simclr.experiment import named
from simclr.experiment.findings import Findings
from simclr.experiment.stages import CONTROL
from simclr.experiment.study import Study
from simclr.report import claims

DRAWS, SIZES = range(10), (10, 20, 60, 100)
ACCURACY = {  # with 10, 20, 60 and 100 labels
    "baseline": (0.45, 0.60, 0.822, 0.83),
    CONTROL: (0.55, 0.70, 0.93, 0.95),
    "probe": (0.65, 0.82, 0.91, 0.94),
    "finetune": (0.66, 0.83, 0.92, 0.9395),
}
RIGHT = {"baseline": 800, CONTROL: 950, "probe": 930, "finetune": 930}  # of each class, of 1,000


def counts(method: str) -> np.ndarray:
    """Every class alike, but that the baseline takes 40 fours more for nines, and finds 60 fewer fives."""
    wrong = (1000 - RIGHT[method]) / 9
    found = np.full((len(DRAWS), 10, 10), wrong) + np.eye(10) * (RIGHT[method] - wrong)
    if method == "baseline":
        found[:, 4, 9] += 40
        found[:, 4, 4] -= 40
        found[:, 5, 5] -= 60
    return found + 0.1 * np.arange(len(DRAWS))[:, None, None]  # draws differ


@pytest.fixture
def found() -> Findings:
    """Draw k is k / 1,000 luckier for all; differences between methods vary by a ten-thousandth."""
    found = Findings(Study("full"), "comparison")
    rows = [
        (method, seed, draw, n, accuracy + draw / 1000 + (draw % 2 + (seed or 0)) / 10_000)
        for method, accuracies in ACCURACY.items()
        for seed in ((0, 1) if method in ("probe", "finetune") else (None,))
        for draw in DRAWS
        for n, accuracy in zip(SIZES, accuracies, strict=True)
    ]
    names = ["method", "pretrain_seed", "draw", "n_labels", "accuracy"]
    found.results = pd.DataFrame(rows, columns=names).astype({"pretrain_seed": "Int64"})
    found.counts = counts
    found.classes = pd.DataFrame({"method": CONTROL, "digit": range(10), "recall": np.linspace(1, 0.9, 10)})
    found.numbers = {"pretrain_loss_first": 5.8, "pretrain_loss_last": 5.2, "pretrain_gap": 0.2}
    found.numbers |= {"pretrain_gap_later": 0.02, "pretrain_validation_rise": 0.0}
    return found


def test_differences_are_in_points_with_their_signs(found):
    numbers = named._differences(found)
    assert numbers["probe_over_baseline"] == pytest.approx(11, abs=0.02)
    assert numbers["probe_over_control"] == pytest.approx(-1, abs=0.02)
    assert numbers["probe_over_control_low"] < -1 < numbers["probe_over_control_high"] < 0
    assert numbers["probe_over_control_fewest"] == pytest.approx(10, abs=0.02)
    assert numbers["probe_over_control_up_to"] == 20  # with 60 the control leads
    assert numbers["control_over_probe_most"] == pytest.approx(2, abs=0.02)  # with 60, below 100
    assert numbers["control_over_probe_most_low"] < 2 < numbers["control_over_probe_most_high"]


def test_the_best_method_and_the_fewest_labels_that_match_the_baseline(found):
    numbers = named._best(found)
    assert numbers["best"] == CONTROL and numbers["hardest_class"] == 9
    assert numbers["control_matches_baseline"] == 60 and numbers["probe_matches_baseline"] == 60
    assert np.isnan(numbers["spread_matches_baseline"])


def test_verdicts_on_claims_about_accuracies_and_confusions(found):
    table = claims.table(found).set_index("claim")
    verdicts = {
        "The pre-training loss falls from 5.78 to a plateau of 5.17–5.18": "reproduced",
        "Training and validation loss are at most 0.05–0.07 apart": "different",
        "The baseline is on its plateau from about 60 labels on": "reproduced",
        "The baseline recognises 0, 1, 6 and 7 very well": "different",
        "4→9 is among the baseline's main confusions": "reproduced",
        "Linear probe with 100 labels: about 91%": "exceeded",
        "The probe gets more 5s right": "reproduced",
        "9→4 falls with the probe": "reproduced",
        "SimCLR gains 6 points over the baseline": "exceeded",
        "Fine-tuning is slightly below the probe": "reproduced",
        "Fine-tuning and probe are comparable class by class": "reproduced",
    }
    assert table.verdict[list(verdicts)].to_dict() == verdicts
    assert table.here["The probe gets more 5s right"] == "740 → 930 [+190, +190]; control 950"
    assert claims.tally(table.reset_index())["claims"] == len(table) == 26
