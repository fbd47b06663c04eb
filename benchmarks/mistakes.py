"""Mistakes in what a user gives, and whether each is answered by a line that names it. For `make torture`."""

import gzip
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simclr import fetch, idx
from simclr.errors import UserError
from simclr.experiment.study import Study

if TYPE_CHECKING:
    from torture import Place

BAD = {
    "common": {
        "dataset": ["letters", 3], "draws": [[], [1, 0], [0, 0], ["0"], [-1]], "n_labels": [[15], [0]],
        "test_images": [10, 20_000], "probe_l2": [0, "much"], "device": ["gpu"], "precision": ["fp16"],
        "data_dir": ["/nowhere"],
    },
    "pretrain": {
        "epochs": [0, -1, 10**12, "20", 2.5], "batch_size": [1, 10**6], "temperature": [0, -1, float("nan")],
        "learning_rate": [0, 2, float("inf")], "seeds": [[], [1, 1]], "crop_scale": [0, 1.5], "blur": [9],
        "warmup_epochs": [99], "rotation": [-5], "unlabelled_images": [60_000],
    },
    "baseline": {"steps": [0], "dropout_conv": [1], "nonsense": [1]},
    "nowhere": {"steps": [1]},
}  # fmt: skip


def bad_input() -> str:
    """Impossible values, one at a time."""
    cases, wrong = [(s, name, v) for s, names in BAD.items() for name in names for v in names[name]], 0
    for section, name, value in cases:
        named = section if section == "nowhere" else name
        changes = {section: {name: value}}
        wrong += not refused(lambda changes=changes: Study("smoke", changes=changes).data, named)
    return f"{verdict(wrong)} {len(cases)} values"


VARIANTS = {
    "no YAML": "pretrain: {epochs: 2\n", "a tab": "pretrain:\n\tepochs: 2\n", "a list": "- pretrain\n",
    "a word": "pretrain\n", "no such section": "pretraining: {epochs: 2}\n", "no value": "pretrain:\n",
    "no such name": "pretrain: {epoch: 2}\n", "a text": "pretrain: {epochs: two}\n",
    "too much": "spread: {neighbours: 100000}\n", "wrong together": "pretrain: {warmup_epochs: 50}\n",
}  # fmt: skip


def bad_variants(place: "Place") -> str:
    """Files of params/variants with a mistake, one at a time, by the command line."""
    file, wrong = place.folder / "params/variants/bad.yaml", 0
    for mistake, text in VARIANTS.items():
        file.write_text(text)
        process = place.start("--variant", "bad")
        _, errors = process.communicate()
        fine = process.returncode == 2 and is_one_line(errors) and "bad.yaml" in errors
        if not fine:
            print(f"{mistake}: {errors}", file=sys.stderr)
        wrong += not fine
    file.unlink()
    return f"{verdict(wrong)} {len(VARIANTS)} files"


def bad_folders() -> str:
    """Folders that hold no data set as it should be: each is refused, and the file is named."""

    def cut(file: Path) -> None:
        file.write_bytes(file.read_bytes()[:-100])

    def alter(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[-1] = 99
        file.write_bytes(content)

    def swap(file: Path) -> None:
        file.write_bytes(file.with_name(idx.FILES["train_images"][0]).read_bytes())

    def archive(file: Path) -> None:
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes())[:-20])
        file.unlink()

    damages = {
        "missing": Path.unlink, "cut": cut, "empty": lambda file: file.write_bytes(b""), "swapped": swap,
        "a label of 99": alter, "a cut archive": archive,
        "a folder": lambda file: (file.unlink(), file.mkdir()), "text": lambda file: file.write_text("1,2,3"),
    }  # fmt: skip
    wrong, named = 0, idx.FILES["train_labels"][0]
    for damage, hurt in damages.items():
        with tempfile.TemporaryDirectory() as folder:
            for file, shape in idx.FILES.values():
                Path(folder, file).write_bytes(idx.header(shape) + bytes(int(np.prod(shape))))
            fetch.from_folder(fetch.DATASETS["kmnist"], Path(folder))  # as it is now, it is accepted
            hurt(Path(folder, named))
            fine = refused(
                lambda folder=folder: fetch.from_folder(fetch.DATASETS["kmnist"], Path(folder)), named
            )
        if not fine:
            print(f"a data folder, {damage}: not refused by name", file=sys.stderr)
        wrong += not fine
    return f"{verdict(wrong)} {len(damages)} folders"


def refused(action, named: str) -> bool:
    """Whether `action` ends with an error that names the thing, in a line."""
    try:
        action()
    except UserError as error:
        return "\n" not in str(error) and (Path(named).name in str(error) or named in str(error))
    except Exception:
        traceback.print_exc()
    return False


def is_one_line(errors: str) -> bool:
    return "Traceback" not in errors and len(errors.strip().splitlines()) == 1


def verdict(wrong: int) -> str:
    return f"**{wrong} wrong**," if wrong else "as it should be:"
