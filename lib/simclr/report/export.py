"""Exports executed notebooks as one HTML page and one PDF.

executed notebooks -> one Markdown -> pandoc + report.lua -> HTML, or Typst -> PDF

`report.show` leaves Markdown and SVG in the outputs and all others are dropped, so nbconvert would
save nothing. Numbers and references are made in assets/report.lua, once for both outputs.
"""

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import nbformat
import pypandoc
import typst

from simclr import files
from simclr.errors import UserError
from simclr.report import inline
from simclr.report.show import NARROW, fenced

ASSETS = Path(__file__).with_name("assets")
BIBLIOGRAPHY = files.NOTEBOOKS / "references.bib"
FILES = re.compile(r"^\*Reads\*(.|\n(?!\n))*", re.M)  # a paragraph for those who run the notebook
NOTEBOOK_LINK = re.compile(r"\[\d\d_(\w+)\]\(\d\d_\1\.ipynb\)")  # a section of the report
FONTS = Path(matplotlib.get_data_path(), "fonts", "ttf")  # STIX, as in the figures
FURTHER = "# Further figures and tables {#sec-further .appendix}"
HIDDEN = {"remove-cell", "parameters", "injected-parameters"}  # tags of cells that stay out
APPENDIX = re.compile(r"# .*\.appendix")  # the heading of one
FIGURE = re.compile("<!--(fig-[a-z0-9-]+)-->")  # where assets/report.lua leaves room for one
REFERENCES = "# References {.unnumbered}\n\n::: {#refs}\n:::\n"


@dataclass
class Report:
    """The content of a report: Markdown, its figures and its title block.

    Attributes:
        figures: label -> SVG, and the narrow SVG for phones where there is one.
    """

    markdown: str = ""
    figures: dict[str, list[str]] = field(default_factory=dict)
    metadata: dict[str, object] = field(default_factory=dict)


def collect(books: list[Path], **metadata) -> Report:
    """Put the notebooks together as one report.

    Args:
        books: executed notebooks in order; `front` cells of the last one open the report, and `appendix`
            cells of all come at its end. The references stand before the first appendix.
        metadata: title, subtitle, date, note, author, and what lies beside the page.
    """
    report, front, body, further = Report(metadata=metadata), [], [], []
    for file in books:
        for cell in nbformat.read(file, as_version=4).cells:
            tags = set(cell.metadata.get("tags", []))
            if not tags & HIDDEN:
                chosen = front if "front" in tags and file == books[-1] else body
                chosen = further if "appendix" in tags else chosen
                chosen += _cell(cell, tags, report)
    further = [FURTHER, *further] if further else []
    appendices = next((i for i, piece in enumerate(body) if APPENDIX.match(piece)), len(body))
    report.markdown = "\n\n".join([*front, *body[:appendices], REFERENCES, *body[appendices:], *further])
    return report


def write_html(report: Report, file: Path, playground: str = "") -> None:
    """Write the report as one self-contained page.

    Args:
        playground: what `playground.content` gives, for readers to classify digits on the page.

    Raises:
        UserError: a reference that leads nowhere, an unknown citation, a label used twice.
    """
    text = _pandoc(report, file.parent, "html5", "--mathml", "--embed-resources", "--toc")
    text = FIGURE.sub(lambda found: inline.figure(found[1], *report.figures[found[1]]), text)
    data = f'<script id="playground-data" type="application/json">{playground}</script>'
    text = text.replace("<!--playground-->", data if playground else "")
    files.write(file, text)


def write_pdf(report: Report, file: Path, timestamp: int) -> None:
    """Write the report as an accessible PDF (PDF/UA-1), byte for byte the same for the same content.

    Args:
        timestamp: when it says that it was made, in seconds since 1970.
    """
    source = _pandoc(report, file.parent, "typst-citations", "--syntax-highlighting=none")
    same_everywhere = {"ignore_system_fonts": True, "font_paths": [FONTS], "timestamp": timestamp}
    try:
        pdf = typst.compile(source.encode(), root=file.parent, pdf_standards=["ua-1"], **same_everywhere)
    except typst.TypstError as error:
        raise UserError(f"{file.name}: Typst: {error}") from None
    files.write(file, pdf)


def _cell(cell: nbformat.NotebookNode, tags: set[str], report: Report) -> list[str]:
    """The Markdown pieces of one cell; its figures go into `report`."""
    if cell.cell_type == "markdown":
        return [_held_together(NOTEBOOK_LINK.sub(r"@sec-\1", FILES.sub("", cell.source)))]
    pieces = []
    if cell.cell_type == "code" and cell.source.strip() and "remove-input" not in tags:
        pieces.append(_div(".code summary=Code", fenced(cell.source)))
    for output in cell.get("outputs", []):
        pieces += _output(output.get("data", {}), output.get("metadata", {}), report)
    return pieces


def _output(data: dict[str, str], metadata: dict, report: Report) -> list[str]:
    """The Markdown of one output, if `show` made it for the report."""
    ours, text = metadata.get("simclr", {}), data.get("text/markdown", "")
    match ours.get("kind"):
        case "prose":
            return [_held_together(text)]
        case "different":
            return [_div(".different", ours["note"])]
        case "source":
            return [_div(f'.code summary="{ours["name"]}"', text)]
        case "figure" | "table" as kind:
            head = f"#{ours['label']} .{kind}"
            if kind == "figure":
                forms = (data.get(kind) for kind in ("image/svg+xml", NARROW))
                report.figures[ours["label"]] = [svg for svg in forms if svg]
                head += f" src=figures/{ours['label']}.svg width={ours['width']:.2f}"
                head += " .photo" if ours["photo"] else ""
            return [_div(head, f"{_div('.caption', ours['caption'])}\n\n{text}")]
    return []


def _held_together(text: str) -> str:
    """A mean and its deviation stay on one line."""
    return text.replace(" ± ", "\u00a0±\u00a0")


def _div(head: str, content: str) -> str:
    return f"::: {{{head}}}\n{content}\n:::"


def _pandoc(report: Report, folder: Path, to: str, *options: str) -> str:
    """Run pandoc where the figures are put beside the report; any warning is an error."""
    _write_figures(report, folder)
    head = {"lang": "en", "bibliography": str(BIBLIOGRAPHY), "link-citations": True}
    text = f"---\n{json.dumps(report.metadata | head, ensure_ascii=False)}\n---\n\n{report.markdown}"
    template, depth = ("report.html", 3) if to == "html5" else ("report.typst", 2)
    command = [pypandoc.get_pandoc_path(), f"--to={to}", f"--toc-depth={depth}", *options]
    command += ["--from=markdown", "--standalone", "--fail-if-warnings", "--wrap=none"]
    command += [f"--template={ASSETS / template}", f"--lua-filter={ASSETS / 'report.lua'}"]
    command += [f"--resource-path=.{os.pathsep}{ASSETS}"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, cwd=folder)
    if done.returncode:
        raise UserError(f"report: {done.stderr.decode().strip()}")
    return done.stdout.decode()


def _write_figures(report: Report, folder: Path) -> None:
    """Write figures/<label>.svg, and remove those of figures that the report no longer has."""
    folder.mkdir(parents=True, exist_ok=True)
    for label, (svg, *_) in report.figures.items():
        files.write(folder / "figures" / f"{label}.svg", svg)
    for old in folder.glob("figures/fig-*.svg"):
        if old.stem not in report.figures:
            old.unlink(missing_ok=True)
