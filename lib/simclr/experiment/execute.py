"""Executes a stage's notebook by papermill, after what it needs was trained."""

import os
import time
from pathlib import Path

import nbformat

from simclr import files
from simclr.errors import UserError
from simclr.experiment import provenance, session
from simclr.experiment.stages import STAGES
from simclr.experiment.study import Study


def notebook(stage: str) -> Path:
    """The source of a stage's notebook."""
    return next(files.NOTEBOOKS.glob(f"[0-9][0-9]_{stage}.ipynb"))


def executed(study: Study, stage: str) -> Path:
    """Where the executed notebook of a stage is kept."""
    return study.folder / notebook(stage).name


def run(study: Study, stage: str) -> None:
    """Train what a stage needs, and execute its notebook into NN_stage.partial.ipynb; rename that at its end.

    The file gets the time of the beginning, so that make sees what was edited meanwhile.

    Raises:
        UserError: what the notebook stopped with, and where to read it.
    """
    source, target, begun = notebook(stage), executed(study, stage), time.time()
    partial = target.with_suffix(".partial.ipynb")
    made_of = provenance.made_of(study, stage, source)
    print(f"{stage}: {session.forecast(study, stage)}", flush=True)
    study.train(stage)
    run_notebook(stage, source, partial, study)
    book = nbformat.read(partial, as_version=4)
    book.metadata["simclr"] = {**book.metadata.get("simclr", {}), "made_of": made_of}
    nbformat.write(book, partial)
    os.utime(partial, (begun, begun))
    os.replace(partial, target)


def run_notebook(name: str, source: Path, target: Path, study: Study) -> None:
    """Execute a notebook with the parameters of a study.

    Raises:
        UserError: what it stopped with; `name` leads the message.
    """
    import papermill

    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            source,
            target,
            {"profile": study.profile, "variant": study.variant, "changes": study.changes},
            kernel_name="python3",
            cwd=files.ROOT,
            progress_bar=False,
            coalesce_streams=True,
            extra_arguments=["--IPKernelApp.log_level=ERROR"],  # no warning of local TCP
        )
    except RuntimeError as error:  # the kernel died
        raise UserError(
            f"{name}: {error}, perhaps for want of memory\n  the notebook so far: {target}"
        ) from None
    except papermill.PapermillExecutionError as error:
        said = error.evalue if error.ename == "UserError" else f"{error.ename}: {error.evalue}"
        raise UserError(f"{name}: {said}\n  the notebook so far: {target}") from None


def books(study: Study) -> list[Path]:
    """The executed notebooks of all stages in order, made by this checkout's code and parameters.

    Raises:
        UserError: one is missing, or was executed with something else; names the command.
    """
    found = []
    for stage in sorted(STAGES, key=lambda name: notebook(name).name):
        file = executed(study, stage)
        if not file.exists():
            raise UserError(f"{files.shown(file)}: not built; run {study.command(stage)}")
        recorded = nbformat.read(file, as_version=4).metadata.get("simclr", {}).get("made_of", {})
        now = provenance.made_of(study, stage, notebook(stage))
        other = [name for name in now if recorded.get(name) != now[name]]
        if other:
            raise UserError(
                f"{files.shown(file)}: executed with other {' and '.join(other)} than the checkout's; "
                f"delete it and run {study.command(stage)}"
            )
        found.append(file)
    return found
