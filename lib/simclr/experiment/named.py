"""The numbers that the prose quotes, by name."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from simclr.experiment import graphs, statistics
from simclr.experiment.stages import CONTROL
from simclr.loss import chance_loss

# Test images of MNIST whose label most of five annotators reject (Northcutt, Athalye & Mueller 2021).
DISPUTED = (947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729)

SUREST = 12  # mistakes of label spreading that are shown

if TYPE_CHECKING:
    from simclr.experiment.findings import Findings


def numbers(found: "Findings") -> dict[str, float | str]:
    """The numbers that prose quotes, by name; what this stage does not know is left out.

    A method's name alone is its mean accuracy with all labels, `_fewest` that with the fewest;
    differences are in points. A single draw has no deviation, few draws have no interval: NaN.
    """
    common = found.study.params["common"]
    numbers: dict[str, float | str] = {
        "dataset": found.study.dataset.name,
        "things": found.study.dataset.things,
        "labels": max(common.n_labels),
        "fewest": min(common.n_labels),
        "balanced": common.balanced,
        "draws": len(common.draws),
        "choices": len(found.study.params["selftrain"].choices),
        "seeds": len(found.study.seeds("pretrained")),
        "test_images": common.test_images,
        "curve_test_images": common.curve_test_images,
        "unlabelled": found.study.params["pretrain"].unlabelled_images,
        "confidence": f"{100 * found.confidence:g}%",
    }
    if "pretrain" in found.stages:
        numbers |= _pretraining(found.pretraining, found.study.params["pretrain"].batch_size)
        numbers["pretrain_minutes"] = found.minutes("pretrained")
    if "probe" in found.stages:
        for name in ("before", "after"):
            numbers[f"neighbours_{name}"] = float(found.map[f"{name}_neighbours"])
    if found.stage == "spread":
        numbers |= _island(found)
    if "selftrain" in found.stages:
        numbers |= _selftraining(found)
    if found.runs:
        for method in found.methods:
            numbers |= _of_method(found, method)
        numbers |= _differences(found)
    if found.stage == "comparison":
        numbers |= _best(found)
    return numbers


def _of_method(found: "Findings", method: str) -> dict[str, float | str]:
    rows = found.summary[found.summary.method == method].set_index("n_labels")
    most, fewest = rows.loc[rows.index.max()], rows.loc[rows.index.min()]
    fits = found.with_most_labels(found.results[found.results.method == method])
    values = {
        method: most["mean"],
        f"{method}_sd": 100 * most.sd,
        f"{method}_worst": most.worst,
        f"{method}_fewest": fewest["mean"],
        f"{method}_fewest_worst": fewest.worst,
        f"{method}_seconds": fits.seconds.mean(),
    }
    numbers = {name: float(value) for name, value in values.items()}
    counts = found.counts(method).mean(0)
    return numbers | {f"{method}_confusions": statistics.largest_confusions(counts)}


def _differences(found: "Findings") -> dict[str, float]:
    """`a_over_b` with all labels and `_fewest`, each with `_low` and `_high`, in points; the control's
    largest lead with fewer labels than all, `control_over_a_most`; the p-value with all labels, by Holm's
    correction for all pairs; and up to how many labels, fewer than all, a's lead is beyond chance by his."""
    numbers: dict[str, float] = {"comparisons": len(found.with_most_labels(found.differences))}
    for (a, b), rows in found.differences.groupby(["a", "b"]):
        name = f"{a}_over_{b}".replace(CONTROL, "control")
        for end, row in (("", rows.iloc[-1]), ("_fewest", rows.iloc[0])):
            parts = {"": row.difference, "_low": row.low, "_high": row.high}
            numbers |= {name + end + part: 100 * float(x) for part, x in parts.items()}
        if b == CONTROL and len(rows) > 1:  # where, with fewer labels than all, b leads most
            row = rows.iloc[:-1].sort_values("difference").iloc[0]
            parts = {"": -row.difference, "_low": -row.high, "_high": -row.low}
            name_b = f"control_over_{a}_most"
            numbers |= {name_b + part: 100 * float(x) for part, x in parts.items()}
        numbers[f"{name}_p"] = float(rows.p_holm.iloc[-1])
        fewer = rows.iloc[:-1]
        clear = fewer[(fewer.p_holm < 1 - found.confidence) & (fewer.difference > 0)].n_labels
        numbers[f"{name}_up_to"] = int(clear.max()) if len(clear) else 0
    return numbers


def _best(found: "Findings") -> dict[str, float | str]:
    """The best method, and with how few labels others do as well as the baseline with all."""
    most = found.with_most_labels(found.summary).set_index("method")["mean"].loc[found.overview]
    best = str(most.idxmax())
    recalls = found.classes[found.classes.method == best].sort_values("recall")
    numbers: dict[str, float | str] = {
        "best": best,
        "hardest_class": int(recalls.digit.iloc[0]),
        "hardest_recall": float(recalls.recall.iloc[0]),
    }
    for method in ("probe", "finetune", "spread", CONTROL):
        rows = found.summary[found.summary.method == method]
        enough = rows[rows["mean"] >= most["baseline"]].n_labels
        name = f"{method}_matches_baseline".replace(CONTROL, "control")
        numbers[name] = int(enough.min()) if len(enough) else np.nan
    return numbers


