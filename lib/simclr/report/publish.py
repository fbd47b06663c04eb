"""Writes a report's folder: tables, numbers, provenance, figures, HTML, PDF and executed notebooks."""

import os
from pathlib import Path

import nbformat
import pandas as pd

from simclr import files, weights
from simclr.experiment import execute, provenance
from simclr.experiment.findings import Findings
from simclr.experiment.stages import METHODS, STAGES
from simclr.experiment.study import Study
from simclr.report import claims, export, playground
from simclr.report.show import NARROW

AUTHOR = "The simclr-100-labels authors"
AFTER = "after a report by S. Metin, M. Tremblay and F. Bertrand"
PAGES = "report.html", "report.pdf"
KEYWORDS = "few labels, contrastive learning, SimCLR, label spreading, self-training, reproduction"


def folder(study: Study) -> Path:
    """Where the report goes: reports/ for the committed one, beside its notebooks for any other."""
    if study.is_committed:
        return files.REPORTS
    return study.folder / "report"


def is_current(study: Study) -> bool:
    """Whether the report is complete, and of this checkout's code, parameters and results."""
    target = folder(study)
    record = files.read_json(target / "provenance.json")  # written last
    books = {stage: target / "notebooks" / execute.notebook(stage).name for stage in STAGES}
    return (
        record.get("exported_with") == provenance.exported_with()
        and all((target / name).exists() for name in record["files"])
        and all(execute.is_current(study, stage, book) for stage, book in books.items())
    )


def classifiers(study: Study) -> list[Path]:
    """Where the first draw's classifiers lie beside the executed notebooks, for readers to use."""
    shown = [method.key for method in METHODS.values() if method.overview]
    return [study.folder / f"{key}.safetensors" for key in shown]


def report(study: Study) -> None:
    """Write the report from the executed notebooks as HTML and PDF, and what lies beside it."""
    books = sorted(execute.executed(study, stage) for stage in STAGES)
    report = export.collect(books, **_front(study), beside=_beside(books, folder(study)))
    findings = Findings(study, "comparison")
    write_tables(findings, folder(study))
    best = weights.load_classifier(study.folder / f"{findings.numbers['best']}.safetensors")
    with files.write_atomically(folder(study) / "classifier.safetensors") as temporary:
        weights.save_network(temporary, best.half())  # so that the file is half as large
    html, pdf = (folder(study) / page for page in PAGES)
    is_drawn = study.dataset.key == "mnist"  # nobody draws clothes
    export.write_html(report, html, playground.content(findings) if is_drawn else "")
    export.write_pdf(report, pdf, provenance.last_change()[1])
    write_notebooks(books, folder(study) / "notebooks")
    last = folder(study) / "provenance.json"  # by which `is_current` knows that everything is there
    there = sorted(file for file in last.parent.rglob("*") if file.is_file() and file != last)
    names = [file.relative_to(last.parent).as_posix() for file in there]
    files.write_json(last, provenance.collect(study) | {"files": names})


def write_tables(findings: Findings, target: Path) -> None:
    """Write results.csv, tables/ and numbers.json, and the classifiers in runs/."""
    study = findings.study
    tables = {
        "accuracy": findings.summary,
        "differences": findings.differences.drop(columns="values"),
        "classes": findings.classes,
        "confusions": confusions(findings),
        "pretraining": findings.pretraining,
        "parameters": study.table[study.table.section != "own"],  # no part of this report
        "claims": claims.table(findings),
    }
    files.write(target / "results.csv", findings.results.to_csv(index=False))
    for name, table in tables.items():
        files.write(target / "tables" / f"{name}.csv", table.to_csv(index=False))
    files.write_json(target / "numbers.json", findings.numbers)
    for run in findings.runs:
        if run.job.inputs["keep_classifier"]:
            kept = study.folder / f"{run.method.key}.safetensors"
            files.write(kept, run.job.file("classifier.safetensors").read_bytes())
            about = {"method": run.method.name, "draw": run.draw, "pretrain_seed": run.seed}
            what = {"input": "(N, 1, 28, 28) floats, ink is 1", "output": "logits (N, 10)"}
            files.write_json(kept.with_suffix(".json"), {**about, **what, "inputs": run.job.inputs})


def write_notebooks(books: list[Path], target: Path) -> None:
    """Write executed notebooks for reading: with their outputs, without times and what only pages need."""
    for book in books:
        notebook = nbformat.read(book, as_version=4)
        notebook.metadata.pop("papermill", None)
        notebook.metadata.pop("language_info", None)  # the version of Python of whoever built it
        for i, cell in enumerate(notebook.cells):
            cell.id = str(i)  # papermill gives the cell that it adds a random one
            cell.metadata.pop("papermill", None)
            cell.metadata.pop("execution", None)
            for output in cell.get("outputs", []):
                output.get("data", {}).pop(NARROW, None)
        files.write(target / book.name, nbformat.writes(notebook) + "\n")


def confusions(findings: Findings) -> pd.DataFrame:
    """Mean counts among 10,000 test images: method, true, predicted, count, sd (between draws)."""
    rows = []
    for method in findings.methods:
        counts = findings.counts(method)  # (draws, 10, 10)
        sd = counts.std(0, ddof=1) if len(counts) > 1 else counts[0] * float("nan")
        mean = counts.mean(0)
        rows += [(method, i, j, mean[i, j], sd[i, j]) for i in range(len(mean)) for j in range(len(mean))]
    return pd.DataFrame(rows, columns=["method", "true", "predicted", "count", "sd"])


def _front(study: Study) -> dict[str, str]:
    """Title block: title, subtitle, date, a note on what this build is; it is a paper that may be cited."""
    common, dataset = study.params["common"], study.dataset
    built = f"Built with profile “{study.profile}”, variant “{study.variant}”. "
    if study.profile != "full":
        built += "It is a quick look and not for conclusions: fewer images, draws and epochs. "
    built += (
        "Numbers are this build's, but those of further trials (the grid), which are of MNIST and of profile "
        "“full”. The text was written for the full build of MNIST; where a note says so, and perhaps "
        "elsewhere, it does not fit."
    )
    return {
        "title": f"How well can {dataset.things} be classified with {max(common.n_labels)} labels?",
        "subtitle": f"Contrastive pre-training (SimCLR), augmentation and neighbours on {dataset.name}",
        "date": provenance.last_change()[0],
        "year": provenance.last_change()[0][-4:],
        "note": "" if study.is_committed else built,
        "author": AUTHOR,
        "after": AFTER,
        "keywords": KEYWORDS,
        "repository": provenance.repository(),
        "paper": "yes",
    }


def _beside(books: list[Path], target: Path) -> list[dict[str, str]]:
    """What lies beside the page, seen from its folder `target`."""
    code = os.path.relpath(files.ROOT / "lib" / "simclr", target)
    found = {"PDF": "report.pdf", "results": "results.csv", "code": code}
    found |= {book.stem.split("_")[1] + " notebook": f"notebooks/{book.name}" for book in books}
    return [{"name": name, "file": file} for name, file in found.items()]
