"""Sentences whose wording depends on how the numbers came out.

Each function returns Markdown with `{name}` where `display.say` fills in a number; none holds one.
"""

import math
from collections.abc import Mapping

import pandas as pd

from simclr.claims import BUILT_IN, FAILS, HOLDS, MISSING, OPEN
from simclr.fetch import SHA256
from simclr.params import DATASET_NAMES, THINGS

Numbers = Mapping[str, float | str]
SPOKEN = {
    "baseline": "the baseline",
    "baseline_augmented": "the augmented control",
    "probe_untrained": "the probe of the untrained encoder",
    "probe": "the linear probe",
    "finetune": "fine-tuning",
}  # what a sentence calls a method


def abstract(numbers: Numbers) -> str:
    """The report in one paragraph."""
    draws = f"draw{'' if numbers['compared_draws'] == 1 else 's'}"
    fewer = ""
    if "probe_ahead_with" in numbers:
        several = "," in str(numbers["probe_ahead_with"])
        fewer = (
            " With {probe_ahead_with} labels the probe is ahead of the control"
            f"{', most with {probe_most_ahead_labels}' if several else ''}: "
            "{probe_most_ahead_difference:+.1f} points, {confidence} interval "
            "{probe_most_ahead_low:+.1f} to {probe_most_ahead_high:+.1f}."
        )
    return (
        "We rebuild a student report that classifies {dataset} from **{compared_labels} labelled "
        "images**, with and without SimCLR pre-training on {pretrain_unlabelled_images:,.0f} "
        f"unlabelled ones, and measure every method over {{compared_draws}} label {draws} and "
        "{compared_test_images:,} test images, on one pre-training run. Trained on the labels alone, the "
        "network reaches {baseline_accuracy_mean:.1%}. A control that the source lacks, the same network "
        f"trained with augmented images{_longer(numbers)}, reaches {{baseline_augmented_accuracy_mean:.1%}}. "
        "A linear probe on the frozen pre-trained encoder reaches {probe_accuracy_mean:.1%}, and "
        "fine-tuning all of it {finetune_accuracy_mean:.1%}. Draw by draw, the probe "
        f"{_against(numbers, 'probe', 'baseline_augmented')} the control "
        f"({_difference(numbers, 'probe', 'baseline_augmented')}), and fine-tuning "
        f"{_against(numbers, 'finetune', 'probe')} the probe ({_difference(numbers, 'finetune', 'probe')})."
        f"{fewer}"
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


def limits(numbers: Numbers, dataset: str, balanced: bool) -> str:
    """Those limits that depend on the build."""
    labels = (
        "- **Labels are balanced.** The same number for each class is kinder than chance; "
        "`balanced: false` in `params/` draws at random."
        if balanced
        else "- **Labels are drawn at random.** A class may be rare among them, or missing."
    )
    samples = (
        "- **Fewer labels, fewer test images.** With fewer than {compared_labels} labels a classifier is "
        "tested on {smaller_test_images:,} of the test images, another sample for each draw and the same "
        "for all methods. How far draws lie apart there is in part the luck of that sample."
    )
    data = (
        f"- **Easy data.** The {THINGS[dataset]} are centred, of one size and on a clean ground. "
        "Nothing here promises the same gain on photographs."
    )
    fewer = numbers["smaller_test_images"] < numbers["compared_test_images"]
    return "\n".join([labels, samples, data] if fewer else [labels, data])


def timing(stamp: Mapping) -> str:
    """What ran beside what, for a caption about seconds."""
    if stamp["device"] != "cpu":
        return ""
    return f" Pre-training has all {stamp['threads']} threads; a fit has one, while other fits run."


def reading(numbers: Numbers) -> str:
    """What the table and the curves of the comparison show."""
    best = SPOKEN[str(numbers["best_method"])]
    best = best[0].upper() + best[1:]
    level = [SPOKEN[key] for key in str(numbers["best_not_ahead_of"]).split(",") if key]
    sentences = [
        f"{best} has the highest mean with {{compared_labels}} labels, {{best_accuracy_mean:.1%}} "
        "(@tbl-accuracy)."
    ]
    if numbers["compared_draws"] == 1:
        sentences.append("A single draw does not tell whether that is more than chance.")
    elif level:
        sentences.append(
            f"But draw by draw it cannot be told from {_and(level)} (@tbl-differences), so it cannot be "
            "called the best."
        )
    else:
        sentences.append("Draw by draw it is ahead of every other method beyond chance.")
    fewest = {
        method: f"{method}_labels_to_match_baseline" for method in ("probe", "baseline_augmented")
    }
    if all(key in numbers for key in fewest.values()):
        sentences.append(
            "The mean that the baseline has with {compared_labels} labels is reached by the probe with "
            f"{{{fewest['probe']}}} and by the augmented control with {{{fewest['baseline_augmented']}}} "
            "(@fig-curves)."
        )
    if "probe_accuracy_sd" in numbers and "baseline_accuracy_sd" in numbers:
        less = numbers["probe_accuracy_sd"] < numbers["baseline_accuracy_sd"]
        sentences.append(
            f"With {{compared_labels}} labels the probe varies {'less' if less else 'no less'} between draws "
            "than the baseline: a standard deviation of {probe_accuracy_sd:.2%} against "
            "{baseline_accuracy_sd:.2%}."
        )
        if less and "probe_varies_no_less_with" in numbers:
            sentences.append("With {probe_varies_no_less_with} labels it varies no less.")
    return " ".join(sentences)


def discussion(numbers: Numbers) -> str:
    """What the comparison means."""
    views = "the same views" if numbers["finetune_same_views"] else "views of their own"
    frozen = "" if numbers["finetune_update_norm"] else "keeps its batch norm frozen and "
    paragraphs = [
        "**Pre-training against augmentation.** Against the plain baseline the probe gains "
        f"{_difference(numbers, 'probe', 'baseline')}. Training with augmented images{_longer(numbers)}, "
        f"without pre-training, gains {_difference(numbers, 'baseline_augmented', 'baseline')}. The probe "
        "on an encoder that was never trained reaches {probe_untrained_accuracy_mean:.1%}. The probe "
        f"{_against(numbers, 'probe', 'baseline_augmented')} the augmented control "
        f"({_difference(numbers, 'probe', 'baseline_augmented')}; "
        f"{_draws(numbers, 'probe', 'baseline_augmented')})."
        f"{_excluded(numbers, 'probe', 'baseline_augmented')}{_few_labels(numbers)}",
        f"**Probe or fine-tuning.** Fine-tuning {_against(numbers, 'finetune', 'probe')} the probe "
        f"({_difference(numbers, 'finetune', 'probe')}; {_draws(numbers, 'finetune', 'probe')})."
        f"{_excluded(numbers, 'finetune', 'probe')} It "
        f"{_against(numbers, 'finetune', 'baseline_augmented')} the augmented control "
        f"({_difference(numbers, 'finetune', 'baseline_augmented')}; "
        f"{_draws(numbers, 'finetune', 'baseline_augmented')})."
        " Fine-tuning and the control train the "
        f"same network on the same labels and with {views}, each with the epochs, learning rates "
        "and dropout that did best on validation images among the few that were tried; fine-tuning also "
        f"{frozen}starts from the probe's head (@tbl-settings). So their "
        "difference is that between two good recipes, one with pre-training and one without, and not "
        "the effect of a single change.",
        f"**Views and confusions.** {_confusions(numbers)}A hypothesis, not tested here: SimCLR learns to "
        "overlook what its views change, and rotations of up to {pretrain_rotation:.0f}° and crops may so "
        "hide a small stroke that tells two classes apart. The kinds of views and the largest rotation "
        "of pre-training are the source's; how much is cropped and blurred is ours and was not tuned for "
        "accuracy. The control's views were tuned for it, on validation images: this favours the control.",
    ]
    return "\n\n".join(paragraphs)


def why(verdicts: pd.DataFrame) -> str:
    """How many claims hold, what that does not show, and what may be the reason where one does not."""
    built_in = verdicts.holds == BUILT_IN
    count = verdicts.holds[~built_in].value_counts()
    told = [
        f"{count[verdict]} {verdict}"
        for verdict in (HOLDS, FAILS, OPEN, MISSING)
        if verdict in count
    ]
    text = f"The verdicts on {len(verdicts) - built_in.sum()} claims are: {', '.join(told)}."
    if built_in.any():
        text += f" Those that hold by construction ({built_in.sum()}) are not counted."
    if (verdicts.holds == HOLDS).any():
        text += (
            " A claim of a gain or a fall with the probe is about what is seen, not about its cause: the "
            "control, which had no pre-training, stands beside it to show how much augmentation does."
        )
    reasons = verdicts[(verdicts.holds == FAILS) & (verdicts.why != "")].groupby("why", sort=False)
    lines = [f"- *{'*; *'.join(rows.claim)}*: {reason}" for reason, rows in reasons]
    if lines:
        text += "\n\nPossible reasons, not tested, why some do not hold:\n\n" + "\n".join(lines)
    return text


def published(numbers: Numbers) -> str:
    """Our best beside what others report with as many labels of MNIST."""
    text = "The best mean error here, on {dataset} with {compared_labels} labels, is {best_error_mean:.1%}"
    other = numbers["dataset"] != DATASET_NAMES["mnist"]
    return text + (
        ", of other images than theirs." if other else ", against about one percent there."
    )


def statement(collected: Mapping) -> str:
    """Data and versions of the build; its stages have a table of their own."""
    versions = [stamp["versions"] for stamp in collected["stages"].values()]
    known = collected["stages"]["pretrain"]["params"]["dataset"] in SHA256
    used = ", ".join(f"{package} {number}" for package, number in versions[0].items())
    ran = (
        f"All stages ran with {used}."
        if all(version == versions[0] for version in versions)
        else "The stages ran with different versions of the packages; `provenance.json` lists them."
    )
    return (
        f"The data of this build are from {collected['data']['source']}"
        f"{', each file checked against its SHA-256' if known else ''}. {ran}"
    )


def _few_labels(numbers: Numbers) -> str:
    """Where on the learning curve the pre-trained methods and the control differ beyond chance."""
    if "smaller_sizes" not in numbers:
        return ""
    after = (
        "after Holm's correction for {smaller_sizes} tests, one for each number of labels below "
        "{compared_labels}"
    )
    if "probe_ahead_with" in numbers:
        text = (
            f" With fewer labels it is ahead of the control beyond chance, {after}: with "
            "{probe_ahead_with}. The lead is largest with {probe_most_ahead_labels}: "
            "{probe_most_ahead_difference:+.1f} points, {confidence} interval "
            "{probe_most_ahead_low:+.1f} to {probe_most_ahead_high:+.1f}."
        )
    else:
        text = f" With fewer labels it is nowhere ahead of the control beyond chance, {after}."
    if "probe_behind_with" in numbers:
        text += " It is behind it with {probe_behind_with}."
    text += (
        " Fine-tuning, tested alike, is ahead of the control with {finetune_ahead_with} labels"
        if "finetune_ahead_with" in numbers
        else " Fine-tuning, tested alike, is nowhere ahead of the control"
    )
    behind = " and behind it with {finetune_behind_with}"
    return text + (f"{behind}." if "finetune_behind_with" in numbers else ".")


def _longer(numbers: Numbers) -> str:
    """That the control also trains longer than the baseline, where it does."""
    if numbers["augmented_epochs"] <= numbers["baseline_epochs"]:
        return ""
    return " and for longer ({augmented_epochs} epochs, not {baseline_epochs})"


def _confusions(numbers: Numbers) -> str:
    """Which classes the probe confuses more often than the control."""
    if "control_ahead_confusions" not in numbers:
        return ""
    return (
        "Of all pairs of classes, those that the probe confuses more often than the augmented control by "
        "most are {control_ahead_confusions}: true → predicted, mean counts, an observation and no test. "
    )


def _known(numbers: Numbers, a: str, b: str) -> bool:
    """Whether there is an interval of the difference: more than one draw."""
    low, high = (numbers.get(f"{a}_less_{b}_{side}", math.nan) for side in ("low", "high"))
    return not (math.isnan(low) or math.isnan(high))


def _against(numbers: Numbers, a: str, b: str) -> str:
    """ "is better than", "is worse than" or "cannot be told from", by the paired interval."""
    if not _known(numbers, a, b):
        return "is on too few draws to be told from"
    if numbers[f"{a}_less_{b}_low"] > 0:
        return "is better than"
    return "is worse than" if numbers[f"{a}_less_{b}_high"] < 0 else "cannot be told from"


def _difference(numbers: Numbers, a: str, b: str) -> str:
    """The mean paired difference in points and, where there is one, its interval."""
    pair = f"{a}_less_{b}"
    text = f"{{{pair}_difference:+.1f}} points"
    if _known(numbers, a, b):
        text += f", {{confidence}} interval {{{pair}_low:+.1f}} to {{{pair}_high:+.1f}}"
    return text


def _draws(numbers: Numbers, a: str, b: str) -> str:
    """On how many draws a is ahead of b, equal and behind."""
    pair = f"{a}_less_{b}"
    equal = f", equal on {{{pair}_ties}}" if numbers[f"{pair}_ties"] else ""
    return (
        f"ahead on {{{pair}_wins}} of {{compared_draws}} draws{equal}, behind on {{{pair}_losses}}"
    )


def _excluded(numbers: Numbers, a: str, b: str) -> str:
    """What an interval that holds zero still says."""
    if _against(numbers, a, b) != "cannot be told from":
        return ""
    pair = f"{a}_less_{b}"
    return (
        f" That leaves open any difference from {{{pair}_low:+.1f}} to {{{pair}_high:+.1f}} points for this "
        "one encoder, and does not show that the two are equal."
    )


def _and(parts: list[str]) -> str:
    """ "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
