"""IDX files, the format of MNIST: bytes in, checked arrays out."""

import gzip
import hashlib
import math
import zlib
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


def read(path: Path) -> bytes:
    """The content, unpacked if it is gzip whatever its name says.

    Raises:
        UserError: the file is damaged.
    """
    content = path.read_bytes()
    try:
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: truncated or damaged gzip file: {error}") from None


def parse(name: str, content: bytes, origin: str, digest: str = "") -> np.ndarray:
    """Turn the bytes of an IDX file into a uint8 array, or say what is wrong with them.

    Args:
        name: a key of `FILES`.
        origin: where the bytes came from, for messages.
        digest: the SHA-256 of the file, where it is known.

    Raises:
        UserError: another kind of file, truncated, or altered.
    """
    file, shape = FILES[name]
    head = header(shape)
    if content[: len(head)] != head[: len(content)]:
        raise UserError(f"{origin}: not {file}: no IDX header of {' × '.join(map(str, shape))} bytes")
    expected = len(head) + math.prod(shape)
    if len(content) != expected:
        raise UserError(f"{origin}: truncated or too long: {expected:,} bytes expected")
    array = np.frombuffer(content, np.uint8, offset=len(head)).reshape(shape)
    if len(shape) == 1 and array.max() > 9:
        raise UserError(f"{origin}: altered: label {array.max()}, labels are 0 to 9")
    if digest and sha256(array) != digest:
        raise UserError(f"{origin}: altered, or of another data set: its SHA-256 is not {digest}")
    return array


def header(shape: tuple[int, ...]) -> bytes:
    """The first bytes of an IDX file of uint8: 0, 0, type 8, number of dimensions, dimensions."""
    return bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)


def sha256(array: np.ndarray) -> str:
    """SHA-256 of the uncompressed IDX file that holds `array`."""
    return hashlib.sha256(header(array.shape) + array.tobytes()).hexdigest()
