"""Fetching: sources that fail, files that are wrong, a cache that is whole or absent."""

import gzip
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from simclr import data, fetch, files, idx
from simclr.errors import UserError

KMNIST, FULL = fetch.DATASETS["kmnist"], idx.FILES
NAMES = {name: file for name, (file, _) in FULL.items()}


def write_idx(path, array):
    path.write_bytes(gzip.compress(idx.header(array.shape) + array.tobytes(), 1))


@pytest.fixture
def given(monkeypatch, tmp_path):
    """A folder with four gzipped IDX files of as many images as KMNIST, but of 2 × 2 pixels."""
    sizes = {name: (file, (*shape[:1], 2, 2)[: len(shape)]) for name, (file, shape) in FULL.items()}
    monkeypatch.setattr(idx, "FILES", sizes)
    folder, rng = tmp_path / "given", np.random.default_rng(0)
    folder.mkdir()
    for file, shape in idx.FILES.values():
        write_idx(folder / f"{file}.gz", rng.integers(0, 10, shape, np.uint8))
    return folder


@pytest.fixture
def asked(given, monkeypatch):
    """No network: the only source is `given`; this is the list of the times it was asked."""
    times = []

    def source(dataset):
        times.append(dataset.key)
        return fetch.from_folder(dataset, given)

    monkeypatch.setattr(fetch, "_sources", lambda dataset: [("a test", lambda: source(dataset))])
    return times


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


def prepare(root, data_dir=""):
    return fetch.prepare("kmnist", str(data_dir), root)


@pytest.mark.parametrize("balanced", [True, False])
def test_the_cache_holds_every_split_and_pretraining_needs_no_label(asked, given, root, balanced):
    folder = prepare(root)
    assert folder == root / "kmnist" and prepare(root) == folder
    assert asked == ["kmnist"]  # the second call finds the cache
    parts = {"train": ("pool", "validation"), "test": ("test",)}
    for name, array in fetch.from_folder(KMNIST, given).items():
        part, kind = name.split("_")
        tensors = [getattr(data, kind)(folder, split) for split in parts[part]]
        assert tensors[0].dtype == (torch.uint8 if kind == "images" else torch.int64)
        assert (torch.cat(tensors).numpy() == array).all() and len(tensors[-1]) == 10_000
    record = fetch.checksums(folder)
    assert (record["dataset"], record["source"]) == ("kmnist", "a test")
    assert record["idx"]["test_labels"] == idx.sha256(data.labels(folder, "test").byte().numpy())
    drawn = data.draw(data.labels(folder, "pool").numpy(), KMNIST.number, 0, balanced=balanced)
    for file in folder.glob("*labels*"):
        file.unlink()  # from here on, no label can be read
    rest = data.unlabelled(folder, balanced)
    assert set(rest.tolist()) == set(range(data.POOL)) - set(drawn.tolist())
    assert len(rest) == len(data.images(folder, "pool")[rest]) == 49_900


@pytest.mark.parametrize("layout", ["packed", "plain", "torchvision", "raw"])
def test_data_dir_in_every_layout(layout, given):
    expected = fetch.from_folder(KMNIST, given)
    inside = given / {"torchvision": "KMNIST/raw", "raw": "raw"}.get(layout, "")
    inside.mkdir(parents=True, exist_ok=True)
    for path in given.glob("*.gz"):
        path = path.rename(inside / path.name)
        if layout in ("plain", "torchvision"):
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
    found = fetch.from_folder(KMNIST, given)
    assert all((found[name] == array).all() for name, array in expected.items())


def test_data_dir_is_relative_to_the_project_and_has_a_cache_of_its_own(given, root, monkeypatch):
    monkeypatch.setattr(files, "ROOT", given.parent)
    first = prepare(root, given.name)
    assert first.name.startswith("kmnist-") and len(first.name) == len("kmnist-") + 8
    assert prepare(root, given) == first
    write_idx(given / f"{NAMES['test_labels']}.gz", np.ones(10_000, np.uint8))
    second = prepare(root, given)
    assert second != first and data.labels(second, "test").unique().tolist() == [1]
    assert fetch._is_whole(first)
    with pytest.raises(UserError, match="data_dir: /nowhere: no such folder"):
        prepare(root, "/nowhere")


@pytest.mark.parametrize(
    ("dataset", "damage", "says"),
    [
        ("kmnist", "missing", "no such file, nor"),
        ("fashion-mnist", None, "altered, or of another data set: its SHA-256 is not c59f"),
    ],
)
def test_a_wrong_file_gives_one_line_and_no_cache(given, root, dataset, damage, says):
    path = given / f"{NAMES['test_labels']}.gz"
    if damage == "missing":
        path.unlink()
    with pytest.raises(UserError) as error:
        fetch.prepare(dataset, str(given), root)
    message = str(error.value)
    assert str(given) in message and says in message and "\n" not in message
    assert not root.exists()


def test_next_source_is_tried_and_the_last_error_says_all(given, monkeypatch, root, capsys):
    def fails():
        raise UserError("refused")

    sources = [("one", fails), ("two", lambda: fetch.from_folder(KMNIST, given))]
    monkeypatch.setattr(fetch, "_sources", lambda dataset: sources)
    assert fetch.checksums(prepare(root))["source"] == "two"
    assert "data: getting kmnist from two" in capsys.readouterr().err
    sources[1] = ("two", fails)
    shutil.rmtree(root)
    with pytest.raises(UserError, match=r"Tried one \(refused\); two \(refused\)\. Way out: .*data_dir"):
        prepare(root)
    assert not (root / "kmnist").exists()


def test_a_source_that_never_ends_is_stopped_and_one_that_fails_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(fetch, "DEADLINE", 0.5)
    start = time.perf_counter()
    with pytest.raises(UserError, match=r"no end after 0\.5 s"):
        fetch._run([sys.executable, "-c", "import time; time.sleep(60)"], str(tmp_path))
    assert time.perf_counter() - start < 20
    monkeypatch.setattr(fetch, "DEADLINE", 60)
    for status, says in (("'a\\nb'", "^b$"), (3, "^exit status 3$")):
        with pytest.raises(UserError, match=says):
            fetch._run([sys.executable, "-c", f"raise SystemExit({status})"], str(tmp_path))


def test_a_failure_while_writing_leaves_nothing(asked, monkeypatch, root):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", full)
        with pytest.raises(UserError, match=r"cannot be kept in .*No space left on device"):
            prepare(root)
    assert not (root / "kmnist").exists()
    assert fetch._is_whole(prepare(root))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("test_images.npy", lambda file: file.write_bytes(file.read_bytes()[:-1] + b"x")),
        ("test_images.npy", Path.unlink),
        ("checksums.json", Path.unlink),
        ("checksums.json", lambda file: file.write_text("{")),
    ],
)
def test_a_damaged_cache_is_made_anew(asked, root, name, damage):
    folder = prepare(root)
    damage(folder / name)
    assert not fetch._is_whole(folder)
    assert fetch._is_whole(prepare(root)) and len(asked) == 2
