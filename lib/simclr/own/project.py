"""A collection, what is trained on it, and the folder in which its owner finds the results."""

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from simclr import files
from simclr.errors import UserError
from simclr.experiment import cache, provenance
from simclr.experiment.sections import Augmentation
from simclr.experiment.study import Study
from simclr.own import collection, labels, learn

PLACE = files.ROOT / "collections"
_VIEWS = (*Augmentation.model_fields, "blur", "blur_least", "brightness", "erase")


class Project:
    """What `make choose` and `make classify` work on.

    Attributes:
        study: gives parameters, machine and cache.
        params: section `own`.
        source: the folder or array of images.
        folder: where labels.csv, label.html, predictions.csv and the report are.
    """

    def __init__(self, study: Study) -> None:
        self.study, self.params = study, study.params["own"]
        if not self.params.images:
            raise UserError(
                "own.images: which images? Say IMAGES=folder, or write it into params/variants/NAME.yaml"
            )
        self.source = files.ROOT / Path(self.params.images).expanduser()
        self.folder = PLACE / (self.source.stem or "images")

    @cached_property
    def collection(self) -> collection.Collection:
        return collection.read(self.source, self.params.bad_files, self.params.invert, files.DATA)

    @property
    def labels_file(self) -> Path:
        return self.folder / "labels.csv"

    @cached_property
    def labels(self) -> labels.Labels:
        return labels.read(self.labels_file, self.collection.places, self.params.classes)

    @cached_property
    def sample(self) -> np.ndarray:
        """The images that encoder and graph see: their rows in the collection, sorted."""
        return learn.sample(self.collection.folder, self.params.sample)

    def encoder(self) -> cache.Job:
        """The encoder, trained first with two views of one image, then with neighbours as positives."""
        own, source = self.params, self.study.params["pretrain"].model_dump(mode="json")
        few = len(self.sample) // 4
        values = source | self._own(*_VIEWS, "seed", "sample", "batch_size", "steps")
        values["batch_size"], values["nearest"] = min(own.batch_size, few), 0
        for unused in (
            "seeds",
            "epochs",
            "warmup_epochs",
            "unlabelled_images",
            "validation_images",
        ):
            values.pop(unused)
        first = self._job("own_views", "encode", values)
        values = values | {"nearest": own.nearest, "steps": own.nearest_steps}
        return self._job("own_neighbours", "encode", values, start=first)

    def graph(self) -> cache.Job:
        values = self._own(*_VIEWS, "sample", "rounds", "neighbours")
        return self._job("own_graph", "link", values, encoder=self.encoder())

    def classifier(self) -> cache.Job:
        """The classifier that the labels give, with what the graph and cross-validation say."""
        names = ("exponent", "memory", "surest", "student_steps", "folds", "seed", "sample")
        values = self._own(*_VIEWS, *names)
        taught = self.study.params["selftrain"]
        values["student_rate"], values["student_decay"] = taught.learning_rate, taught.weight_decay
        for name in ("batch_size", "dropout_conv", "dropout_dense", "smoothing", "average"):
            values[name] = getattr(taught, name)
        inside = np.isin(self.labels.rows, self.sample)
        if not inside.all():
            names = [self.collection.names[row] for row in self.labels.rows[~inside][:3]]
            raise UserError(
                f"{self.labels_file.name}: {', '.join(names)}: not among the {len(self.sample):,} images "
                "that the graph holds; raise own.sample"
            )
        return self._job(
            "own_classifier",
            "learn",
            values,
            {
                "classes": self.labels.classes,
                "labelled": self.labels.rows.tolist(),
                "given": self.labels.given.tolist(),
            },
            encoder=self.encoder(),
            graph=self.graph(),
        )

    def make(self, job: cache.Job, progress: Callable[[str], None]) -> cache.Job:
        """Train what a job needs and is not there; the job."""
        for read in job.reads.values():
            self.make(read, progress)
        cache.make(job, provenance.here(self.study.machine["device"]), progress)
        return job

    def choose(self, many: int, more: int, progress: Callable[[str], None]) -> pd.DataFrame:
        """The table of labels.csv; chooses `many` images where there is none yet, or `more` beside them."""
        there = self.labels_file.exists()
        table = (
            labels.read_table(self.labels_file) if there else pd.DataFrame(columns=labels.COLUMNS)
        )
        if there and not more:
            return table
        with np.load(self.make(self.graph(), progress).file(learn.GRAPH)) as found:
            graph = dict(found)
        looked = np.flatnonzero(np.isin(graph["rows"], self.rows(table.file)))
        found = labels.choose(
            graph["components"], graph["cosines"], more or many, looked, self.params.seed
        )
        names = [self.collection.names[row] for row in graph["rows"][found]]
        new = pd.DataFrame({"file": names, "label": ""})
        table = pd.concat([table, new], ignore_index=True)
        labels.write_table(self.labels_file, table)
        return table

    def rows(self, names: Iterable[str]) -> np.ndarray:
        """The rows of images in the collection, by their names.

        Raises:
            UserError: one is not there.
        """
        places = self.collection.places
        for line, name in enumerate(names, 2):
            if name not in places:
                raise UserError(
                    f"{files.shown(self.labels_file)}, line {line}: {name!r} is no image of {self.source}; "
                    "remove the line, or name the folder that these labels are of"
                )
        return np.array([places[name] for name in names], int)

    def _own(self, *names: str) -> dict:
        return {name: getattr(self.params, name) for name in names}

    def _job(
        self, kind: str, function: str, params: dict, more: dict | None = None, **reads: cache.Job
    ) -> cache.Job:
        inputs = {**self.study.machine, "data": self.collection.digest, "params": params}
        return cache.Job(
            kind=kind,
            function=f"simclr.own.learn:{function}",
            inputs=inputs | (more or {}),
            reads=reads,
            data=self.collection.folder,
            store=self.study.runs / "cache",
        )
