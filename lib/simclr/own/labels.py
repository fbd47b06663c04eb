"""The labels of one's own images: which images to label, and the file that people write them into."""

import csv
import difflib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from simclr import files
from simclr.errors import UserError

MOST_CLASSES = 1000
COLUMNS = ["file", "label"]


@dataclass(frozen=True)
class Labels:
    """What a person has labelled so far.

    Attributes:
        rows: (n,) images of the collection that carry a label.
        given: (n,) their classes, as places in `classes`.
        classes: the names, sorted.
        empty: how many chosen images have no label yet.
        notes: what looks like a slip, a sentence each.
    """

    rows: np.ndarray
    given: np.ndarray
    classes: list[str]
    empty: int
    notes: list[str]


def read(file: Path, places: Mapping[str, int]) -> Labels:
    """Read and check labels.csv.

    Args:
        places: the row of each image of the collection, by its name.

    Raises:
        UserError: a line for each mistake, with the way out.
    """
    table = read_table(file)
    table["row"], table["label"] = rows(table, places, file), table.label.str.strip()
    filled, wrong = table[table.label != ""], []
    for _, group in filled.groupby("row"):
        if group.label.nunique() > 1:
            both = " and ".join(f"{each.file} is {each.label}" for each in group.itertuples())
            wrong.append(f"{files.shown(file)}: one image has two labels: {both}; keep one")
    filled = filled.drop_duplicates("row")
    counts = filled.label.value_counts()
    if not 2 <= len(counts) <= MOST_CLASSES and not wrong:
        wrong.append(
            f"{files.shown(file)}: {len(filled)} labels of {len(counts)} classes; 2 to "
            f"{MOST_CLASSES} classes are needed. Label by `make label`, or with any editor"
        )
    if wrong:
        raise UserError("\n".join(wrong[:10] + [f"and {len(wrong) - 10} more"] * (len(wrong) > 10)))
    classes, notes = sorted(counts.index), []
    for label in (c for c in classes if counts[c] == 1):
        near = difflib.get_close_matches(label, [c for c in classes if c != label], 1, 0.8)
        hint = f"; is it a slip for {near[0]}?" if near else ""
        notes.append(f"Class {label} has one label only{hint}")
    given = np.searchsorted(classes, filled.label.to_numpy(str))
    return Labels(filled.row.to_numpy(), given, classes, int((table.label == "").sum()), notes)


def rows(table: pd.DataFrame, places: Mapping[str, int], file: Path) -> np.ndarray:
    """The rows of a table's images in the collection.

    Raises:
        UserError: some are not there; names the first three.
    """
    unknown = [
        f"{files.shown(file)}, line {line}: {name!r} is no image of this collection"
        for line, name in table.file.items()
        if name not in places
    ]
    if unknown:
        more = f" ({len(unknown)} such lines)" if len(unknown) > 3 else ""
        raise UserError(
            "\n".join(unknown[:3]) + f"{more}; remove the line, or bring back an image that can be read"
        )
    return np.array([places[name] for name in table.file], int)


def read_table(file: Path) -> pd.DataFrame:
    """labels.csv as text, with its line numbers as the index: columns file, label and any others.

    Raises:
        UserError: it is missing, or no table with these columns; names the line.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{files.shown(file)}: no such file; `make choose` writes it") from None
    except UnicodeDecodeError:
        raise UserError(f"{files.shown(file)}: not UTF-8; save it as CSV in UTF-8") from None
    first = text.split("\n", 1)[0]
    lines = csv.reader(io.StringIO(text), delimiter=";" if ";" in first else ",")
    try:
        head, *found = [(lines.line_num, line) for line in lines if line] or [(1, [])]
    except csv.Error as error:  # a quote that is never closed makes one field of all that follows
        raise UserError(
            f"{files.shown(file)}, line {lines.line_num}: {error}; is a quote left open?"
        ) from None
    if not set(COLUMNS) <= set(head[1]):
        raise UserError(f"{files.shown(file)}: begins with {first!r}; file,label is needed")
    for number, line in found:
        if len(line) != len(head[1]):
            raise UserError(
                f"{files.shown(file)}, line {number}: {len(line)} fields, where the first line has "
                f'{len(head[1])}; a name with a comma stands in quotes: "a, b"'
            )
    return pd.DataFrame([line for _, line in found], [number for number, _ in found], head[1], dtype=object)
