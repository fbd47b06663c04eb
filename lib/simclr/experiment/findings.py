"""What the results of a study come to, as tables."""

from functools import cached_property

import numpy as np
import pandas as pd

from simclr import data, files
from simclr.errors import UserError
from simclr.experiment import graphs, named, statistics
from simclr.experiment.cache import Job
from simclr.experiment.rate import RATES
from simclr.experiment.stages import CONTROL, METHODS, STAGES
from simclr.experiment.study import Run, Study

PAIRS = [
    (CONTROL, "baseline"),
    ("probe", "probe_untrained"),
    ("probe", "baseline"),
    ("probe", CONTROL),
    ("finetune", CONTROL),
    ("finetune", "probe"),
    ("spread", "probe"),
    ("spread", CONTROL),
    ("probe_views", "probe"),
    ("probe_views", CONTROL),
    ("probe_neighbours", "probe_views"),
    ("finetune_neighbours", "probe_neighbours"),
    ("spread_neighbours", "spread"),
    ("spread_strict", CONTROL),
    ("selftrain", "spread_neighbours"),
    ("selftrain", CONTROL),
]


class Findings:
    """The results of what a stage measures, or of all that the comparison compares.

    Everything is read from the cache when it is first asked for.

    Raises:
        UserError: something is not trained yet; names the command that builds it.
    """

    def __init__(self, study: Study, stage: str) -> None:
        self.study, self.stage = study, stage
        self.stages = {stage, *STAGES[stage].reads}  # that it measures or compares
        self.confidence = study.params["comparison"].confidence

    @cached_property
    def results(self) -> pd.DataFrame:
        """The tidy table, a row a classifier."""
        rows = []
        for run in self.runs:
            found = self._result(run)
            correct, n_test, seconds = (found[name].item() for name in ("correct", "n_test", "seconds"))
            rows.append(
                {
                    "dataset": self.study.dataset.key,
                    "method": run.method.key,
                    "variant": self.study.variant,
                    "pretrain_seed": run.seed,
                    "draw": run.draw,
                    "n_labels": run.n_labels,
                    "correct": correct,
                    "n_test": n_test,
                    "accuracy": correct / n_test,
                    "seconds": seconds,
                    "params_hash": files.digest(self.study.merged(run.method.parameter_sections)),
                }
            )
        return pd.DataFrame(rows).astype({"pretrain_seed": "Int64"})

    @cached_property
    def runs(self) -> list[Run]:
        return self.study.measurements(m for m in METHODS.values() if m.stage in self.stages)

    def _of(self, method: str) -> list[Run]:
        """The runs of a method with all labels."""
        most = max(self.study.params["common"].n_labels)
        return [run for run in self.runs if run.method.key == method and run.n_labels == most]

    def _result(self, run: Run) -> dict[str, np.ndarray]:
        return _done(self.study, run.job).arrays("result.npz")

    @cached_property
    def pretraining(self) -> pd.DataFrame:
        """The histories of pre-training, a row a seed and epoch; see `pretrain.pretrained`."""
        return self._histories("pretrained")

    def _histories(self, encoder: str) -> pd.DataFrame:
        jobs = {
            seed: _done(self.study, self.study.encoder(encoder, seed)) for seed in self.study.seeds(encoder)
        }
        tables = [pd.read_csv(job.file("history.csv")).assign(seed=seed) for seed, job in jobs.items()]
        return pd.concat(tables, ignore_index=True)

    def minutes(self, encoder: str) -> float:
        """How long a seed of an encoder took to train, without what it starts from.

        The median epoch's time times the epochs, so that an interruption does not count.
        """
        epochs = self._histories(encoder).query("epoch > 0")
        return epochs.seconds.median() * epochs.epoch.max() / 60

    @cached_property
    def map(self) -> dict[str, np.ndarray]:
        """What `embed.embed` wrote: maps and shares of neighbours, before, during and after."""
        return _done(self.study, self.study.map()).arrays("map.npz")

    @cached_property
    def rates(self) -> pd.DataFrame:
        """Shares of right labels in the pool, as `rate.rate` wrote them."""
        return pd.read_csv(_done(self.study, graphs.rates(self.study)).file(RATES))

    @cached_property
    def maps(self) -> dict[int, np.ndarray]:
        """The maps by the epoch of pre-training after which they were made, 0 for random weights."""
        epochs = {"before": 0, "after": self.study.params["pretrain"].epochs}
        names = [name for name in self.map if not name.endswith("_neighbours")]
        found = {epochs[name] if name in epochs else int(name): self.map[name] for name in names}
        return dict(sorted(found.items()))

    @cached_property
    def truth(self) -> np.ndarray:
        """The classes of the test images, (n_test,)."""
        labels = data.labels(self.study.data, "test").numpy()
        return labels[: self.study.params["common"].test_images]

    def predicted(self, method: str) -> np.ndarray:
        """Classes of all test images with all labels, (runs, n_test)."""
        return np.stack([self._result(run)["predicted"] for run in self._of(method)])

    def chosen(self, n_labels: int) -> np.ndarray:
        """The images of the pool that the encoder chose first to be labelled, (n_labels,)."""
        run = next(r for r in self.runs if r.method.chosen and r.n_labels == n_labels)
        return self._result(run)["labelled"]

    def island(self, true: int, taken_for: int) -> pd.DataFrame:
        """How often label spreading takes a class for another, draw by draw, and which images had a label.

        Returns:
            A row a draw, the fewest errors first: draw, errors (test images of class `true` that are called
            `taken_for`, mean over seeds), labelled (indices in the pool).
        """
        labels, rows = data.labels(self.study.data, "pool").numpy(), []
        for run in self._of("spread"):
            found = self._result(run)
            given, called = found["labelled"], found["predicted"][self.truth == true]
            mine = tuple(given[labels[given] == true])
            rows.append((run.draw, (called == taken_for).sum(), mine))
        table = pd.DataFrame(rows, columns=["draw", "errors", "labelled"])
        table = table.groupby("draw").agg({"errors": "mean", "labelled": "first"})
        return table.sort_values("errors").reset_index()

    def surest_mistakes(self, method: str, many: int) -> pd.DataFrame:
        """`statistics.surest_mistakes` of a method on the first draw, with all labels."""
        return statistics.surest_mistakes(self.probabilities(method), self.truth, many)

    def probabilities(self, method: str) -> np.ndarray:
        """What a method's first classifier says of all test images with all labels, (n_test, 10)."""
        return self._result(self._of(method)[0])["probabilities"].astype(float)

    def counts(self, method: str) -> np.ndarray:
        """Confusions of each draw among 10,000 test images, (draws, 10, 10), means over seeds."""
        found = statistics.confusions(self.predicted(method), self.truth)
        draws = {run.draw for run in self._of(method)}
        return found.reshape(-1, len(draws), 10, 10).mean(0)

    @cached_property
    def methods(self) -> list[str]:
        return list(self.results.method.unique())

    @property
    def overview(self) -> list[str]:
        """The methods that the figures of all methods show."""
        return [method for method in self.methods if METHODS[method].overview]

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

    def with_most_labels(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that are about the largest number of labels."""
        return table[table.n_labels == table.n_labels.max()]

    @cached_property
    def numbers(self) -> dict[str, float | str]:
        """The numbers that prose quotes, by name; what this stage does not know is left out."""
        return named.numbers(self)


def _done(study: Study, job: Job) -> Job:
    if not job.is_done():
        stage = next(s for s in STAGES if any(j.key == job.key for j in study.missing(s)))
        how = f"call study.train({stage!r})" if study.changes else f"run {study.command(stage)}"
        raise UserError(f"{study.name}: {job.kind} is not trained; {how}")
    return job
