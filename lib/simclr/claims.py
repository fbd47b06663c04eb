"""What the source report claims, beside what was measured here, and whether it holds.

The source's figures are quoted from S. Metin, M. Tremblay and F. Bertrand, *Rapport de projet de
Deep Learning*, 11 January 2026, sections 3 and 4; its confusions are of a single run, ours are means
over the label draws. Everything else is computed from the numbers of this build.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

Numbers = Mapping[str, float]
HOLDS, FAILS, OPEN, MISSING = "yes", "no", "undecided", "not measured"
BUILT_IN = "by construction"
CELLS = [(5, 5), (8, 3), (8, 9), (8, 5), (9, 4)]  # (true, predicted): counts said to rise or fall
WELL = (0, 1, 6, 7)  # classes that the baseline is said to recognise very well


@dataclass(frozen=True)
class Claim:
    """One sentence of the source.

    Attributes:
        text: the claim.
        source: the source's own figures.
        measured: numbers -> the same quantity here, as text.
        holds: numbers -> whether the claim is true here; None where that cannot be told from chance.
        otherwise: what may be the reason where it is not; empty where we know of none.
        labels: whether it is about classifiers with 100 labels, and so says nothing of a build
            whose largest number is another.
        built_in: whether something here was copied or tuned so that it holds, which proves nothing.
    """

    text: str
    source: str
    measured: Callable[[Numbers], str]
    holds: Callable[[Numbers], bool | None]
    otherwise: str = ""
    labels: bool = True
    built_in: bool = False


def table(numbers: Numbers) -> pd.DataFrame:
    """A row a claim: holds, claim, source, here, why."""
    rows = []
    for claim in CLAIMS:
        verdict, here = _judge(claim, numbers)
        why = claim.otherwise if verdict == FAILS else ""
        rows.append((verdict, claim.text, claim.source, here, why))
    return pd.DataFrame(rows, columns=["holds", "claim", "source", "here", "why"])


def _judge(claim: Claim, numbers: Numbers) -> tuple[str, str]:
    """The verdict, and what was measured."""
    try:
        if claim.labels and numbers["compared_labels"] != 100:
            return MISSING, "–"
        holds, here = claim.holds(numbers), claim.measured(numbers)
    except KeyError:  # this build has no such number: fewer labels or draws, or another data set
        return MISSING, "–"
    return {True: BUILT_IN if claim.built_in else HOLDS, False: FAILS, None: OPEN}[holds], here


def _percent(name: str) -> Callable[[Numbers], str]:
    return lambda n: f"{n[name]:.1%}"


def _near(name: str, value: float, tolerance: float) -> Callable[[Numbers], bool]:
    return lambda n: abs(n[name] - value) < tolerance


def _below(name: str) -> Callable[[Numbers], bool | None]:
    """Whether the interval `name`_low to `name`_high is below zero; None where it holds zero."""
    return lambda n: (
        n[f"{name}_high"] < 0 if n[f"{name}_low"] > 0 or n[f"{name}_high"] < 0 else None
    )


def _above(name: str) -> Callable[[Numbers], bool | None]:
    """Whether it is above zero; None where it holds zero."""
    return lambda n: n[f"{name}_low"] > 0 if n[f"{name}_low"] > 0 or n[f"{name}_high"] < 0 else None


def _main_confusion(i: int, j: int, count: int) -> Claim:
    """True i called j is among the ten pairs that the baseline confuses most often, of all 90."""

    def holds(n: Numbers) -> bool:
        pairs = [(a, b) for a in range(10) for b in range(10) if a != b]
        mine = n[f"baseline_confusion_{i}_{j}"]
        return sum(n[f"baseline_confusion_{a}_{b}"] > mine for a, b in pairs) < 10

    text = f"{i}→{j} is among the baseline's main confusions"
    return Claim(text, str(count), lambda n: f"{n[f'baseline_confusion_{i}_{j}']:.0f}", holds)


def _change(i: int, j: int) -> Callable[[Numbers], str]:
    """A count of the baseline -> of the probe, the interval of the change, and the control's count."""

    def measured(n: Numbers) -> str:
        before, after, control = (
            n[f"{method}_confusion_{i}_{j}"]
            for method in ("baseline", "probe", "baseline_augmented")
        )
        low, high = (n[f"probe_confusion_{i}_{j}_change_{side}"] for side in ("low", "high"))
        change = f"[{low:+.0f}, {high:+.0f}]".replace("-", "−")
        return f"{before:.0f} → {after:.0f} {change}; control {control:.0f}"

    return measured


def _falls(i: int, j: int, source: str, otherwise: str = "") -> Claim:
    """True i is called j less often by the probe than by the baseline."""
    falls = _below(f"probe_confusion_{i}_{j}_change")
    return Claim(f"{i}→{j} falls with the probe", source, _change(i, j), falls, otherwise)


