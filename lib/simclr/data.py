"""Images and labels as tensors, and the label draws; reads the cache that `fetch.prepare` makes."""

from pathlib import Path

import numpy as np
import torch

from simclr.errors import UserError

POOL = 50_000  # training images 0..49,999 are the pool, 50,000..59,999 the validation set
LABELLED = 100  # images of draw 0, which pre-training leaves out
CLASSES = 10

_SPLITS = {
    "pool": ("train", slice(0, POOL)),
    "validation": ("train", slice(POOL, None)),
    "test": ("test", slice(None)),
}


def images(folder: Path, split: str) -> torch.Tensor:
    """Images of a split, uint8 (N, 28, 28), 0 is background; reads no label.

    Args:
        folder: of a data set, as `fetch.prepare` returns it.
        split: `pool` (50,000), `validation` (10,000) or `test` (10,000).
    """
    part, rows = _SPLITS[split]
    return torch.from_numpy(np.load(folder / f"{part}_images.npy")[rows])


def labels(folder: Path, split: str) -> torch.Tensor:
    """Labels of a split, int64 (N,), 0 to 9, in the order of `images`."""
    part, rows = _SPLITS[split]
    return torch.from_numpy(np.load(folder / f"{part}_labels.npy")[rows]).long()


def unlabelled(folder: Path, balanced: bool = True) -> torch.Tensor:
    """Pool indices of the images that are not in draw 0, int64 (49900,); reads no label."""
    name = "unlabelled_balanced" if balanced else "unlabelled_random"
    return torch.from_numpy(np.load(folder / f"{name}.npy"))


def draw(
    pool_labels: np.ndarray, number: int, k: int, size: int = LABELLED, balanced: bool = True
) -> np.ndarray:
    """Draw k: which images of the pool are labelled, a pure function of (data set, k).

    Draws nest: a smaller one is the beginning of a larger one. A balanced draw is made of blocks of
    ten images, one of each class in random order, so every prefix of 10·m has m of each class.

    Args:
        pool_labels: labels of the pool, int (50000,).
        number: of the data set, `fetch.Dataset.number`.
        size: of the draw; a multiple of 10 if balanced.

    Returns:
        Pool indices, int64 (size,), without repeats.

    Raises:
        UserError: a size that cannot be had.
    """
    if not 1 <= size <= len(pool_labels) or (balanced and size % CLASSES):
        allowed = "10, 20, 30 …" if balanced else f"1 to {len(pool_labels)}"
        raise UserError(f"size of a draw: {size}; allowed: {allowed}")
    # A later NumPy might permute otherwise; a test pins what this gives.
    rng = np.random.Generator(np.random.PCG64([number, k, int(balanced)]))
    shuffled = rng.permutation(len(pool_labels))
    if not balanced:
        return shuffled[:size]
    columns = [shuffled[pool_labels[shuffled] == digit] for digit in range(CLASSES)]
    least = min(len(column) for column in columns)
    if least * CLASSES < size:
        raise UserError(f"size of a draw: {size}; some class has only {least} images in the pool")
    blocks = np.stack([column[: size // CLASSES] for column in columns], axis=1)  # (m, 10)
    return np.concatenate([rng.permutation(block) for block in blocks])
