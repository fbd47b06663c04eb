"""What notebooks show: figures, tables, and prose with computed numbers.

Each output carries `{"simclr": {...}}` in its metadata. `report.export` reads nothing else, so a
stray print or widget never reaches the report.
"""

import base64
import inspect
import io
import re
import string
import textwrap
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure
from pandas.api.types import is_bool, is_float, is_scalar
from PIL import Image
from tabulate import tabulate

from simclr.errors import UserError
from simclr.report.style import narrow, setup, written

__all__ = ["Prose", "escaped", "fenced", "figure", "parameters", "setup", "source", "table"]
Format = str | Callable[[object], str]
NARROW = "application/vnd.simclr.narrow+svg"  # the MIME type of a figure for phones
CALLABLE = {"abs": abs, "min": min, "max": max, "round": round}  # all that a premise may call


def figure(fig: Figure, label: str, caption: str, photo: bool = False) -> None:
    """Show a figure, in Jupyter and in the report.

    On phones the page shows another form of it: a chart is made narrow here, a picture carries its own.

    Args:
        label: as in `@fig-baseline-curve`; starts with `fig-`.
        caption: Markdown, may hold `$math$`, citations and references. Also the PDF's alternative text.
        photo: a picture of images, not a chart; the page marks it as one.
    """
    width = 72 * fig.get_figwidth()  # points
    content = {"image/svg+xml": _svg(fig)}
    phone = getattr(fig, "phone", None)  # see `pictures`
    if not photo:
        narrow(fig)
        phone = fig
    if phone:
        content[NARROW] = _svg(phone)
    _publish_labelled(content, label, caption, kind="figure", width=width, photo=photo)


def _svg(fig: Figure) -> str:
    svg = io.StringIO()
    fig.savefig(svg, format="svg", metadata={"Date": None})
    small = re.sub(r"(\.\d{3})\d+", r"\1", svg.getvalue())  # thousandths of a point are enough
    return _fewer_colours(re.sub(r">\s+<", "><", small))


def _fewer_colours(svg: str) -> str:
    """What a figure draws as a PNG, digits or a chart's dots, in 64 colours: half of the room or less."""

    def smaller(found: re.Match) -> str:
        content = io.BytesIO()
        image = Image.open(io.BytesIO(base64.b64decode(found.group())))
        image.quantize(64).save(content, "PNG", optimize=True)
        return base64.b64encode(content.getvalue()).decode()

    return re.sub(r'(?<=data:image/png;base64,)[^"]+', smaller, svg)


def table(df: pd.DataFrame, label: str, caption: str, formats: Mapping[str, Format] | None = None) -> None:
    """Show a table, in Jupyter and in the report. Cells are Markdown; numbers stand on the right.

    Args:
        df: a named index becomes the first columns, an unnamed one is left out.
        label: as in `@tbl-claims`; starts with `tbl-`.
        formats: column -> format spec (".1%") or a function of the value.
    """
    df = df.reset_index(level=[name for name in df.index.names if name is not None])
    content = {"text/markdown": _pipe_table(df, formats or {})}
    _publish_labelled(content, label, caption, kind="table")


def parameters(df: pd.DataFrame) -> None:
    """Show a table of parameters in Jupyter; it is no part of the report."""
    _publish({"text/markdown": _pipe_table(df, dict.fromkeys(df, str))}, kind="skip")


def escaped(text: str) -> str:
    """Text, as a file's name, as Markdown that shows just that."""
    return re.sub(r"([^\w\s])", r"\\\1", text)


def source(of: Callable | type) -> None:
    """Show the source of a function or class: in Jupyter as it is, in the HTML report folded."""
    code = textwrap.dedent(inspect.getsource(of))
    _publish({"text/markdown": fenced(code)}, kind="source", name=of.__qualname__)


def fenced(code: str) -> str:
    """Python code as Markdown."""
    return f"~~~~ python\n{code.strip()}\n~~~~"


