"""What the results come to: means, intervals, paired differences, classes and mistakes.

Accuracies are fractions. Every function takes tables or arrays and gives tables or numbers.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

CLASSES = range(10)
LEAST_DRAWS = 5  # fewer give intervals so wide that they say nothing


@dataclass(frozen=True)
class Estimate:
    """A mean, its confidence interval and the p-value of its being zero; NaN where too few draws."""

    mean: float
    low: float
    high: float
    p: float


def estimate(values: np.ndarray, confidence: float = 0.95) -> Estimate:
    """Mean over draws and pre-training seeds, with an interval that carries the share of both.

    With one seed it is Student's interval over draws. With several, every seed is measured on every
    draw: the variance of the mean is (MS_draws + MS_seeds - MS_rest) / (seeds · draws), the mean squares
    those of a two-way analysis of variance, with Satterthwaite's degrees of freedom (Searle, Casella &
    McCulloch, *Variance Components*, 1992, section 4.3). Seeds that differ no more than the
    rest does are taken not to differ.

    Args:
        values: (seeds, draws).
    """
    seeds, draws = values.shape
    mean = float(values.mean())
    if draws < LEAST_DRAWS:
        return Estimate(mean, np.nan, np.nan, np.nan)
    by_draw, by_seed = values.mean(0), values.mean(1, keepdims=True)
    terms = [(seeds * by_draw.var(ddof=1), draws - 1)]
    if seeds > 1:
        rest = ((values - by_draw - by_seed + mean) ** 2).sum() / ((seeds - 1) * (draws - 1))
        between = draws * by_seed.var(ddof=1)
        if between > rest:
            terms += [(between, seeds - 1), (-rest, (seeds - 1) * (draws - 1))]
    variance = sum(square for square, _ in terms)
    error = (variance / values.size) ** 0.5
    if error == 0:
        return Estimate(mean, mean, mean, float(mean == 0))
    freedom = variance**2 / sum(square**2 / df for square, df in terms)
    half = stats.t.ppf((1 + confidence) / 2, freedom) * error
    return Estimate(mean, mean - half, mean + half, 2 * stats.t.sf(abs(mean) / error, freedom))


def grid(results: pd.DataFrame, method: str, n_labels: int) -> pd.DataFrame:
    """The accuracies of a method as a table, a row a pre-training seed (-1 for none), a column a draw."""
    rows = results[(results.method == method) & (results.n_labels == n_labels)]
    return rows.assign(seed=rows.pretrain_seed.fillna(-1)).pivot(
        index="seed", columns="draw", values="accuracy"
    )


def summary(results: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """A row a method and number of labels.

    Returns:
        method, n_labels, draws, seeds, mean, low, high (interval of the mean, within [0, 1]), sd
        (between draws, within a seed), worst, best.
    """
    rows = []
    for method, n in results[["method", "n_labels"]].drop_duplicates().itertuples(index=False):
        values = grid(results, method, n).to_numpy()
        found, (seeds, draws) = estimate(values, confidence), values.shape
        low, high = np.clip([found.low, found.high], 0, 1)
        sd = values.var(axis=1, ddof=1).mean() ** 0.5 if draws > 1 else np.nan
        row = (method, n, draws, seeds, found.mean, low, high, sd, values.min(), values.max())
        rows.append(row)
    names = "method n_labels draws seeds mean low high sd worst best"
    return pd.DataFrame(rows, columns=names.split())


def by_labels(table: pd.DataFrame) -> pd.DataFrame:
    """Of a `summary`, mean ± deviation in percent: a row a method, a column a number of labels."""
    spread = table.sd.map(lambda sd: "" if np.isnan(sd) else f" ± {100 * sd:.{1 if sd >= 0.01 else 2}f}")
    words = table["mean"].map(lambda mean: f"{100 * mean:.1f}") + spread
    wide = table.assign(words=words).pivot(index="method", columns="n_labels", values="words")
    wide = wide.reindex(table.method.unique()).rename(columns=lambda n: f"{n} labels")
    return wide.rename_axis(columns=None).reset_index()


def differences(
    results: pd.DataFrame, pairs: list[tuple[str, str]], confidence: float = 0.95
) -> pd.DataFrame:
    """Differences of accuracy a - b on the same draws, for each pair at each number of labels.

    Returns:
        a, b, n_labels, difference, low, high, p, p_holm (corrected, below the largest number of labels,
        for these numbers, and there for the pairs), values (a difference a draw, the mean over seeds).
    """
    rows = []
    for a, b in pairs:
        measured = [set(results.n_labels[results.method == method]) for method in (a, b)]
        for n in sorted(set.intersection(*measured)):
            # A method without pre-training has one row, which stands against each seed of the other.
            first, second = grid(results, a, n), grid(results, b, n)
            assert list(first.columns) == list(second.columns), f"{a}, {b}: other draws"
            values = first.to_numpy() - second.to_numpy()
            found = estimate(values, confidence)
            row = (a, b, n, found.mean, found.low, found.high, found.p, values.mean(0).tolist())
            rows.append(row)
    names = "a b n_labels difference low high p values"
    table = pd.DataFrame(rows, columns=names.split()).assign(p_holm=np.nan)
    most = table.n_labels == table.n_labels.max()
    for part in (table[most], *(part for _, part in table[~most].groupby(["a", "b"]))):
        table.loc[part.index, "p_holm"] = holm(part.p.to_numpy())
    return table


def holm(p: np.ndarray) -> np.ndarray:
    """p-values adjusted for their number by Holm's step-down method; NaN counts as 1.

    Rejecting those below a level keeps the chance of even one false rejection below it, whatever the
    tests have to do with each other (Holm 1979). SciPy has only procedures for false discovery rates.
    """
    p = np.nan_to_num(np.asarray(p, dtype=float), nan=1.0)
    order, adjusted = p.argsort(), np.empty_like(p)
    steps = p[order] * np.arange(len(p), 0, -1)  # the smallest times n, the next times n - 1
    adjusted[order] = np.maximum.accumulate(steps).clip(max=1)
    return adjusted


def confusions(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Counts of each run among 10,000 test images: (runs, 10, 10), true class, predicted one.

    Args:
        predicted: (runs, n_test) classes.
        truth: (n_test,).
    """
    counts = [confusion_matrix(truth, row, labels=CLASSES) for row in predicted]
    return np.stack(counts) * 10_000 / len(truth)


