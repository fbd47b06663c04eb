"""Where things are, and files that are written whole or not at all."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simclr.errors import UserError

ROOT = Path(__file__).resolve().parents[2]  # lib/simclr is installed in place
DATA = ROOT / "data"
RUNS = ROOT / "runs"
REPORTS = ROOT / "reports"
PARAMS = ROOT / "params"
NOTEBOOKS = ROOT / "notebooks"


@contextmanager
def write_atomically(file: Path) -> Iterator[Path]:
    """Yield a temporary path beside `file`; rename it to `file` if the block ends well."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp{file.suffix}")
    try:
        yield temporary
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def write(file: Path, content: str | bytes) -> None:
    """Write a file, whole or not at all."""
    with write_atomically(file) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(file: Path, content: dict) -> None:
    """Write `content` as indented JSON."""
    write(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_json(file: Path) -> dict:
    """The JSON object in `file`; {} where there is no file."""
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UserError(f"{file}: not valid JSON ({error}); delete it and make it again") from None


def shown(file: Path) -> str:
    """The path as messages write it: relative to the project where it lies inside."""
    return str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else str(file)


def digest(content: object) -> str:
    """16 hexadecimal digits that stand for a JSON value."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def sha256(file: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with open(file, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
