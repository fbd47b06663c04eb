"""A line that says how far a training is."""

import sys
import time


class Live:
    """A line on stdout that `live(text)` rewrites in place; in a log file, a new line once a minute."""

    def __init__(self) -> None:
        self._next, self._open = 0.0, False

    def __call__(self, text: str) -> None:
        """Show `text`, unless another was shown only now."""
        if time.monotonic() < self._next:
            return
        self._open = sys.stdout.isatty() or "ipykernel" in sys.modules
        print(f"\r{text:<90}" if self._open else text, end="" if self._open else "\n", flush=True)
        self._next = time.monotonic() + (0.5 if self._open else 60)

    def __enter__(self) -> "Live":
        return self

    def __exit__(self, *_: object) -> None:
        if self._open:
            print(flush=True)
