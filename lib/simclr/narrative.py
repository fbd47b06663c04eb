"""Sentences whose wording depends on how the numbers came out.

Each function returns Markdown with `{name}` where `display.say` fills in a number; none holds one.
"""

import math
from collections.abc import Mapping

import pandas as pd

from simclr.claims import FAILS, HOLDS, MISSING, OPEN
from simclr.fetch import SHA256
from simclr.figstyle import name
from simclr.params import THINGS

Numbers = Mapping[str, float | str]


def abstract(numbers: Numbers) -> str:
    """The report in one paragraph."""
    probe = _against(numbers, "probe", "baseline_augmented")
    finetune = _against(numbers, "finetune", "probe")
    return (
        "We rebuild a student report that classifies {dataset} from **{compared_labels} labelled "
        "images**, with and without SimCLR pre-training on {pretrain_unlabelled_images:,.0f} "
        "unlabelled ones, and measure every method over {compared_draws} label "
        f"draw{'' if numbers['compared_draws'] == 1 else 's'} and "
        "{compared_test_images:,} test images. Trained on the labels alone, the network reaches "
        "{baseline_accuracy_mean:.1%}; augmentation by itself lifts that to "
        "{baseline_augmented_accuracy_mean:.1%}, a control that the source lacks. A linear probe on "
        "the frozen pre-trained encoder reaches {probe_accuracy_mean:.1%}, and fine-tuning all of it "
        f"{{finetune_accuracy_mean:.1%}}. Draw by draw, the probe is {probe} the augmented control, "
        f"and fine-tuning is {finetune} the probe.{_few_labels(numbers)}"
    )


def spread(numbers: Numbers, method: str) -> str:
    """How far a method's draws lie apart, in brackets."""
    if math.isnan(numbers[f"{method}_accuracy_sd"]):
        return "(a single draw)"
    return (
        f"(standard deviation between draws {{{method}_accuracy_sd:.1%}}, "
        f"worst draw {{{method}_accuracy_worst:.1%}})"
    )


def last_labels(numbers: Numbers) -> str:
    """What the last step of the baselines' learning curves brings; nothing for a single point."""
    if "baseline_last_gain" not in numbers:
        return ""
    return (
        " The last step of the curves, from {labels_before_last:.0f} to {n_labels_largest} labels, changes "
        "the mean by {baseline_last_gain:+.1f} points without and {baseline_augmented_last_gain:+.1f} with "
        "augmentation."
    )


def against_probe(numbers: Numbers) -> str:
    """Fine-tuning less the probe, where both were measured on the same draws and images."""
    if "finetune_probe_difference" not in numbers:
        return ""
    return (
        " Against the probe this is a difference of {finetune_probe_difference:+.1f} points; whether it "
        "can be told from chance is a matter for @sec-comparison."
    )


def _few_labels(numbers: Numbers) -> str:
    """Where on the learning curve the probe is ahead of the augmented control beyond chance."""
    if "probe_ahead_with" not in numbers:
        return ""
    return (
        " With fewer labels the probe is ahead of the control beyond chance: with {probe_ahead_with} labels, "
        "by up to {probe_most_ahead_difference:.1f} points (with {probe_most_ahead_labels})."
    )


def limits(dataset: str, balanced: bool) -> str:
    """What the numbers do not show."""
    labels = (
        "- **Labels are balanced.** The same number for each class is kinder than chance; "
        "`balanced: false` in `params/` draws at random."
        if balanced
        else "- **Labels are drawn at random.** A class may be rare among them, or missing."
    )
    return "\n".join(
        [
            "- **One pre-training seed.** All draws share one encoder. The intervals say nothing about "
            "what another seed would give.",
            labels,
            "- **Some settings were chosen.** The probe's penalty and the recipes of control and "
            "fine-tuning were picked on draws of MNIST that are shown nowhere, with the labels of "
            "validation images. A person with only {compared_labels} labels could not do even that.",
            f"- **Easy data.** The {THINGS[dataset]} are centred, of one size and on a clean ground. "
            "Nothing here promises the same gain on photographs.",
            "- **The source is not fully specified.** Its batch size, temperature, dropout rates, epochs "
            "of the supervised stages and way of drawing labels are ours to guess, so a claim that does "
            "not hold here need not be wrong there.",
        ]
    )


def timing(stamp: Mapping) -> str:
    """What ran beside what, for a caption about seconds."""
    if stamp["device"] != "cpu":
        return ""
    return f" Pre-training has all {stamp['threads']} threads; a fit has one, while others run beside it."


