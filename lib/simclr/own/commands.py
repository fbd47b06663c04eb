"""What `make choose`, `make label` and `make classify` do."""

import time
import webbrowser
from collections.abc import Mapping
from datetime import date

from simclr import files
from simclr.errors import UserError
from simclr.experiment import execute, params, session
from simclr.experiment.study import Study
from simclr.own import collection, learn, sheet
from simclr.own.findings import ALIKE, Findings
from simclr.own.project import Project
from simclr.report import export, show

NOTEBOOK = files.NOTEBOOKS / "own_images.ipynb"


def choose(project: Project, many: int, more: int) -> None:
    """Pre-train, choose images to label, and write labels.csv and the sheets."""
    if not 2 <= many <= 10_000 or not 0 <= more <= 10_000:
        raise UserError(f"LABELS={many} MORE={more}: 2 to 10000 images can be chosen")
    _introduce(project)
    there = project.labels_file.exists()
    table = project.choose(many, more)
    sheet.write(project)
    done, place = (table.label != "").sum(), files.shown(project.labels_file)
    if there and not more:
        print(f"{place} is there and stays: {len(table)} images, {done} labelled. MORE=50 adds 50")
    else:
        print(f"{place}: {len(table)} images, {done} labelled")
    print(f"Label them by {project.command('label')}, or in any editor; label.pdf is for paper")
    print(f"Then run {project.command('classify')}")


def label(project: Project) -> None:
    """Serve the page for labelling on this machine until it is interrupted."""
    project.check_source()
    running, address = sheet.server(project)
    place = files.shown(project.labels_file)
    print(f"Open {address}\nEvery label is saved in {place}. Ctrl+C ends.", flush=True)
    webbrowser.open(address)
    try:
        running.serve_forever()
    except KeyboardInterrupt:
        print("\nended; `make label` goes on where you stopped")


def classify(project: Project) -> None:
    """Train the classifier, predict every image, and write predictions, classifier and report."""
    _introduce(project)
    for note in project.labels.notes:
        print(f"note: {note}")
    if project.labels.empty:
        print(f"note: chosen images without a label: {project.labels.empty}")
    job = project.make(project.classifier())
    findings = Findings(project, job)
    files.write(project.folder / "predictions.csv", findings.predictions.to_csv(index=False))
    files.write(project.folder / learn.CLASSIFIER, job.file(learn.CLASSIFIER).read_bytes())
    numbers = findings.numbers
    said = "{labels} labels of {classes} classes"
    if numbers["tested"]:
        said += (
            "; left out one by one, {right} of {tested} were found again: between {low:.0%} and {high:.0%}"
        )
    print(said.format(**numbers))
    if numbers["agreement"] < ALIKE:
        print(
            f"warning: the network calls {numbers['agreement']:.0%} of the images as graph and probe do, "
            "so it is worse than these; give it a larger PROFILE or more own.student_steps"
        )
    report(project)
    made = f"predictions.csv, {learn.CLASSIFIER}, report.html, report.pdf"
    print(f"{files.shown(project.folder)}/: {made}")


def report(project: Project) -> None:
    """Execute the notebook and write it as HTML and PDF."""
    study, book = project.study, project.folder / "report.ipynb"
    execute.run_notebook("own images", NOTEBOOK, book, study)
    name = show.escaped(project.source.name)
    title = f"{name}: a classifier from {len(project.labels.rows)} labels"
    day = f"{date.today():%-d %B %Y}"
    note = "" if study.profile == "full" else f"Trained with profile “{study.profile}”; full learns better."
    whole = export.collect([book], title=title, subtitle="", date=day, note=note, author="")
    export.write_html(whole, project.folder / "report.html")
    export.write_pdf(whole, project.folder / "report.pdf", int(time.time()))


def open_project(profile: str, variant: str, changes: Mapping) -> Project:
    """The project of a notebook; `auto` is the largest profile in which its images were chosen."""
    for each in params.PROFILES if profile == "auto" else [profile]:
        project = Project(Study(each, variant, changes))
        if profile != "auto" or (project.folder.exists() and project.graph().is_done()):
            return project
    raise UserError(
        f"{project.source}: no encoder of these images yet; run `make choose IMAGES={project.source}`"
    )


def _introduce(project: Project) -> None:
    """Say what the collection is, and how long an encoder of it will take unless it is there."""
    project.check_source()
    print(collection.described(project.collection), flush=True)
    if not project.graph().is_done():
        minutes = max(1, _minutes(project))
        print(f"trains an encoder: about {minutes:.0f} min on this machine", flush=True)


def _minutes(project: Project) -> float:
    """How long the encoder and its graph take: views over the speed of a step."""
    own, moving, machine = project.params, project.study.params["deformable"], project.study.machine
    speed = session.images_per_second(machine["device"], machine["precision"], batch=256)
    views = 2 * min(own.batch_size, len(project.sample) // 4) * (own.steps + 1.2 * own.nearest_steps)
    shifts = (moving.candidates + own.neighbours) * (2 * moving.reach + 1) ** 2
    passes = own.feature_views + 2 + session.SHIFT * shifts
    return (views + passes * len(project.sample) * session.FORWARD) / speed / 60