class Prose(string.Formatter):
    """Shows Markdown with its numbers filled in, and checks what its wording takes for granted.

    Where that does not hold, a note below the text says so: another machine's training takes another
    path, and whoever rebuilds the report there shall get it. In the committed one no note may stand,
    which a test sees to.

    Args:
        numbers: what templates and premises may name; a name that is not there was not measured.
    """

    def __init__(self, numbers: Mapping[str, object]):
        self._numbers = numbers

    def __call__(self, template: str, *premises: str) -> None:
        """Show a paragraph.

        Args:
            template: Markdown in which `{probe_mean:.1%}` is filled in; a brace is `{{`.
            premises: Python expressions over the numbers that must be true for the text to be.

        Raises:
            UserError: a template or a premise that makes no sense.
        """
        self._wrong, self._missing, part = [], [], "a brace is {{"
        try:
            text = self.format(template)
            for premise in premises:
                part = f"in the premise {premise!r}"
                self._check(premise)
        except Exception as error:  # whatever a template or a premise may fail with
            start = textwrap.shorten(template, 60, placeholder=" …")
            raise UserError(f"prose {start!r}: {error}; {part}") from None
        _publish({"text/markdown": text}, kind="prose")
        if missing := list(dict.fromkeys(self._missing)):
            names = ", ".join(f"`{name}`" for name in missing[:3])
            names += f" and {len(missing) - 3} more" * (len(missing) > 3)
            self._wrong.append(
                f"rests on what this build did not measure (few draws give no interval): {names}"
            )
        if self._wrong:
            wrong = "; it ".join(dict.fromkeys(self._wrong))
            note = f"**Different in this build.** The text above {wrong}."
            _publish({"text/markdown": f"> {note}"}, kind="different", note=note)

    def get_value(self, key: str | int, args: Sequence, kwargs: Mapping) -> object:
        if not isinstance(key, str):  # as in the maths of a fraction
            raise ValueError("a number has a name")
        value = self._numbers.get(key)
        if _is_missing(value):
            self._missing.append(key)
        return value

    def format_field(self, value: object, spec: str) -> str:
        return "–" if _is_missing(value) else written(value, spec)

    def _check(self, premise: str) -> None:
        """Note a premise that is false, or over a number that was not measured."""
        code = compile(premise.strip(), "premise", "eval")
        names = [name for name in code.co_names if name not in CALLABLE]
        used = {name: self.get_value(name, (), {}) for name in names}
        if any(map(_is_missing, used.values())):
            return
        if not eval(code, {"__builtins__": {}, **CALLABLE, **used}):
            shown = [(k, written(v, ".6g") if is_float(v) else v) for k, v in used.items()]
            values = " and ".join(f"`{name}` is {value}" for name, value in shown)
            self._wrong.append(f"presumes `{premise}`, but here {values}")


def _publish(content: dict[str, str], **metadata: object) -> None:
    plain = {"text/plain": content.get("text/markdown", "")}
    display(plain | content, metadata={"simclr": metadata}, raw=True)


def _publish_labelled(content: dict, label: str, caption: str, **metadata) -> None:
    plain = {"text/plain": f"[{label}] {caption}"}
    _publish(content | plain, label=label, caption=caption, **metadata)
    # Jupyter shows no caption of its own; the report, which does, skips this one.
    _publish({"text/markdown": f"*{label}* — {caption}"}, kind="skip")


def _is_missing(value: object) -> bool:
    return is_scalar(value) and pd.isna(value)


def _cell(value: object, spec: Format | None) -> str:
    if _is_missing(value):
        return "–"
    if callable(spec):
        return str(spec(value))
    if is_bool(value) and spec is None:
        return "yes" if value else "no"
    return written(value, spec or (".3g" if is_float(value) else ""))


def _pipe_table(df: pd.DataFrame, formats: Mapping[str, Format]) -> str:
    columns = [[str(name), *(_cell(value, formats.get(name)) for value in df[name])] for name in df]
    head, *rows = zip(*([" ".join(cell.split()) for cell in column] for column in columns), strict=True)
    sides = ["right" if name in df.select_dtypes("number") else "left" for name in df]
    return tabulate(rows, head, "pipe", disable_numparse=True, colalign=sides)
