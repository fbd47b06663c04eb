"""A line that says how far a training is."""

import shutil
import sys
import time


class Live:
    """A line on stdout that `live(text)` rewrites in place; in a log file, a new line once a minute."""

    def __init__(self) -> None:
        self._shown, self._pending, self._next = "", "", 0.0
        self._rewrites = sys.stdout.isatty() or "ipykernel" in sys.modules

    def __call__(self, text: str) -> None:
        """Show `text`, or keep it for later if the last one is too recent."""
        self._pending = text
        if time.monotonic() >= self._next:
            self._show()

    def _show(self) -> None:
        if not self._rewrites:
            print(self._pending, flush=True)
        else:
            text = self._pending[: shutil.get_terminal_size().columns - 1]
            print("\r" + text.ljust(len(self._shown)), end="", flush=True)  # covers a longer text
            self._shown = text
        self._next = time.monotonic() + (0.5 if self._rewrites else 60)

    def __enter__(self) -> "Live":
        return self

    def __exit__(self, *_: object) -> None:
        if self._rewrites and self._pending:
            self._show()
            print(flush=True)
