"""A collection, what is trained on it, and the folder in which its owner finds the results."""

import shlex
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from simclr import files
from simclr.choose import typical
from simclr.errors import UserError
from simclr.experiment import cache, provenance
from simclr.experiment.live import Live
from simclr.experiment.sections import AllViews
from simclr.experiment.study import Study
from simclr.networks import SOURCE
from simclr.own import collection, encode, labels

PLACE = files.ROOT / "collections"
_VIEWS = set(AllViews.model_fields)
# What is as in sections `pretrain` and `selftrain`.
_LEARNING = {"learning_rate", "weight_decay"}
_PRETRAINING = _LEARNING | {"temperature", "projection_hidden", "projection_size"}
_STUDENT = _LEARNING | {"batch_size", "dropout_conv", "dropout_dense", "label_smoothing", "ema_decay"}


class Project:
    """What `make choose` and `make classify` work on.

    Attributes:
        study: gives parameters, machine and cache.
        params: section `own`.
        source: the folder or array of images.
        folder: where labels.csv, predictions.csv and the report are.
    """

    def __init__(self, study: Study) -> None:
        self.study, self.params = study, study.params["own"]
        if not self.params.images:
            raise UserError(
                "own.images: which images? Say IMAGES=folder (in a notebook: changes), or write it into "
                "params/variants/NAME.yaml"
            )
        self.source = (files.ROOT / Path(self.params.images).expanduser()).resolve()
        self.folder = PLACE / (self.source.name or "images")

    @cached_property
    def collection(self) -> collection.Collection:
        return collection.read(self.source, self.params.invert)

    def check_source(self) -> None:
        """Refuse another collection of the same name, and an array that is not as it was.

        Raises:
            UserError: says what differs.
        """
        kept = files.read_json(self.folder / "source.json")
        if kept.get("source", str(self.source)) != str(self.source):
            raise UserError(
                f"{files.shown(self.folder)}: belongs to {kept['source']}; give {self.source} another name, "
                "or move that folder away"
            )
        content = files.sha256(self.source) if self.source.is_file() else ""
        if kept.get("content", content) != content:
            raise UserError(
                f"{self.source}: not the array that {files.shown(self.labels_file)} was made for, whose rows "
                f"its labels name; move {files.shown(self.folder)} away to begin anew"
            )
        files.write_json(self.folder / "source.json", {"source": str(self.source), "content": content})

    @property
    def labels_file(self) -> Path:
        return self.folder / "labels.csv"

    @cached_property
    def labels(self) -> labels.Labels:
        """The labels; those of images that the graph does not hold are left out, with a note."""
        found = labels.read(self.labels_file, self.collection.places)
        inside = np.isin(found.rows, self.sample)
        if inside.all():
            return found
        if len(set(found.given[inside])) < len(found.classes):
            raise UserError(
                f"own.sample: {self.params.sample}: the graph holds no labelled image of some class; use more"
            )
        note = (
            f"{(~inside).sum()} labels are of images beyond the {len(self.sample):,} that the graph "
            "holds, and are not used; own.sample says how many it holds"
        )
        return replace(found, rows=found.rows[inside], given=found.given[inside], notes=[*found.notes, note])

    @cached_property
    def sample(self) -> np.ndarray:
        """The images that encoder and graph see: their rows in the collection, sorted."""
        return encode.sample(self.collection.folder, self.params.sample)

    def command(self, target: str) -> str:
        """The make command that goes on with these images."""
        return self.study.command(target, f"IMAGES={shlex.quote(str(self.source))}")

    def encoder(self) -> cache.Job:
        """The encoder, trained first with two views of one image, then with neighbours as positives."""
        own, few = self.params, len(self.sample) // 4
        values = self.study.params["pretrain"].model_dump(include=_PRETRAINING)
        values |= own.model_dump(include=_VIEWS | {"seed", "sample", "steps"})
        # A saved classifier is read as the source's network.
        values |= {"batch_size": min(own.batch_size, few), "nearest": 0, "network": SOURCE}
        first = self._job("own_views", "encode:encode", values)
        values = values | {"nearest": own.nearest, "steps": own.nearest_steps}
        return self._job("own_neighbours", "encode:encode", values, start=first)

    def graph(self) -> cache.Job:
        names = {"sample", "feature_views", "neighbours", "exponent", "encoder_share"}
        values = self.params.model_dump(include=_VIEWS | names) | self.study.merged(["deformable"])
        values["joined_softness"] = self.study.params["joined"].softness
        return self._job("own_graph", "encode:link", values, encoder=self.encoder())

    def classifier(self) -> cache.Job:
        """The classifier that the labels give, with what the graph and cross-validation say."""
        own, taught = self.params, self.study.params["selftrain"]
        names = {"alpha", "probe_weight", "surest", "seed"}
        values = own.model_dump(include=_VIEWS | names) | taught.model_dump(include=_STUDENT)
        values |= {"steps": own.student_steps, "warmup_steps": own.student_steps // 10}
        values["probe_l2"] = self.study.params["common"].probe_l2
        return self._job(
            "own_classifier",
            "learn:learn",
            values,
            {
                "classes": self.labels.classes,
                "labelled": self.labels.rows.tolist(),
                "given": self.labels.given.tolist(),
                "invert": "yes" if self.collection.about["inverted"] else "no",
            },
            encoder=self.encoder(),
            graph=self.graph(),
        )

    def make(self, job: cache.Job) -> cache.Job:
        """Train what a job needs and is not there; the job."""
        record = provenance.here(self.study.machine["device"])
        with Live() as live:
            for each in cache.missing([job]):
                cache.make(each, record, live)
        return job

    def choose(self, many: int, more: int) -> pd.DataFrame:
        """The table of labels.csv; chooses `many` images where there is none yet, or `more` beside them."""
        there = self.labels_file.exists()
        table = labels.read_table(self.labels_file) if there else pd.DataFrame(columns=labels.COLUMNS)
        rows = labels.rows(table, self.collection.places, self.labels_file)
        graph = self.make(self.graph()).arrays(encode.GRAPH)
        if there and not more:
            return table
        looked = np.flatnonzero(np.isin(graph["rows"], rows))
        number = more if there else many
        found = typical(graph["components"], graph["cosines"], number, self.params.seed, looked)
        names = [self.collection.names[row] for row in graph["rows"][found]]
        new = pd.DataFrame({"file": names, "label": ""})
        table = pd.concat([table, new], ignore_index=True).fillna("")
        files.write(self.labels_file, table.to_csv(index=False))
        return table

    def _job(
        self, kind: str, function: str, params: dict, more: dict | None = None, **reads: cache.Job
    ) -> cache.Job:
        inputs = {**self.study.machine, "data": self.collection.digest, "params": params}
        return cache.Job(
            kind=kind,
            function=f"simclr.own.{function}",
            inputs=inputs | (more or {}),
            reads=reads,
            data=self.collection.folder,
            store=self.study.runs / "cache",
        )