def _lowest_recall(numbers: Numbers) -> float:
    """The smallest share of a class that the baseline recognises, of those in WELL."""
    rows = {k: [numbers[f"baseline_confusion_{k}_{other}"] for other in range(10)] for k in WELL}
    return min(row[k] / sum(row) for k, row in rows.items())


def _varies_less(n: Numbers) -> bool | None:
    """Whether the probe's spread is below the baseline's with 20 and with 100 labels; None where
    with one of them only."""
    less = {n[f"probe_at_{m}_sd"] < n[f"baseline_at_{m}_sd"] for m in (20, 100)}
    return less.pop() if len(less) == 1 else None


def _difference(n: Numbers, pair: str) -> str:
    """A difference in points and, where there are several draws, its interval."""
    text, bounds = f"{n[f'{pair}_difference']:+.1f} points", [n[f"{pair}_low"], n[f"{pair}_high"]]
    if not any(map(math.isnan, bounds)):
        text += f" [{bounds[0]:+.1f}, {bounds[1]:+.1f}]"
    return text.replace("-", "−")


def _gain(n: Numbers) -> str:
    """What probe and control gain over the baseline."""
    ends = f"{n['baseline_accuracy_mean']:.1%} → {n['probe_accuracy_mean']:.1%}"
    control = f"{n['baseline_augmented_less_baseline_difference']:+.1f}".replace("-", "−")
    return f"{ends}: {_difference(n, 'probe_less_baseline')}; control {control}"


def _recalls(numbers: Numbers) -> str:
    """How far probe and fine-tuning are apart in the recall of a class."""
    better = {"probe": "probe_ahead_digits", "fine-tuning": "finetune_ahead_digits"}
    told = [
        f"{method} better on {numbers[key]}" for method, key in better.items() if key in numbers
    ]
    largest = f"recalls up to {numbers['finetune_probe_recall_difference']:.1f} points apart"
    return f"{largest}; beyond chance: {', '.join(told) or 'none'}"


_OTHER_BASELINE = (
    "The source gives neither epochs nor optimiser nor how its labels were drawn; here training "
    "goes on until the loss is flat."
)

