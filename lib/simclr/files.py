"""Files written whole or not at all, and read with a clear error; light to import."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from simclr.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


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


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold `file` as a lock; a process that comes meanwhile says so once, and waits."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{file.parent}: waiting for another process that works there", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def write_json(file: Path, content: dict) -> None:
    with write_atomically(file) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def write_csv(file: Path, table: "pd.DataFrame") -> None:
    with write_atomically(file) as temporary:
        table.to_csv(temporary, index=False)


def read_json(file: Path) -> dict:
    """The JSON object in `file`; {} where there is no file."""
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UserError(f"{file}: not valid JSON ({error}); delete it and make it again") from None
