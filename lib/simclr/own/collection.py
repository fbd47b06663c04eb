"""Reads a folder of pictures, or an array, into a checked cache of small grey images."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from filelock import FileLock
from joblib import Parallel, delayed
from PIL import Image, ImageOps

from simclr import files
from simclr.errors import UserError

SIDE = 28  # pixels; the encoder takes no more
LEAST, MOST = 500, 1_000_000  # images
SUFFIXES = {".png", ".jpg", ".jpeg"}
_BLOCK = 4096  # pictures that are read before the next ones are opened
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
        about: what was changed and left out: colour, sizes, inverted, left_out.
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
        whole = None if self.source.is_dir() else _array(self.source)
        for row in rows:
            if whole is None:
                with Image.open(self.source / self.names[row]) as opened:
                    picture = _opaque(ImageOps.exif_transpose(opened))
            else:
                picture = Image.fromarray(_bytes(whole[int(self.names[row])]))
            picture.thumbnail((side, side))
            yield picture


def read(
    source: Path, bad_files: str, invert: str, root: Path = files.DATA, least: int = LEAST
) -> Collection:
    """The images of a folder or an array; quick where they have been read before.

    Colour is made grey, and other sizes are made 28 × 28 with the border's grey at the sides.
    Files that are unreadable, empty or constant are left out; of twins the first is kept.

    Args:
        source: a folder with PNG or JPEG files, nested or not; or an .npy or .npz file that holds
            (N, H, W), (N, H, W, 1) or (N, H, W, 3), bytes or floats in [0, 1].
        bad_files: "leave out", or "refuse" to go on where there are such files.
        invert: "yes", "no", or "auto" to do it where most borders are bright.
        root: the folder to keep caches in.
        least: how many images there must be.

    Raises:
        UserError: there is no such place, there are too few or too many images, or bad files.
    """
    listed = _listed(source, least)
    seen = [[name, *_stamp(source / name)] for name in listed] or _stamp(source)
    same_source = f"own-{files.digest(str(source.resolve()))}"
    folder = root / f"{same_source}-{files.digest([seen, invert])}"
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / ".own.lock"):
        if not (folder / "about.json").exists():
            _write(folder, source, listed, invert, least)
            for old in set(root.glob(f"{same_source}-*")) - {folder}:  # as it was before
                shutil.rmtree(old)
    about = files.read_json(folder / "about.json")
    names, twins = json.loads((folder / "names.json").read_text())
    bad = [f"{reason}: {_few(left)}" for reason, left in about["left_out"].items()]
    if bad and bad_files == "refuse":
        raise UserError(f"{source}: bad files, and own.bad_files is refuse\n  " + "\n  ".join(bad))
    images = np.load(folder / "images.npy", mmap_mode="r")
    return Collection(source, folder, names, twins, images, about)


def described(collection: Collection) -> str:
    """What was read, changed and left out, in a few lines."""
    about = collection.about
    lines = [f"{collection.source}: {len(collection.names):,} images"]
    if about["coloured"]:
        lines.append(f"{about['coloured']:,} have colours; they are made grey")
    if about["resized"]:
        lines.append(f"{about['resized']:,} have other sizes; they are made {SIDE} × {SIDE}")
    if about["inverted"]:
        lines.append("most borders are bright: dark becomes bright (own.invert)")
    lines += [f"left out, {why}: {_few(left)}" for why, left in about["left_out"].items()]
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
            raise UserError(
                f"{source}: {len(names)} PNG or JPEG files; at least {least} are needed"
            )
        return names
    if not source.exists():
        raise UserError(f"{source}: no such file or folder; own.images or IMAGES=... names it")
    if source.suffix not in (".npy", ".npz"):
        raise UserError(f"{source}: neither a folder nor an .npy or .npz file")
    return []


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _write(folder: Path, source: Path, listed: list[str], invert: str, least: int) -> None:
    print(f"{source}: reading" + f" {len(listed):,} files" * bool(listed), flush=True)
    images, names, about = _from_files(source, listed) if listed else _from_array(source)
    kept, digests, twins = _usable(images, names, about["left_out"])
    images, names = images[kept], [names[row] for row in kept]
    if not least <= len(names) <= MOST:
        reasons = "; ".join(f"{len(left):,} {why}" for why, left in about["left_out"].items())
        raise UserError(
            f"{source}: {len(names):,} usable images; {least} to {MOST:,} are needed"
            + f" (left out: {reasons})" * bool(reasons)
        )
    edges = [images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]]
    bright = np.median(np.concatenate(edges, axis=1), axis=1) > 127  # (N,)
    about["inverted"] = invert == "yes" or (invert == "auto" and bool(bright.mean() > 0.5))
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
    for start in range(0, len(listed), _BLOCK):
        some = listed[start : start + _BLOCK]
        read = Parallel(-1, prefer="threads")(delayed(_small)(source / name) for name in some)
        for name, (image, what) in zip(some, read, strict=True):
            if image is None:
                left.setdefault(what, []).append(name.encode(errors="replace").decode())
            else:
                images.append(image)
                names.append(name)
                changed += what
    coloured, resized = changed.tolist()
    whole = np.stack(images) if images else np.empty((0, SIDE, SIDE), np.uint8)
    return whole, names, {"coloured": coloured, "resized": resized, "left_out": left}


def _small(path: Path) -> tuple[np.ndarray | None, tuple[bool, bool] | str]:
    """A picture as (28, 28) uint8, and whether it was coloured and of another size; or why not."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return None, "named by bytes that are no text"
    if not path.stat().st_size:
        return None, "empty"
    try:
        with Image.open(path) as opened:
            size = opened.size
            opened.draft("RGB", (8 * SIDE, 8 * SIDE))  # a large JPEG is read at a smaller size
            image, coloured = _grey(_opaque(ImageOps.exif_transpose(opened)))
            return image, (coloured, size != (SIDE, SIDE))
    except Exception:  # Pillow has a different one for every kind of damage
        return None, "unreadable"


