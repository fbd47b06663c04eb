"""One's own images, from the folder to the classifier, at the smallest size."""

import json
import shutil
import threading
import urllib.error
import urllib.request

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from test_page import CHROMIUM, asked

from simclr import files, spread
from simclr.__main__ import main
from simclr.errors import UserError
from simclr.experiment.study import Study
from simclr.own import labels, learn, predict, sheet
from simclr.own import project as projects
from simclr.own.project import Project

KINDS = ["bar", "disc", "pole"]


def ring_graph(n: int = 40, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """A graph in which each point is linked to the next ones on a circle."""
    indices = (np.arange(n)[:, None] + np.arange(1, k + 1)) % n
    return np.random.default_rng(0).uniform(0.2, 1, (n, k)), indices


def test_labels_spread_as_they_do_in_the_report():
    cosines, indices = ring_graph()
    labelled, given = np.arange(0, 40, 4), np.arange(10)
    expected = spread.spread(cosines, indices, labelled, given, 0.9)
    found, _ = learn.spread(learn.laplacian(cosines, indices, 0.9), labelled, given, 10)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_labels_spread_for_any_number_of_classes_and_not_between_islands():
    cosines, indices = ring_graph()
    cosines, indices = np.tile(cosines, (2, 1)), np.concatenate([indices, indices + 40])
    system = learn.laplacian(cosines, indices, 0.9)
    shares, _ = learn.spread(system, np.arange(20), np.arange(20), 20)
    np.testing.assert_allclose(shares[:40].sum(1), 1, rtol=1e-5)
    assert not shares[40:].any()
    assert (shares[:20].argmax(1) == np.arange(20)).all()


def test_leaving_a_label_out_gives_what_the_others_give_alone():
    cosines, indices = ring_graph()
    system = learn.laplacian(cosines, indices, 0.9)
    labelled, given = np.arange(0, 40, 2), np.repeat([0, 1, 2], [9, 10, 1])
    _, left_out = learn.spread(system, labelled, given, 3)
    for i in range(len(labelled)):
        others = np.arange(len(labelled)) != i
        alone, _ = learn.spread(system, labelled[others], given[others], 3)
        np.testing.assert_allclose(left_out[i], alone[labelled[i]], atol=1e-4)


def test_the_probe_is_tested_on_labels_that_it_has_not_seen():
    """Two groups apart, and one image among the wrong group: only a probe that has seen it calls it right."""
    rng = np.random.default_rng(0)
    h = torch.from_numpy(np.repeat([[-1.0, 0.0], [1.0, 0.0]], 20, axis=0) + rng.normal(0, 0.1, (40, 2)))
    h[0] = torch.tensor([1.0, 5.0])
    labelled, given = np.arange(0, 40, 4), np.repeat([0, 1], 5)
    says, left_out = learn.probe(h.float(), labelled, given, 2, 0.001)
    assert (says.argmax(1) == np.repeat([0, 1], 20)).all()
    assert (left_out.argmax(1) == given).tolist() == [False] + [True] * 9
    np.testing.assert_allclose(says.sum(1), 1, rtol=1e-5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """600 pictures of noisy bars, discs and poles, with names that tell what they are to the test."""
    place, rng = tmp_path_factory.mktemp("own") / "test shapes", np.random.default_rng(1)
    place.mkdir()
    y, x = np.mgrid[:28, :28]
    for i in range(600):
        kind, (a, b) = KINDS[i % 3], rng.integers(10, 18, 2)
        shape = {"bar": abs(y - a) < 3, "pole": abs(x - b) < 3}
        shape["disc"] = (y - a) ** 2 + (x - b) ** 2 < 50
        pixels = (shape[kind] * 200 + rng.integers(0, 40, (28, 28))).astype(np.uint8)
        Image.fromarray(pixels).save(place / f"{i:03d}.png")
    yield place
    project = Project(Study("smoke", changes={"own": {"images": str(place)}}))
    shutil.rmtree(project.collection.folder, ignore_errors=True)
    shutil.rmtree(project.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def project(folder):
    main(["choose", "--images", str(folder), "--labels", "12", "--profile", "smoke"])
    return Project(Study("smoke", changes={"own": {"images": str(folder)}}))


def kind_of(file: str) -> str:
    return KINDS[int(file[:3]) % 3]


def label_all(project) -> None:
    table = labels.read_table(project.labels_file)
    table["label"] = table.file.map(kind_of)
    files.write(project.labels_file, table.to_csv(index=False))


@pytest.mark.slow
def test_choosing_again_keeps_what_is_labelled_and_more_adds_to_it(project, folder, capsys):
    label_all(project)
    before = labels.read_table(project.labels_file)
    again = ["choose", "--images", str(folder), "--profile", "smoke"]
    main(again)
    assert "stays: 12 images, 12 labelled" in capsys.readouterr().out
    main([*again, "--more", "5"])
    table = labels.read_table(project.labels_file)
    pd.testing.assert_frame_equal(table[:12], before)
    assert table.file.is_unique and (table.label[12:] == "").all() and len(table) == 17
    assert project.folder.joinpath("label.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.slow
def test_the_page_writes_each_label_into_the_file_and_nobody_else_can(project):
    running, address = sheet.server(project)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        page = urllib.request.urlopen(address).read().decode()
        file = labels.read_table(project.labels_file).file[3]
        assert file in page and page.count('"picture"') >= 12
        given = json.dumps({file: "a, new class", "stranger.png": "x"}).encode()
        urllib.request.urlopen(f"{address}labels", given)
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{running.server_port}/labels", given)
        inside = sheet.in_notebook(project).src
        assert file in urllib.request.urlopen(inside).read().decode()
    finally:
        running.shutdown()
        running.server_close()
    table = labels.read_table(project.labels_file)
    assert table.label[3] == "a, new class" and "stranger.png" not in set(table.file)


@pytest.mark.slow
def test_classify_names_every_image_and_writes_a_report(project, folder, tmp_path, capsys):
    label_all(project)
    main(["classify", "--images", str(folder), "--profile", "smoke"])
    assert "labels of 3 classes; left out one by one" in capsys.readouterr().out
    table = pd.read_csv(project.folder / "predictions.csv", keep_default_na=False)
    assert list(table.file) == sorted(path.name for path in folder.iterdir())
    assert (table.predicted == table.file.map(kind_of)).mean() > 0.6
    assert (table.probability >= table.second_probability).all()
    assert (table.label != "").sum() == len(labels.read_table(project.labels_file))
    file = project.folder / learn.CLASSIFIER
    model, classes = predict.load(file)
    images = torch.from_numpy(np.array(project.collection.images[:50])).float()[:, None] / 255
    named = [classes[c] for c in model(images).argmax(1)]
    assert (np.array(named) == table.predicted[:50]).all()
    later = np.stack([np.asarray(Image.open(folder / f"{i:03d}.png")) for i in range(5)])
    np.save(tmp_path / "later.npy", later)
    assert (predict.classify(file, tmp_path / "later.npy").predicted == table.predicted[:5]).all()
    text = (project.folder / "report.html").read_text()
    assert "Different in this build" not in text and "What to label next" in text
    assert (project.folder / "report.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("command", ["choose", "label", "classify"])
def test_without_images_a_line_says_how_to_name_them(command, capsys):
    with pytest.raises(SystemExit):
        main([command])
    assert "IMAGES=folder" in capsys.readouterr().err


@pytest.mark.slow
def test_another_collection_of_the_same_name_is_refused(project, folder, tmp_path):
    other = tmp_path / folder.name
    shutil.copytree(folder, other)
    with pytest.raises(UserError, match="belongs to"):
        Project(Study("smoke", changes={"own": {"images": str(other)}})).check_source()


def test_an_array_whose_rows_may_be_others_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(projects, "PLACE", tmp_path / "collections")
    file, array = tmp_path / "some.npy", np.arange(4 * 784, dtype=np.uint8).reshape(4, 28, 28)
    for invert in ("no", "yes"):  # the same file
        np.save(file, array)
        Project(Study("smoke", changes={"own": {"images": str(file), "invert": invert}})).check_source()
    np.save(file, array[::-1])
    with pytest.raises(UserError, match=r"not the array that .*labels\.csv was made for"):
        Project(Study("smoke", changes={"own": {"images": str(file)}})).check_source()


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="no Chromium")
def test_the_page_is_worked_by_keys(project, tmp_path):
    table = labels.read_table(project.labels_file).assign(label="")
    files.write(project.labels_file, table.to_csv(index=False))
    script = """
      const press = (key, more) =>
        document.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true, ...more }));
      const type = text => { byId("field").value = text; press("Enter"); };
      type("coat"); type("shoe"); press("c"); press("s"); press("z", { ctrlKey: true }); press(" ");
      press("s"); press("/"); type("cap"); press("ArrowLeft"); press("Delete");
      found(Object.values(labels));"""
    found = asked(sheet.page(project).replace("</html>", "</body>"), script, tmp_path)
    assert found[:6] == ["coat", "shoe", "coat", "", "shoe", ""]