def _island(found: "Findings") -> dict[str, float]:
    """Sevens that label spreading takes for twos: among its surest mistakes, and draw by draw.

    The draws are parted where the numbers jump most: `island_least` to `island_with` of them, and
    `island_without` to `island_most` in the other `island_draws`, `island_share` of all mistakes or more.
    """
    wrong, draws = found.surest_mistakes("spread", SUREST), found.island(7, 2)
    numbers = {
        "surest": len(wrong),
        "surest_sevens": int(((wrong.true == 7) & (wrong.predicted == 2)).sum()),
        "island_images": int((found.truth == 7).sum()),
    }
    if len(draws) > 1:
        errors = draws.errors.to_numpy()
        jump = int(np.diff(errors).argmax()) + 1
        mistakes = (found.predicted("spread") != found.truth).sum(1).max()
        numbers |= {"island_least": errors[0], "island_with": errors[jump - 1]}
        numbers |= {"island_without": errors[jump], "island_most": errors[-1]}
        numbers |= {"island_draws": len(errors) - jump, "island_share": errors[jump] / mistakes}
    return numbers


def _selftraining(found: "Findings") -> dict[str, float]:
    """What self-training gets wrong, how sure it is, and how long its encoder took.

    `_wrong` counts test images, `_always_wrong` those that are wrong in every draw; `_unsure` is the share
    of the mistakes among the 2% of the images of which the first draw's classifier is least sure, and
    `_sampling` is how far off, in points, the luck of the test images may be (95%). `sevens_called_twos` are
    those of spreading on the better encoder, among 10,000 test images, the mean over draws.
    """
    wrong = found.predicted("selftrain") != found.truth  # (draws, n_test)
    always = wrong.all(0)
    disputed = [image for image in DISPUTED if image < len(always)]
    probabilities = found.probabilities("selftrain")
    first, confidence = probabilities.argmax(1) != found.truth, probabilities.max(1)
    unsure = first[np.argsort(confidence, kind="stable")[: len(first) // 50]]
    encoder = found.study.encoder("neighbours", found.study.seeds("neighbours")[0])
    share = wrong.mean()
    return _rates(found.rates) | {
        "selftrain_sampling": 100 * float(1.96 * (share * (1 - share) / len(always)) ** 0.5),
        "graph_seconds": graphs.graph(found.study, "encoder", encoder).about()["seconds"],
        "better_minutes": found.minutes("views") + found.minutes("neighbours"),
        "selftrain_confidence": float(confidence.mean()),
        "selftrain_unsure": float(unsure.sum() / max(1, first.sum())),
        "selftrain_wrong": float(wrong.sum(1).mean()),
        "sevens_called_twos": float(found.counts("spread_neighbours")[:, 7, 2].mean()),
        "selftrain_always_wrong": int(always.sum()),
        "selftrain_disputed": int(always[disputed].sum()),
        "disputed": len(disputed),
    }


def _rates(rates: pd.DataFrame) -> dict[str, float]:
    """Shares of right labels in the pool, means over draws: `right_the_better_encoder` with all labels, and
    `_fewest`."""
    found = {}
    for neighbours, means in rates.pivot_table("right", "neighbours", "n_labels").iterrows():
        name = f"right_{neighbours}".replace("'", "").replace(" ", "_")
        found |= {name: float(means.iloc[-1]), f"{name}_fewest": float(means.iloc[0])}
    return found


def _pretraining(history: pd.DataFrame, batch_size: int) -> dict[str, float]:
    """What the prose quotes of pre-training, means over seeds; gaps are the largest of any seed."""
    trained, before = history[history.epoch > 0], history[history.epoch == 0]
    last, first = trained[trained.epoch == trained.epoch.max()], trained[trained.epoch == 1]
    gaps = (trained.train_loss - trained.validation_loss).abs()
    later = gaps[trained.epoch > 1]
    lowest = trained.groupby("seed").validation_loss.min().mean()
    found = {
        "chance": chance_loss(batch_size),
        "loss_first": first.train_loss.mean(),
        "loss_last": last.train_loss.mean(),
        "validation_last": last.validation_loss.mean(),
        "validation_rise": last.validation_loss.mean() - lowest,
        "gap": gaps.max(),
        "gap_later": later.max(),
        "alignment_last": last.alignment.mean(),
        "uniformity_first": before.uniformity.mean(),
        "uniformity_last": last.uniformity.mean(),
    }
    return {f"pretrain_{name}": float(value) for name, value in found.items()}
