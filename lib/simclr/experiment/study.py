"""A study: one profile, variant and set of changes, and the jobs that follow from them."""

import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from pydantic import ValidationError

from simclr import fetch, files
from simclr.errors import UserError
from simclr.experiment import cache, graphs, params, provenance
from simclr.experiment.live import Live
from simclr.experiment.parallel import side_by_side
from simclr.experiment.sections import Pretrain
from simclr.experiment.stages import ENCODERS, STAGES, Method


class Run(NamedTuple):
    """A method trained on the first labels of a draw, from the encoder of a pre-training seed, if any."""

    method: Method
    n_labels: int
    draw: int
    seed: int | None
    job: cache.Job


def _check(values: Mapping, sections: Sequence[str]) -> None:
    """Hold what several sections make together against the rules of pre-training."""
    try:
        Pretrain(**values)
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UserError(f"{', '.join(sections)} together: {message}") from None


class Study:
    """The parameters of a build and the jobs that follow from them; `findings` has what these gave.

    Attributes:
        profile: full, quick or smoke.
        variant: a file of params/variants, or source.
        changes: section -> parameter -> value, over what the files say.
        params: section -> checked values.
        table: a row a parameter: section, parameter, value, reason, file.
        runs: the folder whose cache is used.
        folder: where its executed notebooks are and, but for the committed one, its report.
        environment: device, precision, version of torch and data, which are part of every key.
    """

    def __init__(
        self,
        profile: str = "full",
        variant: str = params.SOURCE,
        changes: Mapping | None = None,
        runs: Path = files.RUNS,
    ) -> None:
        self.params, self.table = params.load(profile, variant, changes)
        self.profile, self.variant, self.changes = profile, variant, dict(changes or {})
        for encoder in ENCODERS.values():
            _check(self.merged(encoder.sections), encoder.sections)
        most = self.params["deformable"].candidates
        for section in ("spread", "own"):
            if (many := self.params[section].neighbours) > most:
                raise UserError(
                    f"{section}.neighbours: {many} with deformable.candidates: {most}; use {most} or less"
                )
        self.runs, self.folder = runs, runs / profile / variant

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
        """This machine's, or that of the one where `make train` was called."""
        machine = files.read_json(self.trained) if self.trained.exists() else self.machine
        data = files.digest(fetch.checksums(self.data)["idx"])
        return {**machine, "data": data, "balanced": self.params["common"].balanced}

    @property
    def trained(self) -> Path:
        """The file that names the machine where `make train` was called."""
        return self.folder / "trained.json"

    @cached_property
    def machine(self) -> dict[str, str]:
        """What this machine computes with."""
        from simclr import hardware  # brings torch, which checking parameters does not need

        common = self.params["common"]
        device, dtype = hardware.pick(common.device, common.precision)
        precision, version = hardware.name_of(dtype), importlib.metadata.version("torch")
        return {"device": device.type, "precision": precision, "torch": version}

    def check_machine(self) -> None:
        """Refuse to train what is missing among results of another machine.

        Raises:
            UserError: names the file that says so, and what to do.
        """
        if not self.machine.items() <= self.environment.items():
            other = ", ".join(self.environment[name] for name in self.machine)
            raise UserError(
                f"{files.shown(self.trained)}: says that the results come from a machine with {other}, and "
                f"some are missing; run {self.command('train')} there, or delete this file to train here"
            )

    def jobs(self, stage: str) -> list[cache.Job]:
        """What a stage needs trained: for a comparison, all that it compares."""
        key = STAGES[stage].encoder
        made = [self.encoder(key, seed) for seed in self.seeds(key)]
        made += [run.job for run in self.measurements(STAGES[stage].methods)]
        if stage == "probe":
            made.append(self.map())
        if stage == "selftrain":
            made.append(graphs.rates(self))
        if not made:
            made = [job for read in STAGES[stage].reads for job in self.jobs(read)]
        return made

    def seeds(self, encoder: str) -> list[int]:
        """The pre-training seeds of an encoder; none for no encoder."""
        return self.merged(ENCODERS[encoder].sections)["seeds"] if encoder else []

    def merged(self, names: Sequence[str]) -> dict:
        """The parameters of some sections, the later over the earlier."""
        values = {}
        for name in names:
            values |= self.params[name].model_dump(mode="json")
        return values

    def job(self, kind: str, function: str, inputs: dict, *uses: str, **reads) -> cache.Job:
        """A job of the cache whose function is in a module of `simclr.experiment`."""
        function = f"simclr.experiment.{function}"
        return cache.Job(kind, function, inputs, uses, reads, self.data, self.runs / "cache")

    def encoder(self, key: str, seed: int) -> cache.Job:
        """The job that makes one of `stages.ENCODERS`."""
        made, values = ENCODERS[key], self.merged(ENCODERS[key].sections)
        values.pop("seeds")
        kept = [epoch for epoch in made.kept if epoch < values["epochs"]]
        inputs = {"train": made.function, "seed": seed, "params": values, "kept": kept}
        reads = {"start": self.encoder(made.start, seed)} if made.start else {}
        return self.job(key, "encode:encode", inputs | self.environment, made.function, **reads)

    def measurement(self, method: Method, n_labels: int, draw: int, seed: int | None) -> cache.Job:
        """The job that measures a method with so many labels of a draw."""
        common, all_labels = self.params["common"], n_labels == max(self.params["common"].n_labels)
        first = draw == self._draws(method)[0] and seed in (None, *self.seeds(method.encoder)[:1])
        inputs = self.environment | {
            "method": method.function,
            "params": self.merged(method.parameter_sections) | {"probe_l2": common.probe_l2},
            "number": self.dataset.number,
            "n_labels": n_labels,
            "draw": draw,
            "chosen": method.chosen,
            "test_images": common.test_images,
            "tested": common.test_images if all_labels else common.curve_test_images,
            "keep_classifier": first and all_labels and method.overview,
        }
        if method.teacher:
            inputs["params"]["teacher"] = self.merged((method.teacher,))
        reads = {"encoder": self.encoder(method.encoder, seed)} if method.encoder else {}
        if method.graph:
            reads["graph"] = graphs.graph(self, method.graph, reads["encoder"])
        return self.job(method.key, "measure:measure", inputs, method.function, **reads)

    def _draws(self, method: Method) -> list[int]:  # where labels are chosen, seeds of the choice
        return self.params["selftrain"].choices if method.chosen else self.params["common"].draws

    def map(self) -> cache.Job:
        """The job that lays test images on a plane, before, during and after pre-training."""
        names = ("device", "precision", "torch", "data")
        inputs = {name: self.environment[name] for name in names}
        inputs["images"] = self.params["probe"].map_images
        seed = self.seeds("pretrained")[0]
        before, after = self.encoder("untrained", seed), self.encoder("pretrained", seed)
        return self.job("map", "embed:embed", inputs, before=before, after=after)

    def measurements(self, methods: Iterable[Method]) -> list[Run]:
        """Some methods with every seed, draw and number of labels."""
        n_labels = self.params["common"].n_labels
        return [
            Run(method, n, draw, seed, self.measurement(method, n, draw, seed))
            for method in methods
            for seed in self.seeds(method.encoder) or [None]
            for draw in self._draws(method)
            for n in (n_labels if method.curve else n_labels[-1:])
        ]

    def missing(self, stage: str) -> list[cache.Job]:
        """The jobs that a stage needs and that are not done, in the order to do them."""
        return cache.missing(self.jobs(stage))

    def train(self, *stages: str) -> None:
        """Do what stages need and is not there: on CUDA all at once, else one stage after the other."""
        for part in [stages] if self.environment["device"] == "cuda" else [[s] for s in stages]:
            self.make([job for stage in part for job in self.jobs(stage)])

    def make(self, jobs: list[cache.Job]) -> None:
        """Do these jobs and what they read; classifiers side by side, and on CUDA encoders, too.

        Elsewhere an encoder uses all cores by itself.
        """
        missing = cache.missing(jobs)
        if not missing:
            return
        self.check_machine()
        device = self.environment["device"]
        record = provenance.here(device)
        others = [job for job in missing if "method" not in job.inputs]
        classifiers = [job for job in missing if "method" in job.inputs]
        with Live() as live:
            if device != "cuda":
                for job in others:
                    cache.make(job, record, live)
                others = []
            side_by_side([*others, *classifiers], record, device, live)

    def command(self, target: str, *more: str) -> str:
        """The make command that builds a stage, or the report, of this profile and variant."""
        words = ["make", target]
        words += [f"PROFILE={self.profile}"] * (self.profile != "full")
        words += [f"VARIANT={self.variant}"] * (self.variant != params.SOURCE)
        return f"`{' '.join([*words, *more])}`"
