"""What notebooks show: figures, tables, prose with computed numbers, and a live progress line.

Each output carries `{"simclr": {...}}` in its metadata. `simclr.report` reads nothing else, so a
stray print or widget never reaches the report.
"""

import base64
import difflib
import html
import io
import math
import re
import string
import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from simclr.errors import UserError
from simclr.figstyle import STYLE  # sets svg.hashsalt: no random ids

Format = str | Callable[[object], str]


def setup() -> None:
    """Set the project's figure style, with SVG that is the same byte for byte at every run."""
    plt.style.use(STYLE)


def figure(fig: Figure, label: str, caption: str, photo: bool = False) -> None:
    """Show a figure, in Jupyter and in the report, and close it.

    Args:
        label: as in `@fig-baseline-curve`; starts with `fig-`.
        caption: Markdown, may hold `$math$`, citations and references. Also the alternative text.
        photo: a picture of images, not a chart; the page marks it as one.
    """
    _check_label(label, "fig-")
    svg, png = io.StringIO(), io.BytesIO()
    with plt.style.context(STYLE):  # also for those who did not call setup()
        fig.savefig(svg, format="svg", metadata={"Date": None})
        fig.savefig(png, format="png", dpi=144, facecolor="white")  # for readers without SVG
    plt.close(fig)  # else Jupyter shows it a second time
    _publish(
        {
            "image/svg+xml": svg.getvalue(),
            "image/png": base64.b64encode(png.getvalue()).decode(),
            "text/plain": f"[{label}] {caption}",
        },
        {"kind": "figure", "label": label, "caption": caption, "photo": photo},
    )
    # Jupyter shows no caption of its own; the report, which does, skips this one.
    _publish({"text/markdown": f"*{label}* — {caption}", "text/plain": caption}, {"kind": "skip"})


def table(
    df: pd.DataFrame, label: str, caption: str, formats: Mapping[str, Format] | None = None
) -> None:
    """Show a table, in Jupyter and in the report. Cells are Markdown; numbers stand on the right.

    Args:
        df: a named index becomes the first columns, an unnamed one is left out.
        label: as in `@tbl-claims`; starts with `tbl-`.
        formats: column -> format spec (".1%") or a function of the value.

    Raises:
        UserError: a label that does not fit, or a format for a column that is not there.
    """
    _check_label(label, "tbl-")
    named = [name for name in df.index.names if name is not None]
    df = df.reset_index(level=named) if named else df
    unknown = [name for name in formats or {} if name not in df.columns]
    if unknown:
        raise UserError(f"table {label}: no column {unknown[0]!r}; columns: {list(df.columns)}")
    right = [is_numeric_dtype(df[name]) and not is_bool_dtype(df[name]) for name in df.columns]
    cells = [[_cell(value, (formats or {}).get(name)) for value in df[name]] for name in df.columns]
    heads, rows = [str(name) for name in df.columns], list(zip(*cells, strict=True))
    _publish(
        {
            "text/markdown": _pipe_table(heads, rows, right),
            "text/html": _html_table(heads, rows, right, f"{label} — {caption}"),
            "text/plain": f"[{label}] {caption}",
        },
        {"kind": "table", "label": label, "caption": caption},
    )


def say(template: str, numbers: Mapping[str, object]) -> None:
    """Show Markdown prose whose numbers are filled in: `{probe_mean:.1%}`; a brace is `{{`.

    Raises:
        UserError: a number that is unknown, missing (None, NaN) or does not fit its format.
    """
    try:
        text = _Prose().vformat(template, (), _Numbers(numbers))
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise UserError(f"prose {template.strip()[:60]!r}: {error} (a brace is {{{{)") from None
    _publish({"text/markdown": text, "text/plain": text}, {"kind": "prose"})


class Progress:
    """One live line on stdout, rewritten in place: `progress(text)`, twice a second at most.

    It uses nothing but a carriage return, so it works in a terminal, in Jupyter and in a notebook
    run by papermill, and it leaves one line behind and no dead widget.
    """

    def __init__(self, stream: TextIO | None = None, interval: float = 0.5):
        self._stream, self._interval = stream, interval
        self._shown, self._pending, self._next = "", "", 0.0

    def __call__(self, text: str) -> None:
        """Show `text` on the live line, or keep it for later if the last one is too recent."""
        self._pending = text
        if time.monotonic() >= self._next:
            self._write()

    def close(self) -> None:
        """Write what is pending and end the line."""
        self._write()
        if self._shown:
            stream = self._stream or sys.stdout
            stream.write("\n")
            stream.flush()
            self._shown, self._pending = "", ""

    def _write(self) -> None:
        if self._pending == self._shown:
            return
        stream = self._stream or sys.stdout
        stream.write("\r" + self._pending.ljust(len(self._shown)))  # blanks cover a longer text
        stream.flush()
        self._shown, self._next = self._pending, time.monotonic() + self._interval


class _Prose(string.Formatter):
    def format_field(self, value: object, spec: str) -> str:
        return _written(value, spec)


def _written(value: object, spec: str) -> str:
    """Numbers with a true minus sign, and none before one that rounds to zero; words as they are."""
    text = format(value, spec)
    if isinstance(value, str):
        return text
    return (text if re.search("[1-9]", text) else text.lstrip("-")).replace("-", "−")


class _Numbers(dict):
    def __getitem__(self, name: str) -> object:
        if name not in self:
            near = difflib.get_close_matches(name, self, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UserError(f"prose: number {name!r} is not known{hint}")
        value = super().__getitem__(name)
        if _is_missing(value):
            raise UserError(f"prose: number {name!r} is missing ({value})")
        return value


def _publish(data: dict[str, object], metadata: dict[str, object]) -> None:
    display(data, metadata={"simclr": metadata}, raw=True)


def _check_label(label: str, prefix: str) -> None:
    if not re.fullmatch(prefix + "[a-z0-9]+(-[a-z0-9]+)*", label):
        raise UserError(f"label {label!r}: must be {prefix!r} and then a-z, 0-9 and hyphens")


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _cell(value: object, spec: Format | None) -> str:
    if _is_missing(value):
        return "–"
    if callable(spec):
        return str(spec(value))
    if spec is not None:
        return _written(value, spec)
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return "yes" if value else "no"
    return _written(value, ".3g") if isinstance(value, float) else str(value)


def _pipe_table(heads: list[str], rows: list[tuple[str, ...]], right: list[bool]) -> str:
    rule = ["---:" if r else ":---" for r in right]
    heads = [_escape_pipe(head) for head in heads]
    lines = [heads, rule, *([_escape_pipe(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _escape_pipe(cell: str) -> str:
    """Escape bars, but not in `$maths$` and `code`, which pandoc keeps whole by itself."""
    kept = r"(\$(?! )[^$]+(?<! )\$(?!\d)|`[^`]+`)"
    parts = re.split(kept, " ".join(cell.split()))
    parts[::2] = [re.sub(r"(?<!\\)\|", r"\|", part) for part in parts[::2]]
    return "".join(parts)


def _html_table(heads: list[str], rows: list[tuple[str, ...]], right: list[bool], cap: str) -> str:
    def line(cells: list[str] | tuple[str, ...], tag: str) -> str:
        sides = ["right" if r else "left" for r in right]
        return "".join(
            f'<{tag} style="text-align:{side}">{html.escape(cell)}</{tag}>'
            for cell, side in zip(cells, sides, strict=True)
        )

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return (
        f"<table><caption>{html.escape(cap)}</caption>"
        f"<thead><tr>{line(heads, 'th')}</tr></thead><tbody>{body}</tbody></table>"
    )
