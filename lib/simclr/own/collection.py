"""Reads a folder of pictures, or an array, into a checked cache of small grey images."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from filelock import FileLock
from joblib import Parallel, delayed
from PIL import Image, ImageOps

from simclr import files
from simclr.errors import UserError
from simclr.own import decode

LEAST, MOST = 500, 1_000_000  # images
SUFFIXES = {".png", ".jpg", ".jpeg"}
_LISTED = 10  # names that a message gives for each reason


@dataclass(frozen=True)
class Collection:
    """Images to label.

    Attributes:
        source: the folder or the file that they come from.
        folder: their cache, with images.npy, order.npy and about.json.
        names: of the files, relative to `source`; rows for an array.
        twins: name of a file that shows the same as an earlier one -> the row of that.
        images: (N, 28, 28) uint8, 0 is background.
        about: what was changed and left out: coloured, resized, inverted, left_out, digest.
    """

    source: Path
    folder: Path
    names: list[str]
    twins: dict[str, int]
    images: np.ndarray
    about: dict

    @cached_property
    def places(self) -> dict[str, int]:
        """The row of each name, twins included."""
        return {name: row for row, name in enumerate(self.names)} | self.twins

    @property
    def digest(self) -> str:
        """What stands for all images and their order."""
        return self.about["digest"]

    def shown(self, rows: np.ndarray) -> np.ndarray:
        """Images for `report.pictures`, which prints 255 black, so that they look as they came."""
        images = np.asarray(self.images[rows])
        return images if self.about["inverted"] else 255 - images

    def pictures(self, rows: np.ndarray, side: int) -> Iterator[Image.Image]:
        """The images as they came, in colour where they have some, at most `side` pixels large."""
        whole = None if self.source.is_dir() else decode.array(self.source)
        for row in rows:
            if whole is None:
                with Image.open(self.source / self.names[row]) as opened:
                    picture = decode.opaque(ImageOps.exif_transpose(opened))
            else:
                picture = Image.fromarray(decode.as_bytes(whole[int(self.names[row])]))
            picture.thumbnail((side, side))
            yield picture


def read(source: Path, invert: str, root: Path = files.DATA, least: int = LEAST) -> Collection:
    """The images of a folder or an array; quick where they have been read before.

    Colour is made grey, and other sizes are made 28 × 28 with the border's grey at the sides.
    Files that are unreadable, empty or constant are left out; of twins the first is kept.

    Args:
        source: a folder with PNG or JPEG files, nested or not; or an .npy or .npz file that holds
            (N, H, W), (N, H, W, 1) or (N, H, W, 3), bytes or floats in [0, 1].
        invert: "yes", "no", or "auto" to do it where most borders are bright.
        root: the folder to keep caches in.
        least: how many images there must be.

    Raises:
        UserError: there is no such place, there are too few or too many images.
    """
    listed = _listed(source, least)
    seen = [[name, *_stamp(source / name)] for name in listed] or _stamp(source)
    same_source = f"own-{files.digest(str(source.resolve()))}-{invert}"
    folder = root / f"{same_source}-{files.digest(seen)}"
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / ".own.lock"):
        if not (folder / "about.json").exists():
            _write(folder, source, listed, invert)
            for old in set(root.glob(f"{same_source}-*")) - {folder}:  # as it was before
                shutil.rmtree(old)
    about = files.read_json(folder / "about.json")
    names, twins = json.loads((folder / "names.json").read_text())
    if not least <= len(names) <= MOST:
        reasons = "; ".join(f"{len(left):,} {why}" for why, left in about["left_out"].items())
        raise UserError(
            f"{source}: {len(names):,} usable images; {least} to {MOST:,} are needed"
            + f" (left out: {reasons})" * bool(reasons)
        )
    images = np.load(folder / "images.npy", mmap_mode="r")
    return Collection(source, folder, names, twins, images, about)


def described(collection: Collection) -> str:
    """What was read, changed and left out, in a few lines."""
    about = collection.about
    lines = [f"{collection.source}: {len(collection.names):,} images"]
    if about["coloured"]:
        lines.append(f"{about['coloured']:,} have colours; they are made grey")
    if about["resized"]:
        lines.append(f"{about['resized']:,} have other sizes; they are made {decode.SIDE} × {decode.SIDE}")
    if about["inverted"]:
        lines.append("most borders are bright: dark becomes bright (own.invert)")
    lines += [f"not learned from, {why}: {_few(left)}" for why, left in about["left_out"].items()]
    return "\n  ".join(lines)


def _few(names: list[str]) -> str:
    more = f", and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _listed(source: Path, least: int) -> list[str]:
    """The names of the pictures in a folder, sorted; none for an array."""
    if source.is_dir():
        found = (path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
        names = sorted(path.relative_to(source).as_posix() for path in found if path.is_file())
        if len(names) < least:
            raise UserError(f"{source}: {len(names)} PNG or JPEG files; at least {least} are needed")
        return names
    if not source.exists():
        raise UserError(f"{source}: no such file or folder; own.images or IMAGES=... names it")
    if source.suffix not in (".npy", ".npz"):
        raise UserError(f"{source}: neither a folder nor an .npy or .npz file")
    return []


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _write(folder: Path, source: Path, listed: list[str], invert: str) -> None:
    print(f"{source}: reading" + f" {len(listed):,} files" * bool(listed), flush=True)
    images, names, about = _from_files(source, listed) if listed else _from_array(source)
    kept, digests, twins = _usable(images, names, about["left_out"])
    images, names = images[kept], [names[row] for row in kept]
    edges = [images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]]
    bright = np.median(np.concatenate(edges, axis=1), axis=1) > 127  # (N,)
    about["inverted"] = invert == "yes" or (invert == "auto" and bool(2 * bright.sum() > len(bright)))
    if about["inverted"]:
        images = 255 - images
    about["digest"] = files.digest([digests, about["inverted"]])
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    np.save(temporary / "images.npy", images)
    # By content, so that an image that is added later does not move the others.
    np.save(temporary / "order.npy", np.argsort(digests, kind="stable"))
    files.write_json(temporary / "about.json", about)
    (temporary / "names.json").write_text(json.dumps([names, twins]))
    temporary.rename(folder)


def _from_files(source: Path, listed: list[str]) -> tuple[np.ndarray, list[str], dict]:
    images, names, left, changed = [], [], {}, np.zeros(2, int)
    read = Parallel(-1, prefer="threads")(delayed(decode.small)(source / name) for name in listed)
    for name, (image, what) in zip(listed, read, strict=True):
        if image is None:
            left.setdefault(what, []).append(name.encode(errors="replace").decode())
        else:
            images.append(image)
            names.append(name)
            changed += what
    coloured, resized = changed.tolist()
    whole = np.stack(images) if images else np.empty((0, decode.SIDE, decode.SIDE), np.uint8)
    return whole, names, {"coloured": coloured, "resized": resized, "left_out": left}


def _from_array(source: Path) -> tuple[np.ndarray, list[str], dict]:
    found = decode.array(source)
    small = np.empty((len(found), decode.SIDE, decode.SIDE), np.uint8)
    resized = found.shape[1:3] != small.shape[1:]
    for row, pixels in enumerate(found):
        if resized or found.ndim == 4:
            small[row] = decode.grey_image(Image.fromarray(decode.as_bytes(pixels)))[0]
        else:
            small[row] = decode.as_bytes(pixels)
    many = len(found)
    changed = {"coloured": many * (found.ndim == 4), "resized": many * resized}
    return small, [str(row) for row in range(many)], {**changed, "left_out": {}}


def _usable(images: np.ndarray, names: list[str], left: dict):
    """The rows that are neither constant nor there before, their digests, and twins -> their places.

    `left` gets the names of the others.
    """
    kept, places, twins = [], {}, {}  # places: digest -> place in `kept`
    for row, (name, image) in enumerate(zip(names, images, strict=True)):
        digest = hashlib.sha256(image.tobytes()).hexdigest()
        if image.min() == image.max():
            left.setdefault("constant", []).append(name)
        elif digest in places:
            left.setdefault("there twice", []).append(name)
            twins[name] = places[digest]
        else:
            places[digest] = len(kept)
            kept.append(row)
    return kept, list(places), twins
