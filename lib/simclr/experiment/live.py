"""A line that says how far a training is."""

import shutil
import sys
import time


class Live:
    """A line on stdout that `live(text)` rewrites in place; in a log file, a new line once a minute."""

    def __init__(self) -> None:
        self._next = 0.0
        self._rewrites = sys.stdout.isatty() or "ipykernel" in sys.modules

    def __call__(self, text: str) -> None:
        """Show `text` unless the last one is too recent."""
        if time.monotonic() >= self._next:
            width = shutil.get_terminal_size().columns - 1
            line = f"\r{text[:width]:<{width}}" if self._rewrites else text
            print(line, end="" if self._rewrites else "\n", flush=True)
            self._next = time.monotonic() + (0.5 if self._rewrites else 60)

    def __enter__(self) -> "Live":
        return self

    def __exit__(self, *_: object) -> None:
        if self._rewrites and self._next:
            print(flush=True)
