"""What the results of a study come to: its tables, and the few numbers that the prose quotes."""

from functools import cached_property

import numpy as np
import pandas as pd

from simclr import data
from simclr.errors import UserError
from simclr.experiment import statistics
from simclr.experiment.cache import Job
from simclr.experiment.stages import METHODS, STAGES
from simclr.experiment.study import Run, Study
from simclr.loss import chance_loss

CONTROL = "baseline_augmented"
PAIRS = [
    (CONTROL, "baseline"),
    ("probe", "probe_untrained"),
    ("probe", "baseline"),
    ("probe", CONTROL),
    ("finetune", CONTROL),
    ("finetune", "probe"),
    ("spread", "probe"),
    ("spread", CONTROL),
]


class Findings:
    """The results of what a stage measures, or of all that the comparison compares.

    Everything is read from the cache when it is first asked for.

    Raises:
        UserError: something is not trained yet; names the command that builds it.
    """

    def __init__(self, study: Study, stage: str) -> None:
        self.study, self.stage = study, stage
        self.confidence = study.params["comparison"].confidence

    @cached_property
    def results(self) -> pd.DataFrame:
        """The tidy table, a row a classifier."""
        rows = []
        for run in self.runs:
            with self._result(run) as found:
                counted = {name: found[name].item() for name in ("correct", "n_test", "seconds")}
            rows.append(
                {
                    "dataset": self.study.dataset.key,
                    "method": run.method.key,
                    "variant": self.study.variant,
                    "pretrain_seed": run.seed,
                    "draw": run.draw,
                    "n_labels": run.n_labels,
                    **counted,
                    "params_hash": self.study.params[run.method.stage].hash,
                }
            )
        table = pd.DataFrame(rows).astype({"pretrain_seed": "Int64"})
        table.insert(8, "accuracy", table.correct / table.n_test)
        return table

    @cached_property
    def histories(self) -> pd.DataFrame:
        """How training went with all labels: method, pretrain_seed, draw, step, loss, accuracy."""
        tables = []
        for run in self._with_all_labels():
            with self._result(run) as found:
                if "history_step" in found:
                    names = ("step", "loss", "accuracy")
                    table = pd.DataFrame({name: found[f"history_{name}"] for name in names})
                    tables.append(
                        table.assign(method=run.method.key, pretrain_seed=run.seed, draw=run.draw)
                    )
        return pd.concat(tables, ignore_index=True).astype({"pretrain_seed": "Int64"})

    @cached_property
    def runs(self) -> list[Run]:
        return self.study.measured(self.stage)

    def _with_all_labels(self) -> list[Run]:
        return [
            run for run in self.runs if run.n_labels == max(self.study.params["common"].n_labels)
        ]

    def _result(self, run: Run):
        return np.load(_done(self.study, run.job).file("result.npz"))

    @cached_property
    def pretraining(self) -> pd.DataFrame:
        """The histories of pre-training, a row a seed and epoch; see `pretrain.pretrained`."""
        function = STAGES["pretrain"].encoder
        jobs = {seed: self.study.encoder(function, seed) for seed in self.study.seeds}
        tables = [
            pd.read_csv(_done(self.study, job).file("history.csv")).assign(seed=seed)
            for seed, job in jobs.items()
        ]
        return pd.concat(tables, ignore_index=True)

    @cached_property
    def map(self) -> dict[str, np.ndarray]:
        """What `embed.embed` wrote: maps and shares of neighbours, before and after."""
        with np.load(_done(self.study, self.study.map()).file("map.npz")) as found:
            return dict(found)

    @cached_property
    def truth(self) -> np.ndarray:
        """The classes of the test images, (n_test,)."""
        labels = data.labels(self.study.data, "test").numpy()
        return labels[: self.study.params["common"].test_images]

    def predicted(self, method: str) -> np.ndarray:
        """Classes of all test images with all labels, (runs, n_test)."""
        runs = [run for run in self._with_all_labels() if run.method.key == method]
        return np.stack([self._result(run)["predicted"] for run in runs])

    def surest_mistakes(self, method: str, many: int) -> pd.DataFrame:
        """`statistics.surest_mistakes` of a method on the first draw, with all labels."""
        first = next(run for run in self._with_all_labels() if run.method.key == method)
        return statistics.surest_mistakes(self._result(first)["probabilities"], self.truth, many)

    def counts(self, method: str) -> np.ndarray:
        """Confusions of each draw among 10,000 test images, (draws, 10, 10), means over seeds."""
        found = statistics.confusions(self.predicted(method), self.truth)
        draws = len(self.study.params["common"].draws)
        return found.reshape(-1, draws, 10, 10).mean(0)

    @cached_property
    def methods(self) -> list[str]:
        return list(self.results.method.unique())

    @cached_property
    def summary(self) -> pd.DataFrame:
        """`statistics.summary` of every method and number of labels."""
        return statistics.summary(self.results, self.confidence)

    @cached_property
    def differences(self) -> pd.DataFrame:
        """`statistics.differences` of `PAIRS`."""
        pairs = [pair for pair in PAIRS if set(pair) <= set(self.methods)]
        return statistics.differences(self.results, pairs, self.confidence)

    @cached_property
    def classes(self) -> pd.DataFrame:
        """Precision and recall of each class: method, digit, precision, recall."""
        tables = [
            statistics.classes(self.predicted(method), self.truth).assign(method=method)
            for method in self.methods
        ]
        return pd.concat(tables, ignore_index=True)

    def at_most_labels(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that are about the largest number of labels."""
        return table[table.n_labels == table.n_labels.max()]

    @cached_property
    def numbers(self) -> dict[str, float | str]:
        """The numbers that prose quotes, by name; what this stage does not know is left out.

        A method's name alone is its mean accuracy with all labels, `_fewest` that with the fewest;
        differences are in points. A single draw has no deviation, few draws have no interval: NaN.
        """
        common = self.study.params["common"]
        numbers: dict[str, float | str] = {
            "dataset": self.study.dataset.name,
            "things": self.study.dataset.things,
            "labels": max(common.n_labels),
            "fewest": min(common.n_labels),
            "balanced": common.balanced,
            "draws": len(common.draws),
            "seeds": len(self.study.seeds),
            "test_images": common.test_images,
            "curve_test_images": common.curve_test_images,
            "unlabelled": self.study.params["pretrain"].unlabelled_images,
            "confidence": f"{100 * self.confidence:g}%",
        }
        wanted = {self.stage, *STAGES[self.stage].reads}
        if "pretrain" in wanted:
            numbers |= _pretraining(self.pretraining, self.study.params["pretrain"].batch_size)
        if "probe" in wanted:
            for name in ("before", "after"):
                numbers[f"neighbours_{name}"] = float(self.map[f"{name}_neighbours"])
        if any(STAGES[name].methods for name in wanted):
            for method in self.methods:
                numbers |= self._of_method(method)
            numbers |= self._differences()
        if self.stage == "comparison":
            numbers |= self._best()
        return numbers

    def _of_method(self, method: str) -> dict[str, float | str]:
        rows = self.summary[self.summary.method == method].set_index("n_labels")
        most, fewest = rows.loc[rows.index.max()], rows.loc[rows.index.min()]
        seeds = statistics.grid(self.results, method, rows.index.max()).mean(axis=1)
        fits = self.at_most_labels(self.results[self.results.method == method])
        found = {
            method: most["mean"],
            f"{method}_sd": 100 * most.sd,
            f"{method}_worst": most.worst,
            f"{method}_fewest": fewest["mean"],
            f"{method}_seed_gap": 100 * (seeds.max() - seeds.min()),
            f"{method}_seconds": fits.seconds.mean(),
        }
        numbers = {name: float(value) for name, value in found.items()}
        counts = self.counts(method).mean(0)
        return numbers | {f"{method}_confusions": statistics.largest_confusions(counts, 3)}

    def _differences(self) -> dict[str, float]:
        """`a_over_b` with all labels and `_fewest`, each with `_low` and `_high`, in points; and up to how
        many labels a's lead is beyond chance by Holm's correction."""
        numbers: dict[str, float] = {}
        for (a, b), rows in self.differences.groupby(["a", "b"]):
            name = f"{a}_over_{b}".replace(CONTROL, "control")
            for end, row in (("", rows.iloc[-1]), ("_fewest", rows.iloc[0])):
                parts = {"": row.difference, "_low": row.low, "_high": row.high}
                numbers |= {name + end + part: 100 * float(x) for part, x in parts.items()}
            clear = rows[(rows.p_holm < 1 - self.confidence) & (rows.difference > 0)].n_labels
            numbers[f"{name}_up_to"] = int(clear.max()) if len(clear) else 0
        return numbers

    def _best(self) -> dict[str, float | str]:
        """The best method, and with how few labels others do as well as the baseline with all."""
        most = self.at_most_labels(self.summary).set_index("method")["mean"]
        best = str(most.idxmax())
        recalls = self.classes[self.classes.method == best].sort_values("recall")
        numbers: dict[str, float | str] = {
            "best": best,
            "best_spoken": METHODS[best].spoken,
            "best_error": 100 * float(1 - most.max()),
            "hardest_class": int(recalls.digit.iloc[0]),
            "hardest_recall": float(recalls.recall.iloc[0]),
        }
        for method in ("probe", "spread", CONTROL):
            rows = self.summary[self.summary.method == method]
            enough = rows[rows["mean"] >= most["baseline"]].n_labels
            name = f"{method}_matches_baseline".replace(CONTROL, "control")
            numbers[name] = int(enough.min()) if len(enough) else np.nan
        return numbers


def _pretraining(history: pd.DataFrame, batch_size: int) -> dict[str, float]:
    """What the prose quotes of pre-training, means over seeds; gaps are the largest of any seed.

    `pretrain_minutes` is the median epoch's time times the epochs: an interruption does not count.
    """
    trained, before = history[history.epoch > 0], history[history.epoch == 0]
    last, first = trained[trained.epoch == trained.epoch.max()], trained[trained.epoch == 1]
    gaps = (trained.train_loss - trained.validation_loss).abs()
    later = gaps[trained.epoch > 1]
    lowest = trained.groupby("seed").validation_loss.min().mean()
    found = {
        "epochs": trained.epoch.max(),
        "chance": chance_loss(batch_size),
        "loss_first": first.train_loss.mean(),
        "loss_last": last.train_loss.mean(),
        "validation_first": first.validation_loss.mean(),
        "validation_last": last.validation_loss.mean(),
        "validation_rise": last.validation_loss.mean() - lowest,
        "gap": gaps.max(),
        "gap_later": later.max(),
        "gap_last": (last.train_loss - last.validation_loss).abs().max(),
        "alignment_last": last.alignment.mean(),
        "uniformity_first": before.uniformity.mean(),
        "uniformity_last": last.uniformity.mean(),
        "minutes": trained.seconds.median() * trained.epoch.max() / 60,
        "speed": trained.views_per_second.median(),
    }
    return {f"pretrain_{name}": float(value) for name, value in found.items()}


def _done(study: Study, job: Job) -> Job:
    if not job.is_done():
        kind = METHODS[job.kind].stage if job.kind in METHODS else "pretrain"
        raise UserError(f"{study.name}: {job.kind} is not trained; run {study.command(kind)}")
    return job
