"""What notebooks show, and the form in which the report reads it."""

import io

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from simclr import display
from simclr.errors import UserError


def shown(function, *arguments, **keywords) -> list:
    InteractiveShell.instance()
    with capture_output() as captured:
        function(*arguments, **keywords)
    return captured.outputs


def draw():
    fig, ax = plt.subplots(figsize=(3, 2))
    ax.plot([1, 2], [3, 4])
    ax.set_title("text")
    return fig


def test_figure_carries_its_metadata_and_closes():
    fig = draw()
    picture, caption = shown(display.figure, fig, "fig-a", "A $x$.", photo=True)
    assert picture.metadata["simclr"] == {
        "kind": "figure",
        "label": "fig-a",
        "caption": "A $x$.",
        "photo": True,
    }
    assert {"image/svg+xml", "image/png"} <= picture.data.keys()
    assert caption.metadata["simclr"] == {"kind": "skip"}
    assert "A $x$." in caption.data["text/markdown"]
    assert not plt.fignum_exists(fig.number)


def test_figure_is_the_same_bytes_with_letters_as_outlines():
    first, second = (shown(display.figure, draw(), "fig-a", "A.")[0].data for _ in range(2))
    assert first["image/svg+xml"] == second["image/svg+xml"]
    assert "<text" not in first["image/svg+xml"] and "<dc:date>" not in first["image/svg+xml"]


def test_setup_sets_the_style():
    with plt.rc_context():
        display.setup()
        assert plt.rcParams["svg.hashsalt"] == "simclr" and plt.rcParams["svg.fonttype"] == "path"


@pytest.mark.parametrize("label", ["curve", "tbl-a", "fig-A", "fig-a_b", "fig-"])
def test_a_label_that_does_not_fit_is_named(label):
    with pytest.raises(UserError, match=f"label '{label}'"):
        display.figure(draw(), label, "A.")
    plt.close("all")


def table(df, **keywords) -> str:
    (output,) = shown(display.table, df, "tbl-a", "A.", **keywords)
    assert output.metadata["simclr"] == {"kind": "table", "label": "tbl-a", "caption": "A."}
    return output.data["text/markdown"]


def test_table_is_a_pipe_table():
    df = pd.DataFrame({"name": ["a|b", "$|x|$"], "n": [1, 2], "share": [0.123, float("nan")]})
    assert table(df, formats={"share": ".1%", "name": str}).splitlines() == [
        "| name | n | share |",
        "| :--- | ---: | ---: |",
        r"| a\|b | 1 | 12.3% |",
        "| $|x|$ | 2 | – |",
    ]


def test_table_shows_a_named_index_only():
    df = pd.DataFrame({"n": [1.5, 2.25]}, index=pd.Index(["a", "b"], name="method"))
    assert table(df).splitlines()[2:] == ["| a | 1.5 |", "| b | 2.25 |"]
    assert table(df.reset_index(drop=True)).splitlines()[2:] == ["| 1.5 |", "| 2.25 |"]


def test_table_cells():
    df = pd.DataFrame({"ok": [True, False], "s": ["a\nb", "`c|d`"], "x": [0.123456, 12345.6]})
    text = table(df, formats={"x": lambda value: f"{value:,.0f} s"})
    assert text.splitlines()[1:] == [
        "| :--- | :--- | ---: |",
        "| yes | a b | 0 s |",
        "| no | `c|d` | 12,346 s |",
    ]


def test_html_of_a_table_is_escaped():
    (output,) = shown(display.table, pd.DataFrame({"a": ["<b>"]}), "tbl-a", "A & B.")
    assert "&lt;b&gt;" in output.data["text/html"] and "A &amp; B." in output.data["text/html"]


def test_a_format_for_no_column_is_named():
    with pytest.raises(UserError, match="no column 'mean'"):
        display.table(pd.DataFrame({"a": [1]}), "tbl-a", "A.", {"mean": ".1f"})


def test_say_fills_in_numbers():
    numbers = {"mean": 0.9446, "n": 10}
    (output,) = shown(display.say, "{mean:.1%} over {n} draws, $\\frac{{1}}{{2}}$", numbers)
    assert output.metadata["simclr"] == {"kind": "prose"}
    assert output.data["text/markdown"] == "94.5% over 10 draws, $\\frac{1}{2}$"


def test_say_writes_a_true_minus_and_none_before_zero():
    numbers = {"low": -3.471, "none": -0.001, "gain": 0.5, "when": "2026-01-02"}
    (output,) = shown(display.say, "{low:.2f}, {none:.2f}, {gain:+.1f}, {when}", numbers)
    assert output.data["text/markdown"] == "−3.47, 0.00, +0.5, 2026-01-02"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{probe_men}", "number 'probe_men' is not known; did you mean 'probe_mean'?"),
        ("{nothing:.1f}", "number 'nothing' is missing"),
        ("{gone:.1%}", "number 'gone' is missing"),
        ("{word:.1f}", "Unknown format code 'f'"),
        ("\\frac{1}{2}", "a brace is {{"),
        ("{}", "a brace is {{"),
    ],
)
def test_say_names_what_is_wrong(template, message):
    numbers = {"probe_mean": 0.9, "nothing": None, "gone": float("nan"), "word": "x"}
    with pytest.raises(UserError) as error:
        display.say(template, numbers)
    assert message in str(error.value)


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(display, "time", made)
    return made


def test_progress_is_written_twice_a_second_at_most(clock):
    stream = io.StringIO()
    progress = display.Progress(stream)
    for step in range(40):
        progress(f"step {step}")
        clock.now += 0.25
    assert stream.getvalue().count("\r") == 20
    progress.close()
    assert stream.getvalue().endswith("step 39\n")


def test_progress_covers_a_longer_text_and_keeps_lines(clock):
    stream = io.StringIO()
    progress = display.Progress(stream=stream)
    progress("a long text")
    clock.now += 1
    progress("short")
    progress.close()
    progress("next")
    progress.close()
    assert stream.getvalue() == "\ra long text\rshort      \n\rnext\n"


def test_progress_writes_nothing_that_is_unchanged(clock):
    stream = io.StringIO()
    progress = display.Progress(stream=stream)
    progress.close()
    assert stream.getvalue() == ""
    for _ in range(3):
        progress("same")
        clock.now += 1
    assert stream.getvalue() == "\rsame"


def test_progress_goes_to_the_stdout_of_the_moment(capsys):
    progress = display.Progress()
    progress("1")
    progress.close()
    assert capsys.readouterr().out == "\r1\n"