# How the words of the source are read; what stands before the table.
RULES = """The source's words are read like this:

- *A figure* holds within 1 point of accuracy (2 with 20 labels, 1.5 for the gain), 50 images for
  the count of 9s and 0.15 for the loss. Of the climb only the 60% are judged: where its curve has
  the 20% the source does not say.
- *Main confusion*: among the ten most frequent of 90. Here, as in the next line, rank and direction
  are judged, and not the counts beside them.
- *More, falls, below, significantly*: by the paired interval over draws (in brackets), undecided
  where it holds zero.
- *Very well*: at least 90% of the class, as those four have in the source.
- *Plateau*: a change of less than 2 points.
- *Over-fit*: a validation loss that ends more than 0.01 above its lowest.
- *Varies less*: a smaller standard deviation (σ) with 20 and with 100 labels, undecided where with one only.
- *Comparable*: no class whose recall differs by more than 5 points.
- *By construction*: copied, or tuned so that it holds.
- *Control*: augmentation without pre-training.
"""
CLAIMS = [
    Claim(
        "The network has 1,677,674 parameters and 19.98 M multiply-adds",
        "1,677,674; 19.98 M",
        lambda n: f"{n['network_parameters']:,.0f}; {n['network_multiply_adds'] / 1e6:.2f} M",
        lambda n: (
            n["network_parameters"] == 1_677_674
            and round(n["network_multiply_adds"] / 1e6, 2) == 19.98
        ),
        labels=False,
        built_in=True,
    ),
    Claim(
        "Baseline with 100 labels: 80–85%",
        "80–85%",
        _percent("baseline_accuracy_mean"),
        lambda n: 0.80 <= n["baseline_accuracy_mean"] <= 0.85,
        _OTHER_BASELINE,
    ),
    Claim(
        "The baseline is on its plateau from about 60 labels on",
        "80–85% from about 60",
        lambda n: f"{n['baseline_at_60_mean']:.1%} → {n['baseline_accuracy_mean']:.1%}",
        lambda n: abs(n["baseline_accuracy_mean"] - n["baseline_at_60_mean"]) < 0.02,
    ),
    Claim(
        "The baseline climbs from 20% to about 60% within the first 20 labels",
        "20% → 60%",
        _percent("baseline_at_20_mean"),
        _near("baseline_at_20_mean", 0.60, 0.02),
        _OTHER_BASELINE,
    ),
    Claim(
        "The baseline recognises 0, 1, 6 and 7 very well",
        "923, 1109, 917, 928",
        lambda n: (
            ", ".join(f"{n[f'baseline_confusion_{k}_{k}']:.0f}" for k in WELL)
            + f"; the lowest share {_lowest_recall(n):.1%}"
        ),
        lambda n: _lowest_recall(n) >= 0.9,
        "Which digits do best depends on the labels drawn; ours is a mean over draws.",
    ),
    _main_confusion(4, 9, 100),
    _main_confusion(9, 4, 140),
    _main_confusion(8, 3, 91),
    _main_confusion(8, 9, 115),
    Claim(
        "The pre-training loss falls from 5.78 to a plateau of 5.17–5.18",
        "5.78 → 5.17",
        lambda n: (
            f"{n['pretrain_train_loss_first']:.2f} → {n['pretrain_train_loss_last']:.2f}; batch size and "
            "temperature were chosen to match"
        ),
        lambda n: (
            abs(n["pretrain_train_loss_first"] - 5.78) < 0.15
            and abs(n["pretrain_train_loss_last"] - 5.175) < 0.15
        ),
        "The loss depends on batch size, temperature and views, which the source gives only in part.",
        labels=False,
        built_in=True,
    ),
    Claim(
        "Validation and training loss are at most 0.05–0.07 apart",
        "0.05–0.07",
        lambda n: (
            f"up to {n['pretrain_largest_loss_gap']:.2f}; after the first epoch "
            f"{n['pretrain_largest_loss_gap_later']:.2f}"
        ),
        lambda n: round(n["pretrain_largest_loss_gap"], 2) <= 0.07,
        "The gap is widest in the first epoch, whose training loss is a mean over an epoch in which the "
        "network improves fast, while the validation loss is taken at its end.",
        labels=False,
    ),
    Claim(
        "Pre-training does not over-fit",
        "losses close and parallel",
        lambda n: (
            f"validation loss ends {n['pretrain_validation_loss_rise']:.3f} above its lowest, at "
            f"{n['pretrain_validation_loss_last']:.2f}; training loss at {n['pretrain_train_loss_last']:.2f}"
        ),
        lambda n: n["pretrain_validation_loss_rise"] <= 0.01,
        labels=False,
    ),
    Claim(
        "Linear probe: about 91%",
        "91%",
        _percent("probe_accuracy_mean"),
        _near("probe_accuracy_mean", 0.91, 0.01),
        "The probe here is solved to convergence on standardised features, with batch norm's statistics "
        "frozen too; the source says nothing of these.",
    ),
    Claim(
        "The probe climbs much faster: 82% with 20 labels",
        "82%",
        _percent("probe_at_20_mean"),
        _near("probe_at_20_mean", 0.82, 0.02),
    ),
    Claim(
        "The probe varies less between draws than the baseline",
        "narrower band",
        lambda n: (
            f"σ {100 * n['probe_at_100_sd']:.2f} against {100 * n['baseline_at_100_sd']:.2f} points; with 20 "
            f"labels {100 * n['probe_at_20_sd']:.2f} against {100 * n['baseline_at_20_sd']:.2f}"
        ),
        _varies_less,
    ),
    Claim(
        "The probe gets more 5s right",
        "793 → 843",
        _change(5, 5),
        _above("probe_confusion_5_5_change"),
    ),
    _falls(8, 3, "91 → 65", "Blur may hide the gaps that tell 8 from 3."),
    _falls(8, 9, "115 → 89"),
    _falls(8, 5, "→ 14"),
    _falls(9, 4, "140 → 60", "4 and 9 differ by one stroke, which blur and crops may hide."),
    Claim(
        "The probe gets about 837 of the 9s right",
        "837",
        lambda n: f"{n['probe_confusion_9_9']:.0f}",
        _near("probe_confusion_9_9", 837, 50),
    ),
    Claim(
        "Full fine-tuning: about 90%",
        "90%",
        _percent("finetune_accuracy_mean"),
        _near("finetune_accuracy_mean", 0.90, 0.01),
        "Ours starts at the probe's head and augments its images; the source says nothing of these.",
    ),
    Claim(
        "Fine-tuning is slightly below the probe",
        "90% < 91%",
        lambda n: _difference(n, "finetune_less_probe"),
        _below("finetune_less_probe"),
        "Ours has the remedies of @sec-finetune-choices.",
    ),
    Claim(
        "Fine-tuning performs comparably to the probe, class by class",
        "comparable",
        _recalls,
        lambda n: n["finetune_probe_recall_difference"] <= 5,
    ),
    Claim(
        "SimCLR improves the baseline significantly, by 6 points",
        "85% → 91%",
        _gain,
        lambda n: (
            abs(n["probe_less_baseline_difference"] - 6) < 1.5 and _above("probe_less_baseline")(n)
        ),
    ),
]
