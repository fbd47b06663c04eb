"""Exports the executed notebooks of a run as one HTML page and one PDF.

executed notebooks -> one Markdown -> pandoc + report.lua -> HTML, or Typst -> PDF

`simclr.display` leaves figures, tables and prose in a form that nbformat reads as it is, so
nbconvert is not in the way. Numbers and references are made in report_assets/report.lua, once for
both outputs.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import nbformat
import pypandoc
import typst

from simclr import paths
from simclr.errors import UserError
from simclr.files import write_atomically
from simclr.params import DATASET_NAMES, STAGES, THINGS

ASSETS = Path(__file__).with_name("report_assets")
BIBLIOGRAPHY = paths.NOTEBOOKS / "references.bib"
FILES = re.compile(r"^\*Reads\*(.|\n(?!\n))*", re.M)  # a paragraph for those who run the notebook
NOTEBOOK_LINK = re.compile(r"\[\d\d_(\w+)\]\(\d\d_\1\.ipynb\)")  # a section of the report
SCREEN = 1.2 * 4 / 3  # CSS pixels for a point of a figure: 8 pt letters are read on a screen too


@dataclass
class Report:
    """The content of a report: Markdown, its figures (label -> SVG) and its title block."""

    markdown: str = ""
    figures: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)


def find_notebooks(profile: str, variant: str, runs: Path = paths.RUNS) -> list[Path]:
    """The executed notebooks, one for each stage; one missing is a UserError."""
    books = []
    for source in sorted(paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        stage = source.stem[3:]
        if stage not in STAGES:  # somebody's copy of a notebook
            continue
        books.append(runs / profile / variant / stage / source.name)
        if not books[-1].is_file():
            choice = [f"PROFILE={profile}"] if profile != "full" else []
            choice += [f"VARIANT={variant}"] if variant != "source" else []
            raise UserError(f"{books[-1]}: not built; run `{' '.join(['make', stage, *choice])}`")
    return books


def collect(books: list[Path], **metadata: str) -> Report:
    """Put the notebooks together as one report.

    Args:
        books: executed notebooks in order; `front` cells of the last one open the report.
        metadata: title, subtitle, date, note, author; they go before those in the last notebook's
            metadata under "simclr", and those before the defaults.

    Raises:
        UserError: a cell failed, or a figure has no size; names the notebook.
    """
    report, front, body = Report(), [], []
    for file in books:
        book = nbformat.read(file, as_version=4)
        all_tags = [cell.metadata.get("tags", []) for cell in book.cells]
        # the defaults say nothing once papermill has put the values used below them
        hidden = {"remove-cell"} | (
            {"parameters"} if ["injected-parameters"] in all_tags else set()
        )
        for cell, tags in zip(book.cells, all_tags, strict=True):
            if not hidden & set(tags):
                chosen = front if "front" in tags and file == books[-1] else body
                chosen += _cell(cell, tags, file, report)
    references = "# References {.unnumbered}\n\n::: {#refs}\n:::\n"
    report.markdown = "\n\n".join([*front, *body, references])
    report.metadata = _defaults(books) | book.metadata.get("simclr", {}) | metadata
    return report


def write_html(report: Report, file: Path) -> None:
    """Write the report as one self-contained page.

    Raises:
        UserError: a reference that leads nowhere, an unknown citation, a label used twice.
    """
    with tempfile.TemporaryDirectory() as folder:
        text = _pandoc(report, Path(folder), "html5", "--mathml", "--embed-resources", "--toc")
    with write_atomically(file) as temporary:
        temporary.write_text(text)
    _write_figures(report, file.parent)


def write_pdf(report: Report, file: Path) -> None:
    """Write the report as a PDF, the same byte for byte as long as the content is the same."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "report.typ")
        text = _pandoc(report, source.parent, "typst-citations", "--syntax-highlighting=none")
        source.write_bytes(text.encode())
        fixed = {"ignore_system_fonts": True, "timestamp": _last_change()[1]}  # same everywhere
        try:
            pdf = typst.compile(source, root=folder, **fixed)
        except typst.TypstError as error:
            raise UserError(f"{file.name}: Typst: {error}") from None
    with write_atomically(file) as temporary:
        temporary.write_bytes(pdf)
    _write_figures(report, file.parent)


def _cell(cell: nbformat.NotebookNode, tags: list[str], file: Path, report: Report) -> list[str]:
    """The Markdown pieces of one cell; its figures go into `report`."""
    if cell.cell_type != "code":
        linked = NOTEBOOK_LINK.sub(r"@sec-\1", FILES.sub("", cell.source))
        return [linked] if cell.cell_type == "markdown" else []
    pieces = []
    if cell.source.strip() and "remove-input" not in tags:
        kind = " .parameters" if {"parameters", "injected-parameters"} & set(tags) else ""
        fence = "~" * (3 + max(map(len, re.findall("~+", cell.source)), default=0))
        code = f"{fence} python\n{cell.source.strip()}\n{fence}"
        pieces.append(f":::::: {{.code{kind}}}\n{code}\n::::::")
    for output in cell.outputs:
        if output.output_type == "error":
            raise UserError(f"{file}: a cell failed: {output.ename}: {output.evalue}")
        ours = output.get("metadata", {}).get("simclr", {})
        data, kind = output.get("data", {}), ours.get("kind")
        if kind == "prose":
            pieces.append(data["text/markdown"])
        elif kind in ("figure", "table"):
            caption = f"::: caption\n{ours['caption']}\n:::"
            head, content = f"#{ours['label']} .{kind}", data.get("text/markdown", "")
            if kind == "figure":
                svg = data["image/svg+xml"]
                report.figures[ours["label"]] = svg
                head += _size(svg, file) + f" src=figures/{ours['label']}.svg"
                head += " .photo" if ours.get("photo") else ""
            pieces.append(f":::::: {{{head}}}\n{content}\n\n{caption}\n::::::")
    return pieces


