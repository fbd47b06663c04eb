"""The commands that `make` calls; `make` without a target lists what they do together."""

import argparse
import os
import sys
import time
from argparse import Namespace
from pathlib import Path

from simclr import fetch, files
from simclr.errors import Lost, UserError
from simclr.experiment import parallel, params, provenance, session
from simclr.experiment.live import Live
from simclr.experiment.stages import STAGES
from simclr.experiment.study import Study

FIRST = os.environ.get("LOCAL_RANK", "0") == "0"  # of the processes that torchrun starts on a machine


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line says; a user's mistake is one line and exit status 2."""
    args = _parser().parse_args(arguments)
    try:
        if getattr(args, "processes", 1) < 1:
            raise UserError(f"NPROC: {args.processes} processes; use 1 or more")
        images = getattr(args, "images", "")
        study = Study(args.profile, args.variant, {"own": {"images": images}} if images else {})
        COMMANDS[args.command](study, args)
    except (UserError, OSError) as error:  # a full disk, a folder that may not be written
        if FIRST:
            print(f"error: {error}", file=sys.stderr)
        else:  # all ranks meet the same mistake, and the first one says so
            time.sleep(2)
        raise SystemExit(2) from None
    except Lost:
        time.sleep(2)  # whoever started us shall first see the one that is lost
        raise SystemExit(3) from None
    except KeyboardInterrupt:
        if "LOCAL_RANK" not in os.environ:
            print("\ninterrupted; the same command goes on where this one stopped", file=sys.stderr)
        raise SystemExit(130) from None


def report(study: Study, args: Namespace) -> None:
    """Train and execute what is not up to date, and write the report as HTML and PDF."""
    from simclr.experiment import execute
    from simclr.report import publish  # brings what draws, which most others do not need

    plan(study, args)
    _train(study, list(STAGES), args.processes)
    execute.run(study, STAGES)
    if not (publish.is_current(study) and all(map(Path.exists, publish.classifiers(study)))):
        publish.report(study)
    pages = " and ".join(files.shown(publish.folder(study) / page) for page in publish.PAGES)
    print(f"the report is up to date: {pages}")


def run(study: Study, args: Namespace) -> None:
    """Train what a stage needs and execute its notebook."""
    from simclr.experiment import execute

    known(args.stage)
    print(f"{args.stage}: {session.forecast(study, args.stage)}", flush=True)
    _train(study, [args.stage], args.processes)
    execute.run(study, [args.stage])
    print(f"{args.stage}: {files.shown(execute.executed(study, args.stage))} is up to date")


def known(*stages: str) -> None:
    """Refuse names of no stage; a notebook with a number is one for make."""
    if unknown := set(stages) - set(STAGES):
        named = ", ".join(sorted(unknown))
        raise UserError(f"{named}: no such stage in experiment/stages.py; there are: {', '.join(STAGES)}")


def train(study: Study, args: Namespace) -> None:
    """Train what is missing without executing a notebook, for a machine that only computes."""
    known(*args.stages)
    study.trained.unlink(missing_ok=True)
    print(f"{study.name}: {session.forecast(study, *args.stages)}", flush=True)
    _train(study, args.stages, args.processes)
    files.write_json(study.trained, study.machine)
    print(f"trained; to make the report elsewhere, copy {files.shown(study.runs)}/ there")


def _train(study: Study, stages: list[str], processes: int) -> None:
    for stage in stages if processes != 1 else ():
        _encode(study, stage, processes)
    study.train(*stages)


def encode(study: Study, args: Namespace) -> None:
    """Train the encoders of a stage by several processes."""
    known(args.stage)
    _encode(study, args.stage, args.processes)


def _encode(study: Study, stage: str, processes: int) -> None:
    """Train the encoders of a stage, by the processes that torchrun started or by as many as asked for."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        if any("train" in job.inputs for job in study.missing(stage)):
            where = "--profile", study.profile, "--variant", study.variant
            parallel.torchrun(processes, "encode", stage, *where)
        return
    from simclr import ranks

    study.check_machine()
    device = study.machine["device"]
    with ranks.group(device), Live() as live:
        record = provenance.here(device)  # after the group has set the number of threads
        for job in ranks.from_first(lambda: study.missing(stage)):
            if "train" in job.inputs:
                parallel.together(job, record, live)


def ablations(study: Study, _: Namespace) -> None:
    """Measure the grid of params/ablations.yaml and say where the results are."""
    from simclr.experiment import ablations as grid

    if study.name != "full/source":
        raise UserError(f"ablations: {study.name}: the grid has the profile full and its own variants")
    table = grid.measure()
    print(f"{files.shown(grid.RESULTS)}: {table.point.nunique()} points")


def plan(study: Study, _: Namespace) -> None:
    """Say what a build will train and about how long it takes."""
    from simclr.experiment import execute

    stages = [stage for stage in STAGES.values() if stage.methods or stage.encoder]
    for stage in stages:
        print(f"  {stage.name:<11} {session.forecast(study, stage.name, after=stage.reads)}")
    print(f"  in all      {session.forecast(study, 'comparison')}")
    if stale := execute.stale(study, STAGES):
        print(f"  executes    {', '.join(stale)}; with the export that takes some two minutes", flush=True)


def data(study: Study, _: Namespace) -> None:
    """Get the data set and say where it came from and how it was checked."""
    source = fetch.checksums(study.data)["source"]
    checked = "SHA-256 of all four files" if study.dataset.sha256 else "headers, sizes and labels"
    place = files.shown(study.data)
    print(f"data: {study.dataset.key} from {source}; checked: {checked}; in {place}")


def verify(study: Study, _: Namespace) -> None:
    """Train all anew and compare it with the report."""
    from simclr.experiment import verify as rebuilt

    raise SystemExit(rebuilt.verify(study))


def own_images(study: Study, args: Namespace) -> None:
    """Choose, label or classify a reader's own images."""
    from simclr.own import commands, project

    more = [args.labels, args.more] if args.command == "choose" else []
    getattr(commands, args.command)(project.Project(study), *more)


COMMANDS = {do.__name__: do for do in (report, run, train, encode, plan, data, verify, ablations)}
COMMANDS |= dict.fromkeys(("choose", "label", "classify"), own_images)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simclr", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, do in COMMANDS.items():
        does = do.__doc__
        command = commands.add_parser(name, help=does, description=does)
        if name in ("run", "encode"):
            command.add_argument("stage")
        if do in (report, run, train, encode):
            command.add_argument("--processes", type=int, default=1, help="that pre-train together")
        if name == "train":
            command.add_argument("stages", nargs="*", default=list(STAGES), metavar="stage")
        if do is own_images:
            command.add_argument("--images", default="", help="a folder, or an .npy or .npz file")
        if name == "choose":
            command.add_argument("--labels", type=int, default=100, help="how many at first")
            command.add_argument("--more", type=int, default=0, help="how many beside them")
        command.add_argument("--profile", default="full", help="full, quick or smoke")
        command.add_argument("--variant", default=params.SOURCE, help="a file of params/variants")
    return parser


if __name__ == "__main__":
    main()
