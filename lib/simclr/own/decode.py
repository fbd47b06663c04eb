"""Pictures and arrays of any kind as small grey images."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from PIL import Image, ImageOps

from simclr.errors import UserError

SIDE = 28  # pixels; the encoder takes no more


def small(path: Path) -> tuple[np.ndarray | None, tuple[bool, bool] | str]:
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
            image, coloured = grey_image(opaque(ImageOps.exif_transpose(opened)))
            return image, (coloured, size != (SIDE, SIDE))
    except Exception:  # Pillow has a different one for every kind of damage
        return None, "unreadable"


def opaque(picture: Image.Image) -> Image.Image:
    """The picture on white where it was transparent, with eight bits a channel: grey or RGB."""
    if picture.mode.startswith("I"):  # 16 bits a pixel
        return Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def grey_image(picture: Image.Image) -> tuple[np.ndarray, bool]:
    """An opaque picture as (28, 28) uint8, and whether it has colours."""
    colours = np.asarray(picture.convert("RGB").resize((SIDE, SIDE))).astype(int)
    coloured = bool(np.ptp(colours, axis=2).max() > 8)  # JPEG leaves a little in grey ones
    grey = picture.convert("L")
    if grey.size != (SIDE, SIDE):
        pixels = np.asarray(grey)
        edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        grey = ImageOps.pad(grey, (SIDE, SIDE), color=int(np.median(edge)))
    return np.asarray(grey), coloured


def array(source: Path) -> np.ndarray:
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
    if found.dtype != np.uint8 and not ((found >= 0) & (found <= 1)).all():
        raise UserError(f"{source}: floats outside of [0, 1]")
    return found


def as_bytes(pixels: np.ndarray) -> np.ndarray:
    """Pixels, bytes or floats in [0, 1], as uint8."""
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    return (pixels * 255).round().astype(np.uint8)