def _size(svg: str, file: Path) -> str:
    """A figure's size as attributes, from its own in points."""
    size = re.search(r'<svg[^>]*? width="([\d.]+)pt" height="([\d.]+)pt"', svg)
    if not size:
        raise UserError(f"{file}: a figure without width and height in points")
    width, height = float(size[1]), float(size[2])
    css = f'css-width="{width * SCREEN:.0f}" css-height="{height * SCREEN:.0f}"'
    return f' width="{width:.2f}" {css}'


def _pandoc(report: Report, folder: Path, to: str, *options: str) -> str:
    """Run pandoc in `folder`, with the figures beside it; any warning is an error."""
    _write_figures(report, folder)
    fixed = {"lang": "en", "bibliography": str(BIBLIOGRAPHY), "link-citations": True}
    Path(folder, "metadata.json").write_text(json.dumps(report.metadata | fixed))
    template = ASSETS / ("report.html" if to == "html5" else "report.typst")
    command = [
        pypandoc.get_pandoc_path(),
        *("--from=markdown", f"--to={to}", "--standalone", "--fail-if-warnings", "--wrap=none"),
        *(f"--template={template}", f"--lua-filter={ASSETS / 'report.lua'}", "--toc-depth=2"),
        *("--metadata-file=metadata.json", f"--resource-path=.{os.pathsep}{ASSETS}", *options),
    ]
    text = report.markdown.encode()
    done = subprocess.run(command, input=text, capture_output=True, cwd=folder, check=False)
    if done.returncode:
        raise UserError(f"report: {done.stderr.decode().strip()}")
    return done.stdout.decode()


def _defaults(books: list[Path]) -> dict[str, str]:
    """Title and subtitle from what the notebooks were run with."""
    used: dict = {}
    for file in books:
        used |= (
            nbformat.read(file, as_version=4).metadata.get("papermill", {}).get("parameters", {})
        )
    dataset, labels = used.get("dataset", "mnist"), max(used.get("n_labels", [100]))
    name = DATASET_NAMES.get(dataset, dataset)
    things = THINGS.get(dataset, f"{name} images")
    title = f"How well can {things} be classified with {labels} labels?"
    subtitle = f"Contrastive pre-training (SimCLR) against supervised training on {name}"
    return {"title": title, "subtitle": subtitle, "date": _last_change()[0]}


def _last_change() -> tuple[str, int]:
    """When what the report is made of was last committed, as a date and in seconds since 1970.

    Not today's date: the same sources give the same bytes. ("", 0) where there is no git history.
    """
    git = ["git", "log", "-1", "--format=%cs %ct", "--", "lib", "notebooks", "params"]
    try:
        found = subprocess.run(git, cwd=paths.ROOT, capture_output=True, text=True, check=False)
        day, seconds = found.stdout.split()
    except (FileNotFoundError, ValueError):
        return "", 0
    day = date.fromisoformat(day)
    return f"{day.day} {day:%B %Y}", int(seconds)


def _write_figures(report: Report, folder: Path) -> None:
    """Write figures/<label>.svg, and remove those of figures that the report no longer has."""
    for label, svg in report.figures.items():
        with write_atomically(folder / "figures" / f"{label}.svg") as temporary:
            temporary.write_text(svg)
    for old in folder.glob("figures/fig-*.svg"):
        if old.stem not in report.figures:
            old.unlink(missing_ok=True)


def main(arguments: list[str] | None = None) -> None:
    """`python -m simclr.report html|pdf --profile P --variant V [--runs DIR]`"""
    parser = argparse.ArgumentParser(prog="python -m simclr.report", description=__doc__)
    parser.add_argument("kind", choices=["html", "pdf"])
    parser.add_argument("--profile", default="full")
    parser.add_argument("--variant", default="source")
    parser.add_argument("--runs", default="runs", help="a folder of the project")
    chosen = parser.parse_args(arguments)
    where = (chosen.profile, chosen.variant, paths.ROOT / chosen.runs)
    named = [("profile", chosen.profile, "full"), ("variant", chosen.variant, "source")]
    note = ", ".join(f"{name} “{value}”" for name, value, usual in named if value != usual)
    try:
        report = collect(find_notebooks(*where), note=note and f"Built with {note}")
        file = paths.report_folder(*where) / f"report.{chosen.kind}"
        {"html": write_html, "pdf": write_pdf}[chosen.kind](report, file)
    except (UserError, OSError) as error:  # a full disk, a folder that may not be written
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(f"{file}  {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
