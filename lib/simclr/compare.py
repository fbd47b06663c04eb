"""Methods side by side: summary, paired differences, classes, confident mistakes, costs."""

import numpy as np
import pandas as pd
from scipy.special import stdtr

from simclr.errors import UserError
from simclr.evaluate import confusion, interval, predictions
from simclr.results import METHODS, Draw

STAGE_NAMES = {"pretrain": "pre-training, once", "fit": "fit to the labels"}


def summary(results: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """A row a method, at the largest number of labels; accuracies are fractions.

    Args:
        results: the tidy table.

    Returns:
        method, draws, mean, low, high (interval of the mean), sd, worst, best.
    """
    rows, top = [], at_most(results)
    for method in METHODS:
        values = top[top.method == method].accuracy
        sd = values.std() if len(values) > 1 else float("nan")
        mean = interval(values, confidence)
        rows.append((method, len(values), *mean, sd, values.min(), values.max()))
    names = ["method", "draws", "mean", "low", "high", "sd", "worst", "best"]
    return pd.DataFrame(rows, columns=names)


def at_most(results: pd.DataFrame) -> pd.DataFrame:
    """The rows with the largest number of labels."""
    return results[results.n_labels == results.n_labels.max()]


def paired(
    results: pd.DataFrame, pairs: list[tuple[str, str]], confidence: float = 0.95
) -> pd.DataFrame:
    """Differences of accuracy a - b on the same draws, at the largest number of labels.

    Args:
        results: the tidy table.
        pairs: methods (a, b).

    Returns:
        A row a pair: a, b, difference, low, high, p (paired t test), wins, ties and losses (draws on
        which a is ahead, level and behind), values (a difference a draw).

    Raises:
        UserError: a draw that only one of the two was measured on.
    """
    wide = at_most(results).pivot(index="draw", columns="method", values="accuracy")
    rows = []
    for a, b in pairs:
        both = wide.reindex(columns=[a, b])
        if both.isna().any(axis=None):
            raise UserError(f"{a}, {b}: not measured on the same draws; build their stages again")
        values = (both[a] - both[b]).to_numpy()
        signs = [int((np.sign(values) == sign).sum()) for sign in (1, 0, -1)]
        middle = interval(values, confidence)
        rows.append((a, b, *middle, p_value(values), *signs, values.tolist()))
    names = ["a", "b", "difference", "low", "high", "p", "wins", "ties", "losses", "values"]
    return pd.DataFrame(rows, columns=names)


def over_labels(
    results: pd.DataFrame, pairs: list[tuple[str, str]], confidence: float = 0.95
) -> pd.DataFrame:
    """`paired` at every number of labels: its columns and n_labels."""
    found = [
        paired(rows, pairs, confidence).assign(n_labels=n)
        for n, rows in results.groupby("n_labels")
    ]
    return pd.concat(found, ignore_index=True)


def p_value(values: np.ndarray) -> float:
    """Two-sided p-value of Student's t test that the mean is zero; NaN for a single value."""
    if len(values) < 2:
        return float("nan")
    error = np.std(values, ddof=1) / len(values) ** 0.5
    if error == 0:
        return float(np.mean(values) == 0)
    return float(2 * stdtr(len(values) - 1, -abs(np.mean(values)) / error))


def holm(p: np.ndarray) -> np.ndarray:
    """p-values adjusted for their number by Holm's step-down method; NaN counts as 1.

    Rejecting those below a level keeps the chance of even one false rejection below it, whatever the
    tests have to do with each other. S. Holm, *A simple sequentially rejective multiple test
    procedure*, Scandinavian Journal of Statistics 6, 1979.
    """
    p = np.nan_to_num(np.asarray(p, dtype=float), nan=1.0)
    order, adjusted = p.argsort(), np.empty_like(p)
    steps = p[order] * np.arange(len(p), 0, -1)  # the smallest times n, the next times n - 1
    adjusted[order] = np.maximum.accumulate(steps).clip(max=1)
    return adjusted


def numbers(
    results: pd.DataFrame,
    differences: pd.DataFrame,
    gains: pd.DataFrame,
    confidence: float = 0.95,
) -> dict[str, float | str]:
    """What the comparison's prose quotes, by name; differences are in percentage points.

    Args:
        differences: of `paired`.
        gains: of `over_labels`: probe and fine-tuning less the augmented control.
    """
    means = summary(results).set_index("method")["mean"]
    best = str(means.idxmax())
    rivals = paired(results, [(best, other) for other in means.index if other != best], confidence)
    out: dict[str, float | str] = {
        "best_method": best,
        "best_accuracy_mean": float(means.max()),
        "best_error_mean": float(1 - means.max()),
        "best_not_ahead_of": ",".join(rivals[~(rivals.low > 0)].b),  # keys; NaN tells nothing apart
        "compared_draws": int(results.draw.nunique()),
        "compared_labels": int(results.n_labels.max()),
        "compared_test_images": int(results.n_test.max()),
        "smaller_test_images": int(results.n_test.min()),
    }
    for row in differences.itertuples():
        name = f"{row.a}_less_{row.b}"
        out[f"{name}_difference"] = 100 * row.difference
        out[f"{name}_low"], out[f"{name}_high"] = 100 * row.low, 100 * row.high
        out |= {f"{name}_wins": row.wins, f"{name}_ties": row.ties, f"{name}_losses": row.losses}
    spread = results.groupby(["method", "n_labels"]).accuracy.std().unstack(0)
    no_less = spread.index[spread.probe >= spread.baseline]
    if len(no_less):
        out["probe_varies_no_less_with"] = ", ".join(map(str, no_less))
    for method, rows in results.groupby("method"):
        match = rows.groupby("n_labels").accuracy.mean()
        enough = match[match >= float(means["baseline"])].index
        if len(enough):
            out[f"{method}_labels_to_match_baseline"] = int(enough.min())
    return out | _with_fewer(gains, confidence)


def _with_fewer(gains: pd.DataFrame, confidence: float) -> dict[str, float | str]:
    """With which smaller numbers of labels a pre-trained method and the augmented control differ.

    Holm's correction is made for the sizes, for each of the two methods by itself.
    """
    fewer = gains[(gains.b == "baseline_augmented") & (gains.n_labels < gains.n_labels.max())]
    out: dict[str, float | str] = {}
    for method, rows in fewer.groupby("a"):
        if rows.p.isna().all():  # a single draw
            continue
        clear = rows[holm(rows.p) < 1 - confidence]
        sides = {"ahead": clear[clear.difference > 0], "behind": clear[clear.difference < 0]}
        out["smaller_sizes"] = len(rows)
        for side, found in sides.items():
            if len(found):
                out[f"{method}_{side}_with"] = ", ".join(map(str, found.n_labels))
        if len(sides["ahead"]):
            most = sides["ahead"].loc[sides["ahead"].difference.idxmax()]
            out[f"{method}_most_ahead_labels"] = int(most.n_labels)
            for part in ("difference", "low", "high"):
                out[f"{method}_most_ahead_{part}"] = 100 * float(most[part])
    return out


def class_numbers(
    draws: dict[str, dict[int, Draw]],
    truth: np.ndarray,
    cells: list[tuple[int, int]],
    confidence: float = 0.95,
) -> dict[str, float | str]:
    """What prose and claims quote of classes, by name; counts are of 10,000 test images.

    `probe_confusion_8_3_change_low` and `_high` bound the paired change of a count from the
    baseline's to the probe's. A single draw has none of the intervals.

    Args:
        draws: method -> draw -> what it gave, for at least the four methods named below.
        truth: (n_test,) true classes.
        cells: (true, predicted) whose changes are wanted.
    """
    methods = ("baseline", "baseline_augmented", "probe", "finetune")
    baseline, control, probe, finetune = (counts(draws[method], truth) for method in methods)
    out = _more_confused(probe.mean(0), control.mean(0))
    if len(probe) < 2:
        return out
    for i, j in cells:
        _, low, high = interval(probe[:, i, j] - baseline[:, i, j], confidence)
        out[f"probe_confusion_{i}_{j}_change_low"] = low
        out[f"probe_confusion_{i}_{j}_change_high"] = high
    return out | _recalls(probe, finetune, confidence)


def counts(draws: dict[int, Draw], truth: np.ndarray) -> np.ndarray:
    """Confusions of each draw among 10,000 test images, (draws, 10, 10): true class, predicted one."""
    found = [confusion({k: draws[k]}, truth) for k in sorted(draws)]
    return np.stack(found) * 10_000 / len(truth)


def _more_confused(probe: np.ndarray, control: np.ndarray) -> dict[str, float | str]:
    """The two errors that the probe makes more often than the control by most, of (10, 10) counts."""
    more = probe - control
    np.fill_diagonal(more, 0)
    worst = [np.unravel_index(k, more.shape) for k in more.ravel().argsort()[::-1][:2]]
    told = [
        f"{i}→{j} ({probe[i, j]:.0f} against {control[i, j]:.0f})"
        for i, j in worst
        if more[i, j] > 0
    ]
    return {"control_ahead_confusions": " and ".join(told)} if told else {}


def _recalls(probe: np.ndarray, finetune: np.ndarray, confidence: float) -> dict[str, float | str]:
    """The largest difference of a class's recall (points), and the classes that differ, after Holm."""
    shares = [found.diagonal(axis1=1, axis2=2) / found.sum(2) for found in (probe, finetune)]
    gaps = shares[1] - shares[0]  # (draws, 10)
    clear, mean = holm([p_value(gap) for gap in gaps.T]) < 1 - confidence, gaps.mean(0)
    out: dict[str, float | str] = {"finetune_probe_recall_difference": 100 * abs(mean).max()}
    for name, side in {"finetune": mean > 0, "probe": mean < 0}.items():
        digits = np.flatnonzero(clear & side)
        if len(digits):
            out[f"{name}_ahead_digits"] = ", ".join(map(str, digits))
    return out


def confident_mistakes(draw: Draw, truth: np.ndarray, many: int) -> dict[str, np.ndarray]:
    """The mistakes of one classifier in which it was surest.

    Args:
        truth: (n_test,) true classes.

    Returns:
        image (index into the test set), true, predicted, confidence; the surest first.
    """
    predicted, confidence = (values[0] for values in predictions({0: draw}))
    wrong = np.flatnonzero(predicted != truth)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")][:many]
    return {
        "image": wrong,
        "true": truth[wrong],
        "predicted": predicted[wrong],
        "confidence": confidence[wrong],
    }


def costs(results: pd.DataFrame, pretrain_seconds: float) -> pd.DataFrame:
    """Seconds of training behind one classifier: method, stage, seconds."""
    rows = []
    for method, fits in at_most(results).groupby("method", sort=False):
        if fits.pretrain_seed.notna().all():
            rows.append((method, STAGE_NAMES["pretrain"], pretrain_seconds))
        rows.append((method, STAGE_NAMES["fit"], fits.seconds.mean()))
    return pd.DataFrame(rows, columns=["method", "stage", "seconds"])
