"""What `make choose`, `make label` and `make classify` do."""

import sys
from collections.abc import Callable, Mapping

from simclr import files
from simclr.errors import UserError
from simclr.experiment import execute, params, provenance
from simclr.experiment.cache import Job
from simclr.experiment.study import Study
from simclr.own import collection, learn, sheet
from simclr.own.findings import Findings
from simclr.own.project import Project
from simclr.report import export
from simclr.report.show import Progress

NOTEBOOK = files.NOTEBOOKS / "own_images.ipynb"


def choose(project: Project, many: int, more: int) -> None:
    """Pre-train, choose images to label, and write labels.csv and the sheets."""
    if not 2 <= (more or many) <= 10_000:
        raise UserError(f"LABELS or MORE: {more or many}; 2 to 10000 images can be chosen")
    print(collection.described(project.collection), flush=True)
    there = project.labels_file.exists()
    table = _live(lambda progress: project.choose(many, more, progress))
    sheet.write(project)
    done, place = (table.label != "").sum(), files.shown(project.labels_file)
    if there and not more:
        print(f"{place} is there and stays: {len(table)} images, {done} labelled. MORE=50 adds 50")
    else:
        print(f"{place}: {len(table)} images, {done} labelled")
    print(
        f"Label them by `make label`, in {files.shown(project.folder / 'label.html')}, or in the CSV"
    )


def label(project: Project) -> None:
    """Serve the page for labelling on this machine until it is interrupted."""
    running, address = sheet.server(project)
    print(
        f"Open {address}\nEvery label is saved in {files.shown(project.labels_file)}. Ctrl+C ends."
    )
    sys.stdout.flush()
    try:
        running.serve_forever()
    except KeyboardInterrupt:
        print("\nended; `make label` goes on where you stopped")


def classify(project: Project) -> None:
    """Train the classifier, predict every image, and write predictions, classifier and report."""
    for note in project.labels.notes:
        print(f"note: {note}")
    print(collection.described(project.collection), flush=True)
    job = trained(project)
    findings = Findings(project, job)
    with files.write_atomically(project.folder / "predictions.csv") as temporary:
        findings.predictions.to_csv(temporary, index=False)
    with files.write_atomically(project.folder / learn.CLASSIFIER) as temporary:
        temporary.write_bytes(job.file(learn.CLASSIFIER).read_bytes())
    numbers = findings.numbers
    print(
        f"{numbers['labels']} labels of {numbers['classes']} classes; cross-validation finds "
        f"{numbers['right']} of {numbers['tested']} ({numbers['low']:.0%} to {numbers['high']:.0%})"
    )
    report(project)
    print(
        f"{files.shown(project.folder)}/: predictions.csv, {learn.CLASSIFIER}, report.html, report.pdf"
    )


def trained(project: Project) -> Job:
    """The classifier's job, done."""
    return _live(lambda progress: project.make(project.classifier(), progress))


def report(project: Project) -> None:
    """Execute the notebook and write it as HTML and PDF."""
    study, book = project.study, project.folder / "report.ipynb"
    parameters = {"profile": study.profile, "variant": study.variant, "changes": study.changes}
    execute.run_notebook("own images", NOTEBOOK, book, parameters)
    title = f"{project.source.name}: a classifier from {len(project.labels.rows)} labels"
    day, seconds = provenance.last_change()
    whole = export.collect([book], title=title, subtitle="", date=day, note="", author="")
    export.write_html(whole, project.folder / "report.html")
    export.write_pdf(whole, project.folder / "report.pdf", seconds)


def open_project(profile: str, variant: str, changes: Mapping) -> Project:
    """The project of a notebook; `auto` is the largest profile in which its images were chosen."""
    for each in params.PROFILES if profile == "auto" else [profile]:
        project = Project(Study(each, variant, changes))
        if profile != "auto" or (project.folder.exists() and project.graph().is_done()):
            return project
    raise UserError(
        f"{project.source}: nothing is chosen yet; run `make choose IMAGES={project.source}`"
    )


def _live(work: Callable):
    progress = Progress()
    try:
        return work(progress)
    finally:
        progress.close()
