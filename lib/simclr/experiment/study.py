"""A study: one profile, variant and set of changes; what it trains, and the results of that."""

import importlib.metadata
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from simclr import fetch, files
from simclr.experiment import cache, params, provenance
from simclr.experiment.parallel import side_by_side
from simclr.experiment.sections import Augmentation
from simclr.experiment.stages import METHODS, PRETRAINED, SECTIONS, STAGES, UNTRAINED, Method


class Run(NamedTuple):
    """A method trained on the first labels of a draw, from the encoder of a pre-training seed, if any."""

    method: Method
    n_labels: int
    draw: int
    seed: int | None
    job: cache.Job


class Study:
    """The parameters of a build, the jobs that follow from them, and what these gave.

    Attributes:
        profile: full, quick or smoke.
        variant: a file of params/variants, or source.
        changes: section -> parameter -> value, over what the files say.
        params: section -> checked values.
        table: a row a parameter: section, parameter, value, reason, file.
        runs: the folder whose cache is used.
        environment: device, precision, version of torch and data, which are part of every key.
    """

    def __init__(
        self,
        profile: str = "full",
        variant: str = params.SOURCE,
        changes: Mapping | None = None,
        runs: Path = files.RUNS,
        environment: Mapping | None = None,
    ) -> None:
        self.profile, self.variant, self.changes = profile, variant, dict(changes or {})
        self.params, self.table = params.load(SECTIONS, profile, variant, changes)
        self.runs = runs
        if environment:  # another machine's, to compare keys with its
            self.environment = dict(environment)

    @property
    def name(self) -> str:
        return f"{self.profile}/{self.variant}" + " with changes" * bool(self.changes)

    def parameters(self, *sections: str) -> pd.DataFrame:
        """The effective values of some sections with their reasons, for a notebook to show."""
        return self.table[self.table.section.isin(sections)].drop(columns="file")

    @property
    def is_committed(self) -> bool:
        """Whether this is the build that stands in reports/."""
        return (self.profile, self.variant, self.changes) == ("full", params.SOURCE, {})

    @cached_property
    def data(self) -> Path:
        """The folder of the data set, which is fetched where it is not there yet."""
        return fetch.prepare(self.params["common"].dataset, self.params["common"].data_dir)

    @property
    def dataset(self) -> fetch.Dataset:
        return fetch.DATASETS[self.params["common"].dataset]

    @cached_property
    def environment(self) -> dict:
        """This machine's."""
        from simclr import hardware  # brings torch, which checking parameters does not need

        common = self.params["common"]
        device, dtype = hardware.pick(common.device, common.precision)
        return {
            "device": device.type,
            "precision": hardware.name_of(dtype),
            "torch": importlib.metadata.version("torch"),
            "data": files.digest(fetch.checksums(self.data)["idx"]),
            "balanced": common.balanced,
        }

    def jobs(self, stage: str) -> list[cache.Job]:
        """What a stage needs trained: for a comparison, all that it compares."""
        made = [self.encoder(STAGES[stage].encoder, s) for s in self._seeds(STAGES[stage].encoder)]
        if STAGES[stage].methods:
            made += [run.job for run in self.measured(stage) if run.method.stage == stage]
        if stage == "probe":
            made.append(self.map())
        if not made:
            made = [job for read in STAGES[stage].reads for job in self.jobs(read)]
        return made

    def encoder(self, function: str, seed: int) -> cache.Job:
        """The job that makes an encoder by "module:name"."""
        values = self.params["pretrain"].model_dump(mode="json", exclude={"seeds"})
        return cache.Job(
            kind=function.split(":")[1],
            function="simclr.experiment.encode:encode",
            inputs={"train": function, "seed": seed, "params": values, **self.environment},
            uses=(function,),
            data=self.data,
            store=self.runs / "cache",
        )

    def measurement(self, method: Method, n_labels: int, draw: int, seed: int | None) -> cache.Job:
        """The job that measures a method with so many labels of a draw."""
        common, all_labels = self.params["common"], n_labels == max(self.params["common"].n_labels)
        inputs = self.environment | {
            "method": method.function,
            "params": self.params[method.stage].model_dump(mode="json")
            | {"probe_l2": common.probe_l2},
            "number": self.dataset.number,
            "n_labels": n_labels,
            "draw": draw,
            "test_images": common.test_images,
            "tested": common.test_images if all_labels else common.curve_test_images,
            "keep_classifier": all_labels and draw == common.draws[0],
        }
        return cache.Job(
            kind=method.key,
            function="simclr.experiment.measure:measure",
            inputs=inputs,
            uses=(method.function,),
            reads=self._reads(method, seed),
            data=self.data,
            store=self.runs / "cache",
        )

    def _reads(self, method: Method, seed: int | None) -> dict[str, cache.Job]:
        reads = {"encoder": self.encoder(method.encoder, seed)} if method.encoder else {}
        return reads | ({"graph": self.graph(reads["encoder"])} if method.pool else {})

    def graph(self, encoder: cache.Job) -> cache.Job:
        """The job that links every image of the pool to its neighbours."""
        values = self.params["spread"]
        views = {name: getattr(values, name) for name in Augmentation.model_fields}
        inputs = {"views": views, "rounds": values.views, "neighbours": values.neighbours}
        return cache.Job(
            kind="graph",
            function="simclr.experiment.link:link",
            inputs=self.environment | inputs,
            reads={"encoder": encoder},
            data=self.data,
            store=self.runs / "cache",
        )

    def map(self) -> cache.Job:
        """The job that lays test images on a plane, before and after pre-training."""
        environment = self.environment
        inputs = {name: environment[name] for name in ("device", "precision", "torch", "data")}
        names = {"before": UNTRAINED, "after": PRETRAINED}
        return cache.Job(
            kind="map",
            function="simclr.experiment.embed:embed",
            inputs=inputs | {"images": self.params["probe"].map_images},
            reads={name: self.encoder(made, self.seeds[0]) for name, made in names.items()},
            data=self.data,
            store=self.runs / "cache",
        )

    def measured(self, stage: str) -> list[Run]:
        """All that a stage measures or compares."""
        common, wanted = self.params["common"], {stage, *STAGES[stage].reads}
        return [
            Run(method, n, draw, seed, self.measurement(method, n, draw, seed))
            for method in METHODS.values()
            if method.stage in wanted
            for seed in self._seeds(method.encoder) or [None]
            for draw in common.draws
            for n in common.n_labels
        ]

    def missing(self, stage: str) -> list[cache.Job]:
        """The jobs that a stage needs and that are not done, in the order to do them."""
        found = {}
        for job in self.jobs(stage):
            for each in (*job.reads.values(), job):
                if not each.is_done():
                    found.setdefault(each.key, each)
        return list(found.values())

    def train(self, stage: str, progress: Callable[[str], None] = lambda text: None) -> None:
        """Do what a stage needs and is not there: classifiers side by side, all else one by one."""
        record, missing = provenance.here(self.environment["device"]), self.missing(stage)
        read = {job.key for each in missing for job in each.reads.values()}
        classifiers = [job for job in missing if "method" in job.inputs]
        others = [job for job in missing if "method" not in job.inputs]
        for job in others:
            if job.key in read:
                cache.make(job, record, progress)
        side_by_side(classifiers, record, self.environment["device"], progress)
        for job in others:
            cache.make(job, record, progress)

    @property
    def seeds(self) -> list[int]:
        """The pre-training seeds."""
        return self.params["pretrain"].seeds

    def _seeds(self, encoder: str) -> list[int]:
        return self.seeds if encoder else []

    def command(self, target: str) -> str:
        """The make command that builds a stage, or the report, of this profile and variant."""
        words = ["make", target]
        words += [f"PROFILE={self.profile}"] * (self.profile != "full")
        words += [f"VARIANT={self.variant}"] * (self.variant != params.SOURCE)
        return f"`{' '.join(words)}`"