def _opaque(picture: Image.Image) -> Image.Image:
    """The picture on white where it was transparent, with eight bits a channel: grey or RGB."""
    if picture.mode.startswith("I"):  # 16 bits a pixel
        return Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _grey(picture: Image.Image) -> tuple[np.ndarray, bool]:
    """An opaque picture as (28, 28) uint8, and whether it has colours."""
    colours = np.asarray(picture.convert("RGB").resize((SIDE, SIDE))).astype(int)
    coloured = bool(np.ptp(colours, axis=2).max() > 8)  # JPEG leaves a little in grey ones
    grey = picture.convert("L")
    if grey.size != (SIDE, SIDE):
        pixels = np.asarray(grey)
        edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        grey = ImageOps.pad(grey, (SIDE, SIDE), color=int(np.median(edge)))
    return np.asarray(grey), coloured


def _array(source: Path) -> np.ndarray:
    """The array of an .npy or .npz file: (N, H, W) or (N, H, W, channels)."""
    try:
        found = np.load(source, mmap_mode="r")
        if isinstance(found, np.lib.npyio.NpzFile):
            names = found.files
            name = names[0] if len(names) == 1 else "images"
            if name not in names:
                raise UserError(f"{source}: arrays {', '.join(names)}; one must be called images")
            found = found[name]
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise UserError(f"{source}: cannot be read: {error}") from None
    if found.ndim == 4 and found.shape[3] == 1:
        found = found[..., 0]
    if found.ndim not in (3, 4) or (found.ndim == 4 and found.shape[3] != 3):
        raise UserError(f"{source}: {found.shape}; (N, H, W) or (N, H, W, 3) is needed")
    if found.dtype != np.uint8 and not np.issubdtype(found.dtype, np.floating):
        raise UserError(f"{source}: {found.dtype}; bytes or floats in [0, 1] are needed")
    return found


def _bytes(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
        raise UserError("an array of floats holds values outside of [0, 1]")
    return (pixels * 255).round().astype(np.uint8)


def _from_array(source: Path) -> tuple[np.ndarray, list[str], dict]:
    found = _array(source)
    small, resized = np.empty((len(found), SIDE, SIDE), np.uint8), found.shape[1:3] != (SIDE, SIDE)
    for row, pixels in enumerate(found):
        if resized or found.ndim == 4:
            small[row] = _grey(Image.fromarray(_bytes(pixels)))[0]
        else:
            small[row] = _bytes(pixels)
    many = len(found)
    changed = {"coloured": many * (found.ndim == 4), "resized": many * resized}
    return small, [str(row) for row in range(many)], {**changed, "left_out": {}}


def _usable(images: np.ndarray, names: list[str], left: dict):
    """The rows that are neither constant nor there before, their digests, and twins -> their places.

    `left` gets the names of the others.
    """
    kept: dict[str, int] = {}
    places, twins = {}, {}
    for row, image in enumerate(images):
        digest = hashlib.sha256(image.tobytes()).hexdigest()
        if image.min() == image.max():
            left.setdefault("constant", []).append(names[row])
        elif digest in kept:
            left.setdefault("there twice", []).append(names[row])
            twins[names[row]] = places[digest]
        else:
            places[digest], kept[digest] = len(kept), row
    return list(kept.values()), list(kept), twins
