"""What notebooks show, and the form in which the report reads it."""

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from simclr.errors import UserError
from simclr.report import show

NUMBERS = {"mean": 0.9446, "probe_mean": 0.9, "lead": -0.0123, "n": 10, "word": "x"}
NUMBERS |= {"nothing": None, "gone": float("nan")}


def shown(function, *arguments, **keywords) -> list:
    InteractiveShell.instance()
    with capture_output() as captured:
        function(*arguments, **keywords)
    return captured.outputs


def table(df, **keywords) -> list[list[str]]:
    """The cells of the table as the report gets it, and the sides of its columns."""
    output, _ = shown(show.table, df, "tbl-a", "A.", **keywords)
    assert output.metadata["simclr"] == {"kind": "table", "label": "tbl-a", "caption": "A."}
    head, rule, *rows = output.data["text/markdown"].splitlines()
    sides = ["right" if part.endswith(":") else "left" for part in rule.strip("|").split("|")]
    return [*([cell.strip() for cell in row.strip("|").split(" |")] for row in (head, *rows)), sides]


def test_table_has_cells_of_one_line_and_numbers_on_the_right():
    df = pd.DataFrame({"a b": ["two\nlines", "$x$"], "ok": [True, False], "share": [0.123, float("nan")]})
    df["n"], df["x"] = [1, 2], [-0.123456, 12345.6]
    assert table(df, formats={"share": ".1%", "a b": str}) == [
        ["a b", "ok", "share", "n", "x"],
        ["two lines", "yes", "12.3%", "1", "−0.123"],
        ["$x$", "no", "–", "2", "1.23e+04"],
        ["left", "left", "right", "right", "right"],
    ]
    assert table(df, formats={"x": lambda x: f"{x:,.0f} s"})[2][-1] == "12,346 s"


def test_table_shows_a_named_index_only():
    df = pd.DataFrame({"n": [1.5, 2.25]}, index=pd.Index(["a", "b"], name="method"))
    assert table(df)[1:-1] == [["a", "1.5"], ["b", "2.25"]]
    assert table(df.reset_index(drop=True))[1:-1] == [["1.5"], ["2.25"]]
    assert table(df[:0])[0] == ["method", "n"]


def said(template: str, *premises: str) -> list:
    return shown(show.Prose(NUMBERS), template, *premises)


def test_prose_fills_in_numbers_where_its_premises_hold():
    text = "{mean:.1%} {n} {word} {lead:.2f} {lead:.0f} $\\frac{{1}}{{2}}$"
    (output,) = said(text, "mean > probe_mean", "round(abs(lead), 2) == 0.01")
    assert output.metadata["simclr"] == {"kind": "prose"}
    assert output.data["text/markdown"] == "94.5% 10 x −0.01 0 $\\frac{1}{2}$"


def test_prose_that_does_not_fit_is_shown_with_a_note():
    text, note = said("{mean:.1%}, {gone:.1%}.", "lead > 0", "max(n, away) > 0")
    assert text.data["text/markdown"] == "94.5%, –."
    expected = (
        "**Different in this build.** The text above presumes `lead > 0`, but here `lead` is −0.0123; "
        "it rests on what this build did not measure (few draws give no interval): `gone`, `away`."
    )
    assert note.metadata["simclr"] == {"kind": "different", "note": expected}
    assert note.data["text/markdown"] == f"> {expected}"  # in Jupyter no fence of a div shows


@pytest.mark.parametrize("template", ["{word:.1f}", "\\frac{1}{2}", "{mean"])
def test_a_template_that_makes_no_sense_is_always_an_error(template):
    with pytest.raises(UserError, match=r"a brace is \{\{"):
        said(template)


@pytest.mark.parametrize("premise", ["mean >", "word > mean", "n / 0 > 1"])
def test_a_premise_that_makes_no_sense_is_always_an_error(premise):
    with pytest.raises(UserError) as error:
        said("Text.", "mean > 0", premise)
    assert f"in the premise '{premise}'" in str(error.value) and "'Text.'" in str(error.value)