def reading(numbers: Numbers) -> str:
    """What the table and the curves of the comparison show."""
    sentences = [
        f"{_cap(name(str(numbers['best_method'])))} has the highest mean with {{compared_labels}} labels, "
        "{best_accuracy_mean:.1%}; @fig-differences shows which differences can be told from chance."
    ]
    fewest = {
        method: f"{method}_labels_to_match_baseline" for method in ("probe", "baseline_augmented")
    }
    if all(key in numbers for key in fewest.values()):
        sentences.append(
            f"To do what the baseline does with {{compared_labels}} labels, the probe needs "
            f"{{{fewest['probe']}}} and the augmented control {{{fewest['baseline_augmented']}}}."
        )
    if "probe_accuracy_sd" in numbers and "baseline_accuracy_sd" in numbers:
        less = numbers["probe_accuracy_sd"] < numbers["baseline_accuracy_sd"]
        sentences.append(
            f"Between draws the probe varies {'less' if less else 'no less'} than the baseline: a standard "
            "deviation of {probe_accuracy_sd:.2%} against {baseline_accuracy_sd:.2%}."
        )
    return " ".join(sentences)


def discussion(numbers: Numbers) -> str:
    """What the comparison means."""
    paragraphs = [
        "**What pre-training buys.** Against the plain baseline the probe gains "
        "{probe_less_baseline_difference:+.1f} points; augmentation without pre-training gains "
        "{baseline_augmented_less_baseline_difference:+.1f}, and the same probe on an encoder that was "
        "never trained reaches {probe_untrained_accuracy_mean:.1%}. The probe is "
        f"{_against(numbers, 'probe', 'baseline_augmented')} the augmented control "
        "({probe_less_baseline_augmented_difference:+.1f} points, ahead on "
        "{probe_less_baseline_augmented_wins} of {compared_draws} draws)."
        f"{_few_labels(numbers)}",
        "**Probe or fine-tuning.** Fine-tuning is "
        f"{_against(numbers, 'finetune', 'probe')} the probe "
        "({finetune_less_probe_difference:+.1f} points, ahead on {finetune_less_probe_wins} of "
        "{compared_draws} draws) and "
        f"{_against(numbers, 'finetune', 'baseline_augmented')} the augmented control "
        "({finetune_less_baseline_augmented_difference:+.1f} points). These two share network, labels "
        "and views, and each has the epochs, learning rates and dropout that did best on validation "
        "images among the few that were tried; fine-tuning also keeps its batch norm frozen and "
        "starts from the probe's head. So this last difference is between two good recipes, one "
        "with pre-training and one without, and not the effect of a single change.",
        "**What the views teach.** SimCLR learns to overlook what its views change. Rotations of up to "
        "{pretrain_rotation:.0f}° and crops may so hide a small stroke that tells two classes apart; "
        "@fig-probe-confusion shows the pairs that stay confused. The views of the control were chosen "
        "on validation images, while those of pre-training follow the source, which favours the control. A "
        "deeper encoder, other views and other numbers of labels are what the source leaves open; "
        "classifiers that use the unlabelled images a second time are what it does not try.",
    ]
    return "\n\n".join(paragraphs)


def why(verdicts: pd.DataFrame) -> str:
    """How many claims hold, and for each that does not what we think is the reason."""
    count = verdicts.holds.value_counts()
    others = {FAILS: "do not", OPEN: "cannot be decided", MISSING: "are not measured in this build"}
    told = [f"{count[verdict]} {words}" for verdict, words in others.items() if verdict in count]
    lines = [f"Of {len(verdicts)} claims {count.get(HOLDS, 0)} hold here{_listed(told)}."]
    failing = verdicts[verdicts.holds == FAILS]
    if len(failing):
        lines.append("Why those that do not hold may not:")
        lines += [f"- *{row.claim}* — {row.why}" for row in failing.itertuples()]
    return "\n\n".join([lines[0], *lines[1:2], "\n".join(lines[2:])]).strip()


def statement(collected: Mapping) -> str:
    """Where the numbers come from: data and versions; the stages have a table of their own."""
    stamp = collected["stages"]["pretrain"]
    versions, known = stamp["versions"], stamp["params"]["dataset"] in SHA256
    used = ", ".join(f"{package} {number}" for package, number in versions.items())
    return (
        "`make report` rebuilds every number, figure and table from the raw data; `make verify` does "
        "so in another folder and says, number by number, whether this report is reproduced. On one "
        "machine's processor, with one thread count, the files come out the same, seconds aside. This "
        f"build has its data from {collected['data']['source']}"
        f"{', each file checked against its SHA-256' if known else ''}, and ran with {used}. "
        "@tbl-provenance says where each stage ran; `provenance.json` holds the checksums, the "
        "parameters of every stage and their hashes."
    )


def _against(numbers: Numbers, a: str, b: str) -> str:
    """ "better than", "worse than" or "indistinguishable from", by the paired interval."""
    low, high = (numbers.get(f"{a}_less_{b}_{side}") for side in ("low", "high"))
    if low is None or high is None or low != low:  # missing, or NaN: a single draw
        return "on too few draws to be told from"
    return "better than" if low > 0 else "worse than" if high < 0 else "indistinguishable from"


def _listed(parts: list[str]) -> str:
    """ ", a", " and b" and so on, to go on a sentence."""
    return "".join(f"{' and' if part == parts[-1] else ','} {part}" for part in parts)


def _cap(text: str) -> str:
    return text[:1].upper() + text[1:]
