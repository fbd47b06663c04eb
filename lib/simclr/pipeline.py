"""Runs the stages for `make`: checks parameters, executes notebooks, reuses what is built.

    python -m simclr.pipeline check|plan|run STAGE|render STAGE|verify --profile P --variant V

A stage is known by a key over all that shapes its numbers: its effective parameters, the code in
`results.CODE`, the data, and the keys of the stages before it. Equal keys mean equal numbers, so a stage is
reused wherever its key is found, in another variant's folder too.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from simclr import data, params, paths, provenance, verify
from simclr.errors import UserError
from simclr.files import locked, read_json, write_json
from simclr.results import BEFORE, code_digests

NOTEBOOKS = {
    "baseline": "01_baseline",
    "pretrain": "02_pretrain",
    "probe": "03_probe",
    "finetune": "04_finetune",
    "comparison": "06_comparison",
}
PUBLISHED = ("results.csv", "numbers.json", "provenance.json", "tables")


class Build:
    """One profile and variant: parameters, run folder, report folder."""

    def __init__(self, profile: str, variant: str, runs: str = "runs") -> None:
        self.params = params.check_all(profile, variant)
        if not Path(os.path.abspath(paths.ROOT / runs)).is_relative_to(paths.ROOT):
            raise UserError(f"runs: {runs} is not in {paths.ROOT}; give a folder of the project")
        self.variant, self.runs = variant, paths.ROOT / runs
        self.run_dir = f"{runs}/{profile}/{variant}"
        self.folder = paths.ROOT / self.run_dir
        self.report = paths.report_folder(profile, variant, self.runs)

    def stamp(self, stage: str) -> dict:
        return read_json(self.folder / stage / "stage.json")

    def key(self, stage: str, of: Callable[[str], str] | None = None) -> str:
        """What stands for the stage's numbers.

        Args:
            of: gives the key of a stage before it; if left out, that of what is built.

        Raises:
            UserError: a stage before it is not built.
        """
        parts = [self.params[stage].hash, self.data]
        parts += code_digests(stage)
        parts += [(of or self._built_key)(earlier) for earlier in BEFORE[stage]]
        if stage == "comparison":  # its table names the variant
            parts.append(self.variant)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def expected_key(self, stage: str) -> str:
        """The key that the stage will have once those before it are up to date."""
        return self.key(stage, self.expected_key)

    def _built_key(self, stage: str) -> str:
        if not self.stamp(stage):
            make = paths.target(self.folder, stage)
            raise UserError(f"{stage} is not built yet and is needed here: run {make} first")
        return self.stamp(stage)["key"]

    @cached_property
    def data(self) -> dict:
        """SHA-256 of each file of the data set, which is fetched where it is not there yet."""
        settings = self.params["pretrain"]
        folder = data.prepare(settings.dataset, settings.data_dir)
        return read_json(folder / "checksums.json")["idx"]


def run(build: Build, stage: str) -> None:
    """Bring a stage up to date: reuse it if its key is found, else execute its notebook.

    The stamp has the time of the beginning, so that make sees what was edited meanwhile.
    """
    begun = time.time()
    key, folder = build.key(stage), build.folder / stage
    if stage == "comparison" and not all((folder / name).exists() for name in PUBLISHED):
        (folder / "stage.json").unlink(missing_ok=True)  # a redrawing of it was interrupted
    if build.stamp(stage).get("key") == key:
        print(f"{stage}: unchanged")
    elif found := _elsewhere(build, stage, key):
        print(f"{stage}: the same as {found.relative_to(paths.ROOT)}, reused")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(found, folder, ignore=shutil.ignore_patterns("stage.json"))
        write_json(folder / "stage.json", read_json(found / "stage.json"))
    else:
        settings = build.params[stage].model_dump(mode="json")
        content = {"key": key, "params": settings, "code": code_digests(stage)}
        if read_json(folder / "params.json") != content:  # else go on with an interrupted run
            shutil.rmtree(folder, ignore_errors=True)
            write_json(folder / "params.json", content)
        (folder / "stage.json").unlink(missing_ok=True)
        stamp = {"stage": stage, "key": key, "params_hash": build.params[stage].hash}
        stamp |= {"params": content["params"]} | provenance.here(build.params[stage])
        start = time.perf_counter()
        _execute(build, stage)
        if build.key(stage) != key:
            (folder / "params.json").unlink()  # what it made is of neither code
            raise UserError(f"{stage}: its code changed while it ran; run `make {stage}` again")
        seconds = round(time.perf_counter() - start, 1)
        write_json(folder / "stage.json", stamp | {"seconds": seconds})
    os.utime(folder / "stage.json", (begun, begun))
    if stage == "comparison":
        _publish(build)


def render(build: Build, stage: str) -> None:
    """Execute a built stage's notebook again, for its looks: what it trained is read, not redone."""
    if not build.stamp(stage):
        raise UserError(f"{stage} is not built: run {paths.target(build.folder, stage)} first")
    _execute(build, stage)
    if stage == "comparison":
        _publish(build)


