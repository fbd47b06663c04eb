"""Executes the notebooks of stages by papermill, where they are not up to date."""

import os
from collections.abc import Iterable
from pathlib import Path

import nbformat
from joblib import Parallel, delayed

from simclr import files
from simclr.errors import UserError
from simclr.experiment import provenance
from simclr.experiment.parallel import workers
from simclr.experiment.study import Study


def notebook(stage: str) -> Path:
    """The source of a stage's notebook."""
    return next(files.NOTEBOOKS.glob(f"[0-9][0-9]_{stage}.ipynb"))


def executed(study: Study, stage: str) -> Path:
    """Where the executed notebook of a stage is kept."""
    return study.folder / notebook(stage).name


def is_current(study: Study, stage: str, book: Path) -> bool:
    """Whether an executed notebook is of this checkout's code, parameters and results."""
    recorded = files.read_json(book).get("metadata", {}).get("simclr", {})
    return recorded.get("made_of") == provenance.made_of(study, stage, notebook(stage))


def stale(study: Study, stages: Iterable[str]) -> list[str]:
    """The stages whose executed notebook is missing or not current."""
    return [stage for stage in stages if not is_current(study, stage, executed(study, stage))]


def run(study: Study, stages: Iterable[str]) -> None:
    """Execute the notebooks that are not current, side by side; what they read is trained.

    Raises:
        UserError: what a notebook stopped with, and where to read it.
    """
    todo = stale(study, stages)
    at_once = workers("cpu", len(todo))  # each has a process of its own, a thread waits for it
    Parallel(at_once, prefer="threads")(delayed(_run)(study, stage) for stage in todo)


def _run(study: Study, stage: str) -> None:
    """Execute a notebook into NN_stage.partial.ipynb, and rename that at its end."""
    source, target = notebook(stage), executed(study, stage)
    partial = target.with_suffix(".partial.ipynb")
    made_of = provenance.made_of(study, stage, source)  # before: it may be edited meanwhile
    run_notebook(stage, source, partial, study)
    book = nbformat.read(partial, as_version=4)
    book.metadata["simclr"] = {**book.metadata.get("simclr", {}), "made_of": made_of}
    nbformat.write(book, partial)
    os.replace(partial, target)
    print(f"executed {files.shown(target)}", flush=True)


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
            extra_arguments=["--IPKernelApp.log_level=CRITICAL"],  # what stops a notebook is raised here
        )
    except RuntimeError as error:  # the kernel died
        raise UserError(
            f"{name}: {error}, perhaps for want of memory\n  the notebook so far: {target}"
        ) from None
    except papermill.PapermillExecutionError as error:
        said = error.evalue if error.ename == "UserError" else f"{error.ename}: {error.evalue}"
        raise UserError(f"{name}: {said}\n  the notebook so far: {target}") from None