def classes(predicted: np.ndarray, truth: np.ndarray) -> pd.DataFrame:
    """Precision and recall of each class over all runs; NaN where a class is never predicted."""
    precision, recall, *_ = precision_recall_fscore_support(
        np.tile(truth, len(predicted)), predicted.ravel(), labels=CLASSES, zero_division=np.nan
    )
    return pd.DataFrame({"digit": CLASSES, "precision": precision, "recall": recall})


def largest_confusions(counts: np.ndarray) -> str:
    """The three most frequent errors in words, "4→9 (31), 7→2 (20) and 9→4 (18)"; "none" without errors.

    Args:
        counts: (10, 10).
    """
    errors = counts.copy()
    np.fill_diagonal(errors, 0)
    order = [k for k in errors.ravel().argsort()[::-1][:3] if errors.ravel()[k] > 0]
    words = [f"{k // 10}→{k % 10} ({int(errors.ravel()[k] + 0.5)})" for k in order]
    *most, last = words or ["none"]
    return f"{', '.join(most)} and {last}" if most else last


def surest_mistakes(probabilities: np.ndarray, truth: np.ndarray, many: int) -> pd.DataFrame:
    """The mistakes of one classifier of which it was surest, the surest first.

    Args:
        probabilities: (n_test, 10).
        truth: (n_test,).

    Returns:
        image (index into the test set), true, predicted, confidence.
    """
    confidence, predicted = probabilities.max(1).astype(float), probabilities.argmax(1)
    wrong = np.flatnonzero(predicted != truth)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")][:many]
    return pd.DataFrame(
        {"image": wrong, "true": truth[wrong], "predicted": predicted[wrong], "confidence": confidence[wrong]}
    )
