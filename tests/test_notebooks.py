"""The notebooks as they are committed: stripped, short cells, the same three parameters, whole references."""

import re

import nbformat
import pytest

from simclr import files

BOOKS = {p.stem: nbformat.read(p, as_version=4) for p in sorted(files.NOTEBOOKS.glob("*.ipynb"))}
TEXT = "\n".join(cell.source for book in BOOKS.values() for cell in book.cells)


@pytest.mark.parametrize("name", BOOKS)
def test_it_opens_with_its_question_and_the_three_parameters(name: str):
    title, parameters = BOOKS[name].cells[:2]
    assert title.source.startswith("# ") and "**Question.**" in title.source
    assert parameters.metadata["tags"] == ["parameters"]
    assert re.findall(r"^(\w+) =", parameters.source, re.M) == ["profile", "variant", "changes"]


@pytest.mark.parametrize("name", BOOKS)
def test_it_is_stripped_and_holds_no_machinery(name: str):
    for cell in BOOKS[name].cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None
            assert not re.search(r"^(def|class) ", cell.source, re.M)
            prose = "prose(" in cell.source
            assert prose or len(cell.source.splitlines()) <= 20


def test_every_reference_and_citation_leads_somewhere():
    defined = set(re.findall(r"\{#([\w-]+)", TEXT)) | set(
        re.findall(r'"((?:fig|tbl)-[\w-]+)"', TEXT)
    )
    used = set(re.findall(r"@((?:fig|tbl|sec|eq)-[\w-]+)", TEXT))
    assert used <= defined
    cited = set(re.findall(r"@([a-z]+\d{4}\w*)", TEXT))
    known = (files.NOTEBOOKS / "references.bib").read_text()
    assert cited and all(f"{{{key}," in known for key in cited)


def test_text_that_is_not_filled_in_names_no_number():
    cells = [cell for book in BOOKS.values() for cell in book.cells]
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    assert not re.findall(r"\{\w+:[^}\s]+\}", "\n".join(texts))  # as {probe:.1%}
