"""IDX files, the format of MNIST: bytes in, checked arrays out."""

import gzip
import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from simclr.errors import UserError

# Our name of each file, its standard name and its shape.
FILES = {
    "train_images": ("train-images-idx3-ubyte", (60_000, 28, 28)),
    "train_labels": ("train-labels-idx1-ubyte", (60_000,)),
    "test_images": ("t10k-images-idx3-ubyte", (10_000, 28, 28)),
    "test_labels": ("t10k-labels-idx1-ubyte", (10_000,)),
}


def read(path: Path, name: str) -> bytes:
    """The content, unpacked if it is gzip whatever its name says; at most a byte too many.

    Raises:
        UserError: the file is damaged or cannot be read.
    """
    limit = _size(name) + 1
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else open(path, "rb") as file:
            return file.read(limit)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: truncated or damaged gzip file: {error}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def parse(name: str, content: bytes, origin: str, known: Mapping[str, Mapping[str, str]], of: str):
    """Turn the bytes of an IDX file into a uint8 array, or say what is wrong with them.

    Args:
        name: a key of `FILES`.
        origin: where the bytes came from, for messages.
        known: data set -> name -> SHA-256 of the file.
        of: the data set that the file should belong to.

    Raises:
        UserError: another kind of file, truncated, of another data set, or altered.
    """
    file, shape = FILES[name]
    head = header(shape)
    if content[: len(head)] != head[: len(content)]:
        raise UserError(
            f"{origin}: not {file}: no IDX header of {' × '.join(map(str, shape))} bytes"
        )
    if len(content) != _size(name):
        raise UserError(f"{origin}: truncated or too long: {_size(name):,} bytes expected")
    array = np.frombuffer(content, np.uint8, offset=len(head)).reshape(shape)
    if len(shape) == 1 and array.max() > 9:
        raise UserError(f"{origin}: altered: label {array.max()}, labels are 0 to 9")
    found = sha256(array)
    for other, files in known.items():
        if other != of and files and found == files[name]:
            raise UserError(f"{origin}: this is the file of {other}, not of {of}")
    if known[of] and found != known[of][name]:
        raise UserError(f"{origin}: altered: its SHA-256 is not that of {of}'s file")
    return array


def header(shape: tuple[int, ...]) -> bytes:
    """The first bytes of an IDX file of uint8: 0, 0, type 8, number of dimensions, dimensions."""
    return bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)


def sha256(array: np.ndarray) -> str:
    """SHA-256 of the uncompressed IDX file that holds `array`."""
    return hashlib.sha256(header(array.shape) + array.tobytes()).hexdigest()


def _size(name: str) -> int:
    shape = FILES[name][1]
    return len(header(shape)) + int(np.prod(shape))
