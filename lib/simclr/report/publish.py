"""Writes a report's folder: tables, numbers, provenance, figures, HTML and PDF."""

from pathlib import Path

import pandas as pd

from simclr import files
from simclr.experiment import execute, provenance
from simclr.experiment.findings import Findings
from simclr.experiment.stages import STAGES
from simclr.experiment.study import Study
from simclr.report import claims, export

AUTHOR = "The simclr-100-labels authors"


def folder(study: Study) -> Path:
    """Where the report goes: reports/ for the committed one, beside its notebooks for any other."""
    if study.is_committed:
        return files.REPORTS
    return files.RUNS / study.profile / study.variant / "report"


def report(study: Study, kind: str) -> Path:
    """Write the report as html or pdf, and the tables beside it; trains and executes nothing.

    Raises:
        UserError: a notebook is missing or of other code, parameters or results than the checkout's.
    """
    report = export.collect(execute.books(study), **_front(study))
    write_tables(study, Findings(study, "comparison"), folder(study))
    file = folder(study) / f"report.{kind}"
    if kind == "html":
        export.write_html(report, file)
    else:
        export.write_pdf(report, file, provenance.last_change()[1])
    return file


def write_tables(study: Study, findings: Findings, target: Path) -> None:
    """Write results.csv, tables/, numbers.json and provenance.json, and the classifiers in runs/."""
    tables = {
        "accuracy": findings.summary,
        "differences": findings.differences.drop(columns="values"),
        "classes": findings.classes,
        "confusions": confusions(findings),
        "pretraining": findings.pretraining,
        "parameters": study.table[study.table.section != "own"],  # no part of this report
        "claims": claims.table(findings),
    }
    _write_csv(target / "results.csv", findings.results)
    for name, table in tables.items():
        _write_csv(target / "tables" / f"{name}.csv", table)
    files.write_json(target / "numbers.json", findings.numbers)
    files.write_json(target / "provenance.json", provenance.collect(study, STAGES))
    for run in findings.runs:
        if run.job.inputs["keep_classifier"]:
            kept = study.runs / study.profile / study.variant / f"{run.method.key}.safetensors"
            with files.write_atomically(kept) as temporary:
                temporary.write_bytes(run.job.file("classifier.safetensors").read_bytes())
            about = {"method": run.method.name, "draw": run.draw, "pretrain_seed": run.seed}
            what = {"input": "(N, 1, 28, 28) floats, ink is 1", "output": "logits (N, 10)"}
            files.write_json(kept.with_suffix(".json"), {**about, **what, "inputs": run.job.inputs})


def confusions(findings: Findings) -> pd.DataFrame:
    """Mean counts among 10,000 test images: method, true, predicted, count, sd (between draws)."""
    rows = []
    for method in findings.methods:
        counts = findings.counts(method)  # (draws, 10, 10)
        sd = counts.std(0, ddof=1) if len(counts) > 1 else counts[0] * float("nan")
        mean = counts.mean(0)
        rows += [
            (method, i, j, mean[i, j], sd[i, j]) for i in range(len(mean)) for j in range(len(mean))
        ]
    return pd.DataFrame(rows, columns=["method", "true", "predicted", "count", "sd"])


def _front(study: Study) -> dict[str, str]:
    """Title, subtitle, date and a note on what this build is."""
    common, dataset = study.params["common"], study.dataset
    built = f"Built with profile “{study.profile}”, variant “{study.variant}”"
    return {
        "title": f"How well can {dataset.things} be classified with {max(common.n_labels)} labels?",
        "subtitle": f"Contrastive pre-training (SimCLR) against supervised training on {dataset.name}",
        "date": provenance.last_change()[0],
        "note": "" if study.is_committed else built,
        "author": AUTHOR,
    }


def _write_csv(file: Path, table: pd.DataFrame) -> None:
    with files.write_atomically(file) as temporary:
        table.to_csv(temporary, index=False)