def plan(build: Build) -> None:
    """Say what a build will do and about how long it takes, by a short measurement."""
    print(f"{build.run_dir}: report in {build.report.relative_to(paths.ROOT)}/")
    fates = {stage: _fate(build, stage) for stage in NOTEBOOKS}
    if set(fates.values()) == {"built"}:
        print("every stage is built; only what changed in looks is redone")
        return
    # Not all that makes a key is a file that make watches (a folder of images is not).
    (build.folder / "data.stamp").unlink(missing_ok=True)
    from simclr.estimate import images_per_second, work

    speed, total = images_per_second(build.params["pretrain"]), 0.0
    for stage, fate in fates.items():
        minutes = (work(build.params[stage]) / speed + 15) / 60
        total += minutes * (not fate)
        print(f"  {stage:<11} {fate or f'about {minutes:4.0f} min'}")
    print(f"in all about {total:.0f} min at {speed:,.0f} images/s through the network")


def _fate(build: Build, stage: str) -> str:
    """What a build will do with the stage: "built", "the same as ...", or "" where it must run."""
    if not any(build.runs.glob(f"*/*/{stage}/stage.json")):
        return ""
    key = build.expected_key(stage)
    if build.stamp(stage).get("key") == key:
        return "built"
    found = _elsewhere(build, stage, key)
    return f"the same as {found.relative_to(paths.ROOT)}" if found else ""


def _execute(build: Build, stage: str) -> None:
    """Run the notebook into NN_stage.partial.ipynb; rename that when it came to its end."""
    import papermill
    from nbclient.exceptions import DeadKernelError

    name, folder, begun = NOTEBOOKS[stage], build.folder / stage, time.time()
    shutil.rmtree(folder / "tables", ignore_errors=True)  # of a notebook that had other ones
    partial = folder / f"{name}.partial.ipynb"
    print(f"{stage}: notebooks/{name}.ipynb", flush=True)
    values = build.params[stage].model_dump(mode="json") | {"run_dir": build.run_dir}
    try:
        papermill.execute_notebook(
            paths.NOTEBOOKS / f"{name}.ipynb",
            partial,
            values,
            kernel_name="python3",
            cwd=paths.ROOT,
            progress_bar=False,
            stdout_file=_Terminal(),
            coalesce_streams=True,
            extra_arguments=["--IPKernelApp.log_level=ERROR"],  # no warning of local TCP
        )
    except DeadKernelError:
        raise UserError(
            f"{stage}: the notebook's kernel died, perhaps for want of memory\n  so far: {partial}"
        ) from None
    except papermill.PapermillExecutionError as error:
        if error.ename == "TerminatedWorkerError":
            said = "a process with a label draw died, perhaps for want of memory"
        else:
            said = error.evalue if error.ename == "UserError" else f"{error.ename}: {error.evalue}"
        raise UserError(f"{stage}: {said}\n  the notebook so far: {partial}") from None
    os.utime(partial, (begun, begun))  # so that make sees what was edited meanwhile
    os.replace(partial, folder / f"{name}.ipynb")


class _Terminal:
    """Passes a kernel's output on; in a log file the live line ("\\r...") comes once a minute."""

    def __init__(self) -> None:
        self._line, self._next = "", 0.0

    def write(self, text: str) -> None:
        if sys.stdout.isatty():
            sys.stdout.write(text)
            return
        *done, live = (self._line + text).split("\n")
        self._line = live.rsplit("\r", 1)[-1]
        for line in done:
            print(line.rsplit("\r", 1)[-1].rstrip())
        if "\r" in live and time.monotonic() >= self._next:
            print(self._line.rstrip(), flush=True)
            self._next = time.monotonic() + 60

    def flush(self) -> None:
        sys.stdout.flush()


def _elsewhere(build: Build, stage: str, key: str) -> Path | None:
    stamps = sorted(build.runs.glob(f"*/*/{stage}/stage.json"))
    return next((file.parent for file in stamps if read_json(file).get("key") == key), None)


def _publish(build: Build) -> None:
    """Copy what the comparison wrote to the report's folder."""
    build.report.mkdir(parents=True, exist_ok=True)
    for name in PUBLISHED:
        made, target = build.folder / "comparison" / name, build.report / name
        if made.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(made, target)
        else:
            shutil.copy(made, target)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="simclr.pipeline", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["check", "plan", "run", "render", "verify"])
    parser.add_argument("stage", nargs="?", choices=list(NOTEBOOKS))
    parser.add_argument("--profile", default="full")
    parser.add_argument("--variant", default=params.SOURCE)
    parser.add_argument("--runs", default="runs")
    parser.add_argument("--against", type=Path, default=paths.REPORTS)
    args = parser.parse_args(arguments)
    if (args.command in ("run", "render")) != (args.stage is not None):
        parser.error("run and render take a stage, the other commands none")
    try:
        build = Build(args.profile, args.variant, args.runs)
        if args.command == "verify":
            raise SystemExit(verify.compare(args.against, build.report))
        if args.command == "plan":
            plan(build)
        elif args.command != "check":
            with locked(build.folder / ".lock"):
                {"run": run, "render": render}[args.command](build, args.stage)
    except (UserError, OSError) as error:  # a full disk, a folder that may not be written
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on where this one stopped", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
