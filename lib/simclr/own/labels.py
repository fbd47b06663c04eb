"""The labels of one's own images: which images to label, and the file that people write them into."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

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


def choose(
    components: np.ndarray, cosines: np.ndarray, many: int, labelled: np.ndarray, seed: int
) -> np.ndarray:
    """The most typical images of the largest clusters without a labelled one (TypiClust).

    There are as many clusters as labels in the end; with none labelled yet this is `choose.typical`.

    Args:
        components: (n, D) of the features, which are clustered by k-means.
        cosines: (n, k) to the nearest neighbours; their mean says how typical an image is.
        many: how many images to choose.
        labelled: rows that are labelled already.
        seed: of k-means.

    Returns:
        Rows (many,), those of the largest clusters first.
    """
    n = min(many + len(labelled), len(components))
    clusters = KMeans(n, n_init=1, max_iter=50, random_state=seed).fit(components).labels_
    density, sizes = cosines.mean(1), np.bincount(clusters, minlength=n)
    sizes[clusters[labelled]] = 0  # somebody has looked there
    found = []
    for cluster in np.argsort(-sizes, kind="stable")[:many]:
        mine = np.setdiff1d(np.flatnonzero(clusters == cluster), labelled)
        if len(mine):
            found.append(mine[density[mine].argmax()])
    return np.array(found, int)


def read(file: Path, places: Mapping[str, int], known: list[str]) -> Labels:
    """Read and check labels.csv.

    Args:
        places: the row of each image of the collection, by its name.
        known: the classes that labels may have; empty takes those of the file.

    Raises:
        UserError: a line for each mistake, with the way out.
    """
    table = read_table(file)
    table["label"] = table["label"].str.strip()
    wrong = [
        f"{file.name}, line {line}: {name!r} is no image of this collection"
        for line, name in zip(table.index + 2, table.file, strict=True)
        if name not in places
    ]
    filled = table[table.label != ""]
    for name, labels in filled.groupby("file").label:
        if labels.nunique() > 1:
            wrong.append(f"{file.name}: {name} has two labels: {', '.join(labels.unique())}")
    filled = filled.drop_duplicates("file")
    counts = filled.label.value_counts()
    for label in counts.index if known else ():
        if label not in known:
            near = difflib.get_close_matches(label, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            wrong.append(f"{file.name}: class {label!r} is not in own.classes{hint}")
    if not 2 <= len(counts) <= MOST_CLASSES and not wrong:
        wrong.append(
            f"{file}: {len(filled)} labels of {len(counts)} classes; 2 to {MOST_CLASSES} classes are "
            "needed. Fill in the column label, in label.html or with any editor"
        )
    if wrong:
        more = [f"and {len(wrong) - 10} more"] * (len(wrong) > 10)
        raise UserError("\n".join(wrong[:10] + more))
    classes = sorted(counts.index)
    notes = []
    for label in (c for c in classes if counts[c] == 1):
        near = difflib.get_close_matches(label, [c for c in classes if c != label], 1, 0.8)
        hint = f"; is it a slip for {near[0]}?" if near else ""
        notes.append(f"Class {label} has one label only{hint}")
    rows = np.array([places[name] for name in filled.file])
    given = np.searchsorted(classes, filled.label.to_numpy(str))
    return Labels(rows, given, classes, int((table.label == "").sum()), notes)


def read_table(file: Path) -> pd.DataFrame:
    """labels.csv as text: columns file and label."""
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{files.shown(file)}: no such file; `make choose` writes it") from None
    except (ValueError, UnicodeDecodeError) as error:  # pandas' errors are ValueErrors
        raise UserError(f"{files.shown(file)}: not a table: {error}") from None
    if not set(COLUMNS) <= set(table.columns):
        raise UserError(
            f"{files.shown(file)}: columns {', '.join(table.columns)}; file and label are needed"
        )
    return table[COLUMNS]


def write_table(file: Path, table: pd.DataFrame) -> None:
    """Write labels.csv, whole or not at all."""
    with files.write_atomically(file) as temporary:
        table.to_csv(temporary, index=False)
