"""The notebooks as they are committed: stripped, short cells, the same three parameters, whole references."""

import ast
import re

import nbformat
import pytest

from simclr import files

BOOKS = {p.stem: nbformat.read(p, as_version=4) for p in sorted(files.NOTEBOOKS.glob("*.ipynb"))}


@pytest.mark.parametrize("name", BOOKS)
def test_it_opens_with_its_question_and_the_three_parameters(name: str):
    title, parameters = BOOKS[name].cells[:2]
    assert title.source.startswith("# ") and "**Question.**" in title.source
    assert parameters.metadata["tags"] == ["parameters"]
    assert re.findall(r"^(\w+) =", parameters.source, re.M) == ["profile", "variant", "changes"]


def test_what_is_shown_only_sometimes_is_referred_to_only_sometimes():
    """Else the report of a build that does not show it has a reference that leads nowhere."""
    always, sometimes = [], []
    for cell in (cell for book in BOOKS.values() for cell in book.cells):
        if cell.cell_type == "markdown":
            always.append(cell.source)
        else:
            for node in ast.parse(cell.source).body:
                (sometimes if isinstance(node, ast.If) else always).append(ast.unparse(node))
    labels = re.findall(r"'((?:fig|tbl)-[\w-]+)'", "\n".join(sometimes))
    assert labels and not [label for label in labels if f"@{label}" in "\n".join(always)]


def test_text_that_is_not_filled_in_names_no_number():
    cells = [cell for book in BOOKS.values() for cell in book.cells]
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    assert not re.findall(r"\{\w+:[^}\s]+\}", "\n".join(texts))  # as {probe:.1%}
