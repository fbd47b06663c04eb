"""IDX files: what is right comes through, what is wrong is said in one line."""

import gzip
import hashlib

import numpy as np
import pytest

from simclr import idx
from simclr.errors import UserError

LABELS = (np.arange(10_000) % 10).astype(np.uint8)


def content(array):
    return idx.header(array.shape) + array.tobytes()


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("packed", [True, False])
def test_a_file_is_read_packed_or_not_whatever_its_name_says(tmp_path, packed, suffix):
    path = tmp_path / f"labels{suffix}"
    path.write_bytes(gzip.compress(content(LABELS)) if packed else content(LABELS))
    found = idx.parse("test_labels", idx.read(path), "a file")
    assert found.dtype == np.uint8 and (found == LABELS).all()
    assert idx.sha256(found) == hashlib.sha256(content(LABELS)).hexdigest()
    assert content(LABELS)[:8] == bytes([0, 0, 8, 1, 0, 0, 39, 16])


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("train_images", idx.header((60_000, 28, 28)) + bytes(9), "truncated or too long: 47,040,016"),
        ("test_labels", b"", "truncated or too long: 10,008 bytes expected"),
        ("test_labels", content(LABELS) + b"\0", "truncated or too long: 10,008 bytes"),
        ("test_images", b"<html>404</html>", "not t10k-images-idx3-ubyte: no IDX header of 10000 × 28"),
        ("test_labels", idx.header((60_000,)) + bytes(9), "no IDX header of 10000 bytes"),
        ("test_labels", content(LABELS + 1), "altered: label 10, labels are 0 to 9"),
    ],
)
def test_what_is_no_such_file_is_one_line(name, given, says):
    with pytest.raises(UserError) as error:
        idx.parse(name, given, "a file")
    message = str(error.value)
    assert message.startswith("a file: ") and says in message and "\n" not in message


@pytest.mark.parametrize("damage", ["truncated", "corrupt", "short"])
def test_damaged_gzip_is_one_line(tmp_path, damage):
    packed = bytearray(gzip.compress(np.random.default_rng(0).bytes(9000)))
    if damage == "corrupt":
        packed[20] ^= 255
    path = tmp_path / "labels.gz"
    path.write_bytes({"truncated": packed[:5000], "short": packed[:2]}.get(damage, packed))
    with pytest.raises(UserError, match=r"labels\.gz: truncated or damaged gzip file: ") as error:
        idx.read(path)
    assert "\n" not in str(error.value)
