"""One's own images: what is read, what is changed, and what is left out."""

import numpy as np
import pytest
from PIL import Image

from simclr.errors import UserError
from simclr.own import collection, decode


@pytest.fixture
def folder(tmp_path):
    """500 grey PNG files of 28 × 28 pixels, a few of them in a folder inside, dark at the border."""
    place, rng = tmp_path / "my images", np.random.default_rng(0)
    (place / "inside").mkdir(parents=True)
    for i in range(collection.LEAST):
        pixels = np.zeros((28, 28), np.uint8)
        pixels[4:24, 4:24] = rng.integers(0, 255, (20, 20))
        Image.fromarray(pixels).save(place / ("inside" if i < 5 else "") / f"{i:04d}.png")
    return place


def read(place, tmp_path, invert="auto"):
    return collection.read(place, invert, root=tmp_path / "data")


def test_files_are_read_in_order_and_named_relative_to_the_folder(folder, tmp_path):
    found = read(folder, tmp_path)
    assert found.images.shape == (500, 28, 28) and found.images.dtype == np.uint8
    assert found.names[:2] == ["0005.png", "0006.png"] and found.names[-1] == "inside/0004.png"
    np.testing.assert_array_equal(found.images[0], np.asarray(Image.open(folder / "0005.png")))
    assert found.about["coloured"] == found.about["resized"] == 0 and not found.about["inverted"]


def test_bad_files_are_left_out_and_listed(folder, tmp_path):
    (folder / "nothing.png").touch()
    (folder / "text.jpg").write_text("no picture")
    (folder / "cut.png").write_bytes((folder / "0010.png").read_bytes()[:90])
    Image.new("L", (28, 28), 7).save(folder / "flat.png")
    (folder / "twin.png").write_bytes((folder / "0010.png").read_bytes())
    left = {"empty": ["nothing.png"], "unreadable": ["cut.png", "text.jpg"]}
    left |= {"constant": ["flat.png"], "there twice": ["twin.png"]}
    found = read(folder, tmp_path)
    assert found.places["twin.png"] == found.places["0010.png"] and "twin.png" not in found.names
    assert found.about["left_out"] == left and len(found.names) == 500
    assert all(name in collection.described(found) for names in left.values() for name in names)


def test_colour_size_and_bright_paper_are_made_alike_and_said(folder, tmp_path):
    for path in folder.rglob("*.png"):
        grey = 255 - np.asarray(Image.open(path))
        colour = np.stack([grey, grey, grey // 2], axis=2)
        Image.fromarray(colour).resize((60, 40)).save(path)
    found = read(folder, tmp_path)
    assert found.images.shape[1:] == (28, 28)
    assert found.about["coloured"] == found.about["resized"] == 500 and found.about["inverted"]
    assert np.median(found.images[:, 0]) < 128
    text = collection.described(found)
    assert "made grey" in text and "made 28 × 28" in text and "dark becomes bright" in text
    assert not read(folder, tmp_path, invert="no").about["inverted"]
    assert next(found.pictures(np.array([0]), 50)).size[0] == 50  # as it came


def test_transparent_and_16_bit_pictures_keep_their_drawing(tmp_path):
    pixels = np.zeros((28, 28, 4), np.uint8)
    pixels[10:20, 10:20, 3] = 255  # a black square on nothing
    for array, file in [(pixels, "a.png"), (np.full((28, 28), 256 * 100, np.uint16), "b.png")]:
        Image.fromarray(array).save(tmp_path / file)
    small = decode.small(tmp_path / "a.png")[0]
    assert small[0, 0] == 255 and small[15, 15] == 0
    assert abs(int(decode.small(tmp_path / "b.png")[0][0, 0]) - 100) <= 1


def test_arrays_are_read_like_files(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (500, 28, 28), dtype=np.uint8)
    np.save(tmp_path / "bytes.npy", images)
    np.savez(tmp_path / "floats.npz", images=images[..., None] / 255, labels=np.zeros(500))
    first, second = (read(tmp_path / name, tmp_path) for name in ("bytes.npy", "floats.npz"))
    np.testing.assert_array_equal(first.images, images)
    np.testing.assert_array_equal(second.images, images)
    assert first.names[3] == "3" and first.digest == second.digest


def test_an_image_that_is_added_later_leaves_the_order_of_the_others(folder, tmp_path):
    before = read(folder, tmp_path)
    order = np.array(before.names)[np.load(before.folder / "order.npy")]
    Image.fromarray(np.eye(28, dtype=np.uint8) * 255).save(folder / "000.png")
    after = read(folder, tmp_path)
    later = np.array(after.names)[np.load(after.folder / "order.npy")]
    np.testing.assert_array_equal(order, later[later != "000.png"])
    assert before.digest != after.digest
    assert [path.name for path in (tmp_path / "data").glob("own-*")] == [after.folder.name]


def test_reading_for_another_purpose_leaves_what_is_in_use(tmp_path):
    np.save(tmp_path / "few.npy", np.random.default_rng(0).integers(0, 255, (10, 28, 28), dtype=np.uint8))
    few = collection.read(tmp_path / "few.npy", "auto", tmp_path / "data", least=1)
    collection.read(tmp_path / "few.npy", "no", tmp_path / "data", least=1)
    assert few.folder.exists()
    with pytest.raises(UserError, match="10 usable images; 500 to"):
        read(tmp_path / "few.npy", tmp_path)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("none", lambda path: None, "no such file or folder"),
        ("folder", lambda path: path.mkdir(), "0 PNG or JPEG files; at least 500"),
        ("text", lambda path: path.write_text("x"), "neither a folder nor"),
        ("a.npy", lambda path: np.save(path, np.zeros((500, 28), np.uint8)), r"\(500, 28\); \(N, H, W\)"),
        ("a.npy", lambda path: np.save(path, np.zeros((500, 28, 28), np.int64)), "int64; bytes or floats"),
        ("a.npy", lambda path: np.save(path, np.full((500, 28, 28), 3.0)), r"outside of \[0, 1\]"),
        ("a.npy", lambda path: np.save(path, np.zeros((500, 28, 28), np.uint8)), r"0 usable.*500 constant"),
    ],
)
def test_a_place_without_images_is_one_message(name, make, message, tmp_path):
    make(tmp_path / name)
    with pytest.raises(UserError, match=message):
        read(tmp_path / name, tmp_path)
