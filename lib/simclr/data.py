"""Datasets as tensors, the label draws, and the checked cache of both under data/."""

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch

from simclr import fetch, params, paths
from simclr.errors import UserError
from simclr.files import locked

DATASETS = ("mnist", "fashion-mnist", "kmnist")  # a place in it seeds the draws: only append
POOL = 50_000  # training images 0..49,999 are the pool, 50,000..59,999 the validation set
LABELLED = 100  # images of draw 0, which pre-training leaves out
CLASSES = 10

_SPLITS = {
    "pool": ("train", slice(0, POOL)),
    "validation": ("train", slice(POOL, None)),
    "test": ("test", slice(None)),
}
_UNLABELLED = {True: "unlabelled_balanced", False: "unlabelled_random"}
_FILES = {f"{name}.npy" for name in (*fetch.FILES, *_UNLABELLED.values())}
_CHECKSUMS = "checksums.json"


def prepare(dataset: str, data_dir: str = "", root: Path = paths.DATA) -> Path:
    """Make sure that the checked cache of `dataset` is there; quick if it is.

    Args:
        dataset: one of `DATASETS`.
        data_dir: a folder with the four IDX files (.gz or not), relative to the project's root;
            if empty they are downloaded.
        root: the folder to keep caches in.

    Returns:
        The cache folder, for `images`, `labels` and `unlabelled`. It is written beside its place
        and renamed, so one that is there is whole, whatever was interrupted.

    Raises:
        UserError: unknown dataset; files missing, truncated, swapped or altered; no source.
    """
    if dataset not in DATASETS:
        raise UserError(f"dataset: {dataset!r} is not one of {', '.join(DATASETS)}")
    found, folder = None, root / dataset
    if data_dir:
        found = fetch.fetch(dataset, data_dir)
        folder = root / f"{dataset}-{_short_hash(found[0])}"
    try:
        if is_whole(folder):
            return folder
        root.mkdir(parents=True, exist_ok=True)
        with locked(root / f".{dataset}.lock"):  # a second process waits, then finds it done
            if not is_whole(folder):
                _write(folder, dataset, *(found or fetch.fetch(dataset)))
    except OSError as error:
        raise UserError(f"dataset {dataset}: cannot be kept in {root}: {error}") from None
    return folder


def is_whole(folder: Path) -> bool:
    """Whether a cache is complete, with every file as it was written, byte for byte (40 ms)."""
    try:
        files = json.loads((folder / _CHECKSUMS).read_text())["files"]
        return set(files) == _FILES and all(_sha256(folder / name) == files[name] for name in files)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def images(folder: Path, split: str, device: str | torch.device = "cpu") -> torch.Tensor:
    """Images of a split, uint8 (N, 28, 28), 0 is background; reads no label.

    Args:
        split: `pool` (50,000), `validation` (10,000) or `test` (10,000).
    """
    part, rows = _SPLITS[split]
    return torch.from_numpy(np.load(folder / f"{part}_images.npy")[rows]).to(device)


def labels(folder: Path, split: str, device: str | torch.device = "cpu") -> torch.Tensor:
    """Labels of a split, int64 (N,), 0 to 9, in the order of `images`."""
    part, rows = _SPLITS[split]
    return torch.from_numpy(np.load(folder / f"{part}_labels.npy")[rows]).long().to(device)


def unlabelled(folder: Path, balanced: bool = True) -> torch.Tensor:
    """Pool indices of the images that are not in draw 0, int64 (49900,); reads no label."""
    return torch.from_numpy(np.load(folder / f"{_UNLABELLED[balanced]}.npy"))


def draw(
    pool_labels: np.ndarray | torch.Tensor,
    dataset: str,
    k: int,
    size: int = LABELLED,
    balanced: bool = True,
) -> np.ndarray:
    """Draw k: which images of the pool are labelled, a pure function of (dataset, k).

    Draws nest: a smaller one is the beginning of a larger one. A balanced draw is made of blocks of
    ten images, one of each class in random order, so every prefix of 10·m has m of each class.

    Args:
        pool_labels: labels of the pool, int (50000,), in memory of the CPU.
        size: 10 to 1,000 images; a multiple of 10 if balanced.

    Returns:
        Pool indices, int64 (size,), without repeats.

    Raises:
        UserError: a size that cannot be had.
    """
    if not 1 <= size <= 1000 or (balanced and size % CLASSES):
        allowed = "10, 20, … 1000" if balanced else "1 to 1000"
        raise UserError(f"size of a draw: {size}; allowed: {allowed}")
    pool_labels = np.asarray(pool_labels)
    # A later NumPy might permute otherwise; a test pins what this gives.
    rng = np.random.Generator(np.random.PCG64([DATASETS.index(dataset), k, int(balanced)]))
    shuffled = rng.permutation(len(pool_labels))
    if not balanced:
        return shuffled[:size]
    columns = [shuffled[pool_labels[shuffled] == digit] for digit in range(CLASSES)]
    least = min(len(column) for column in columns)
    if least * CLASSES < size:
        raise UserError(f"size of a draw: {size}; some class has only {least} images in the pool")
    blocks = np.stack([column[: size // CLASSES] for column in columns], axis=1)  # (m, 10)
    return np.concatenate([rng.permutation(block) for block in blocks])


def _write(folder: Path, dataset: str, arrays: fetch.Arrays, source: str) -> None:
    for balanced, name in _UNLABELLED.items():
        drawn = draw(arrays["train_labels"][:POOL], dataset, 0, LABELLED, balanced)
        arrays = {**arrays, name: np.setdiff1d(np.arange(POOL), drawn)}
    # Nobody else writes here, by the lock: what is there is the rest of a run that was killed.
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        for name, array in arrays.items():
            np.save(temporary / f"{name}.npy", array)
        checksums = {
            "dataset": dataset,
            "source": source,
            "idx": {name: fetch.sha256(arrays[name]) for name in fetch.FILES},
            "files": {name: _sha256(temporary / name) for name in sorted(_FILES)},
        }
        (temporary / _CHECKSUMS).write_text(json.dumps(checksums, indent=1) + "\n")
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sha256(file: Path) -> str:
    with open(file, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _short_hash(arrays: fetch.Arrays) -> str:
    together = "".join(fetch.sha256(arrays[name]) for name in fetch.FILES)
    return hashlib.sha256(together.encode()).hexdigest()[:8]


def main(arguments: list[str] | None = None) -> None:
    """Get and check the dataset that the parameters name."""
    parser = argparse.ArgumentParser(prog="python -m simclr.data", description=main.__doc__)
    parser.add_argument("--profile", default="full")
    parser.add_argument("--variant", default=params.SOURCE)
    parser.add_argument("--runs", help="accepted as by every command; data are kept in data/")
    chosen = parser.parse_args(arguments)
    try:
        settings = params.load("pretrain", chosen.profile, chosen.variant)
        folder = prepare(settings.dataset, settings.data_dir)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    source = json.loads((folder / _CHECKSUMS).read_text())["source"]
    known = settings.dataset in fetch.SHA256
    checked = "SHA-256 of all four files" if known else "headers, sizes and labels"
    print(f"data: {settings.dataset} from {source}; checked: {checked}; in {folder}")


if __name__ == "__main__":
    main()
