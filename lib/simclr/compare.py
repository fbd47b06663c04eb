"""Methods side by side: summary, paired differences, confident mistakes, costs."""

import numpy as np
import pandas as pd

from simclr.evaluate import interval, predictions
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
        A row a pair: a, b, difference, low, high, wins (draws on which a is ahead), values.
    """
    wide = at_most(results).pivot(index="draw", columns="method", values="accuracy")
    rows = []
    for a, b in pairs:
        values = (wide[a] - wide[b]).dropna().to_numpy()
        rows.append((a, b, *interval(values, confidence), int((values > 0).sum()), values.tolist()))
    return pd.DataFrame(rows, columns=["a", "b", "difference", "low", "high", "wins", "values"])


def over_labels(
    results: pd.DataFrame, pairs: list[tuple[str, str]], confidence: float = 0.95
) -> pd.DataFrame:
    """`paired` at every number of labels: its columns and n_labels."""
    found = [
        paired(rows, pairs, confidence).assign(n_labels=n)
        for n, rows in results.groupby("n_labels")
    ]
    return pd.concat(found, ignore_index=True)


def numbers(results: pd.DataFrame, differences: pd.DataFrame) -> dict[str, float | str]:
    """What the comparison's prose quotes, by name; differences are in percentage points."""
    means = summary(results).set_index("method")["mean"]
    out: dict[str, float | str] = {
        "best_method": str(means.idxmax()),
        "best_accuracy_mean": float(means.max()),
        "compared_draws": int(results.draw.nunique()),
        "compared_labels": int(results.n_labels.max()),
        "compared_test_images": int(results.n_test.max()),
    }
    for row in differences.itertuples():
        name = f"{row.a}_less_{row.b}"
        out[f"{name}_difference"] = 100 * row.difference
        out[f"{name}_low"], out[f"{name}_high"] = 100 * row.low, 100 * row.high
        out[f"{name}_wins"] = row.wins
    fewer = results[results.n_labels < results.n_labels.max()]
    if len(fewer):
        gains = over_labels(fewer, [("probe", "baseline_augmented")])
        ahead = gains[gains.low > 0]
        if len(ahead):
            most = ahead.loc[ahead.difference.idxmax()]
            out["probe_ahead_with"] = ", ".join(map(str, ahead.n_labels))
            out["probe_most_ahead_labels"] = int(most.n_labels)
            out["probe_most_ahead_difference"] = 100 * float(most.difference)
    for method, rows in results.groupby("method"):
        match = rows.groupby("n_labels").accuracy.mean()
        baseline = float(means["baseline"])
        enough = match[match >= baseline].index
        if len(enough):
            out[f"{method}_labels_to_match_baseline"] = int(enough.min())
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
