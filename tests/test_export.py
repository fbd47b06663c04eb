"""The exporter, on small notebooks that hold everything a report may hold."""

import html
import re
from dataclasses import replace
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from test_show import shown

from simclr.errors import UserError
from simclr.report import export, show, style

show.setup()
TITLE = {"title": "How well can digits be classified?", "date": "1 May 2026", "author": "A. Author"}
NOON = 1_777_636_800  # seconds since 1970
LOSS = r"""The loss of a pair is

$$\ell_{i,j} = -\log \frac{\exp(z_i / \tau)}{\sum_k \mathbb{1}_{[k \neq i]} \exp(z_k / \tau)}$$ {#eq-ntxent}

with $\lVert z\rVert = 1$. By chance it is

$$\ln(2N - 1)$$

and $$a^2 + b^2 = c^2$$ stays in its line.

$$e = mc^2$$ {#eq-last}"""
PLATEAU = "Accuracy reaches a plateau at 80–85 % after about 60 examples [@metin2026]"
CLAIMS = pd.DataFrame({
    "Claim of the source": [PLATEAU, "The variance is clearly smaller than that of the baseline, σ"],
    "Source": [0.85, 0.91],
    "Measured": [0.8471, float("nan")],
    "Holds": [True, False],
    "Why": ["See @fig-curve.", "Balanced draws leave less to vary: $x<1$."],
})  # fmt: skip
FIGURES = ("fig-curve", "fig-wide", "fig-late", "fig-last")


def outputs(function, *arguments, **keywords) -> list:
    """What Jupyter would store for a call of `show`."""
    found = shown(function, *arguments, **keywords)
    stored = [{"data": dict(o.data), "metadata": dict(o.metadata)} for o in found]
    return [new_output("display_data", **output) for output in stored]


def code(source: str, *calls, tags=()) -> nbformat.NotebookNode:
    stored = [output for call in calls for output in call]
    return new_code_cell(source, outputs=stored, metadata={"tags": list(tags)})


def text(source: str, *tags) -> nbformat.NotebookNode:
    return new_markdown_cell(source, metadata={"tags": list(tags)})


def drawn(label: str, caption: str, width: float = 5.0, **keywords) -> list:
    fig, ax = style.panels(2.6, width=width)
    ax.plot([10, 20, 50, 100], [0.41, 0.6, 0.78, 0.85], color="#1787B5")
    return outputs(show.figure, fig, label, caption, **keywords)


def make_notebooks(folder: Path) -> list[Path]:
    """Two executed notebooks; the last one has the front matter."""
    stream = new_output("stream", text="STREAM-TEXT")
    widget = new_output("display_data", data={"text/plain": "WIDGET-TEXT"})
    setting = outputs(show.parameters, pd.DataFrame({"parameter": ["SETTING"], "value": [1]}))
    prose = show.Prose({"probe_mean": 0.9446, "lead": -1.25})
    counts = pd.DataFrame({"digit": ["four", "nine"], "n": [100, 14], "share": [0.1, 0.0142]})
    caption = "Accuracy over labels, $\\tau = 0.5$, as in [@chen2020simclr]."
    first = [
        text("# Baseline {#sec-baseline}\n\n*Reads* FOLDER-TEXT.\nWrites.\n\nBy @kingma2015adam."),
        code("epochs = 20", tags=["parameters"]),
        code("epochs = 2", tags=["injected-parameters"]),
        text("## The curve {#sec-curve}\n\n@fig-curve, @tbl-counts, @eq-ntxent, @sec-result."),
        code("'~~~SHOWN_CODE'", setting, [stream, widget], drawn("fig-curve", caption)),
        code("secret = 1", drawn("fig-wide", 'Six "x".', 9, photo=True), tags=["remove-input"]),
        code("secret = 2", [widget], tags=["remove-cell"]),
        code("", drawn("fig-late", "A detail."), tags=["appendix", "remove-input"]),
        text(LOSS),
        code("", outputs(show.table, counts, "tbl-counts", "Errors.", {"share": ".1%"})),
        code("", outputs(show.source, show.fenced)),
    ]
    last = [
        text("# Abstract {.unnumbered}\n\nFRONT-TEXT in short.", "front"),
        text("# Introduction {#sec-intro}\n\nSee [01_baseline](01_baseline.ipynb).", "front"),
        text("# Results {#sec-result}\n\n## Claims\n\n### Details\n\n@tbl-claims and @eq-last."),
        code("claims", outputs(show.table, CLAIMS, "tbl-claims", "Claims.", {"Source": ".1%"})),
        code("", outputs(prose, "It reaches {probe_mean:.1%}.", "lead > 0")),
        code("again", drawn("fig-last", "The last one.", width=3)),
        text("As shown in [@fig-curve; @fig-last] and by @chen2020simclr, see @sec-machine."),
        text("# Settings {.appendix #sec-settings}\n\n## Machine {#sec-machine}\n\n# Data\n\nEnd."),
    ]
    books = [folder / "01_baseline.ipynb", folder / "07_comparison.ipynb"]
    for file, cells in zip(books, [first, last], strict=True):
        nbformat.write(new_notebook(cells=cells), file)
    return books


def build(folder: Path) -> export.Report:
    made = export.collect(make_notebooks(folder), **TITLE)
    export.write_html(made, folder / "report.html")
    export.write_pdf(made, folder / "report.pdf", NOON)
    return made


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The fake report and where it was exported."""
    folder = tmp_path_factory.mktemp("report")
    return build(folder), folder


@pytest.fixture(scope="module")
def page(built) -> str:
    return (built[1] / "report.html").read_text()


@pytest.fixture(scope="module")
def source(built, tmp_path_factory) -> str:
    """The Typst source that the PDF is made from."""
    folder = tmp_path_factory.mktemp("typst")
    return export._pandoc(built[0], folder, "typst-citations", "--syntax-highlighting=none")


def plain(page: str) -> str:
    """The words of a page, without tags, styles and scripts."""
    page = re.sub(r"(?s)<(style|script|annotation).*?</\1>|<[^>]+>", "", page)
    return " ".join(html.unescape(page).split())


def test_order_and_content(page):
    found = plain(page[page.index("<main") :])
    expected = [
        *(TITLE["title"], TITLE["author"], TITLE["date"], "FRONT-TEXT in short."),
        *("1 Introduction", "2 Baseline", "2.1 The curve", "Figure 1. Accuracy over labels"),
        *("Figure 2. Six", "(1)", "Table 1. Errors.", "3 Results", "3.1.1 Details"),
        *("It reaches 94.5%.", "Different in this build. The text above presumes lead > 0"),
        *("References", "A Simple Framework for", "A Settings", "A.1 Machine", "B Data"),
        *("C Further figures and tables", "Figure 4. A detail."),
    ]
    places = [found.find(text) for text in expected]
    assert -1 not in places, expected[places.index(-1)]
    assert places == sorted(places)


def test_what_stays_out(page, source):
    words = ["STREAM-TEXT", "WIDGET-TEXT", "FOLDER-TEXT", "Writes", "secret", "SETTING", "epochs ="]
    for word in [*words, "fig-curve* —", "ipynb"]:
        assert word not in page and word not in source


def test_numbers_are_the_same_in_both(page, source):
    sections = re.findall(r'<h\d[^>]*><span class="number">([\w.]+)</span> (.*?)</h\d>', page)
    assert sections == re.findall(r'#section\(\d, "([\w.]+)"\)\[(.*?)\]', source)
    figures = re.findall(r'<figure id="(fig-[^"]+)".*?Figure\s(\d+)\.', page, re.S)
    drawn = re.findall(r'#picture\("(\d+)".*?\] <(fig-[a-z-]+)>', source, re.S)
    assert figures == [(label, number) for number, label in drawn]
    equations = re.findall(r'<div id="(eq-[^"]+)".*?\((\d+)\)', page, re.S)
    assert equations == [("eq-ntxent", "1"), ("eq-last", "2")]
    numbered = re.findall(r'#equation\("(\d+)"\)\[.*?<(eq-[a-z]+)>\]', source)
    assert equations == [(label, number) for number, label in numbered]


def test_references_are_links_to_what_is_there(page, source):
    links = dict(re.findall(r'<a href="#([a-z-]+)">([^<]*)</a>', page[page.index("<main") :]))
    expected = {"fig-curve": "Figure\xa01", "tbl-claims": "Table\xa02", "eq-last": "Equation\xa02"}
    expected |= {"sec-baseline": "Section\xa02", "sec-machine": "Appendix\xa0A.1"}
    assert expected.items() <= links.items()
    for target, words in expected.items():
        assert f"#link(<{target}>)[{'~'.join(words.split())}]" in source
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)), "an id is used twice"
    for target in re.findall(r'href="#([^"]+)"', page):
        assert target in ids or re.fullmatch(r"cb\d+-\d+", target)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("See @sec-nowhere.", "reference @sec-nowhere leads nowhere"),
        ("As in [@nobody1999].", "citation @nobody1999 is not in references.bib"),
        ("[@fig-curve; @metin2026]", "reference @metin2026 leads nowhere"),
        ("\n\n## Twice {#sec-curve}\n", "label sec-curve is defined twice"),
        ("$\\nosuchmacro{$", "nosuchmacro"),
        ("\n\n$$a$$ and more", "a displayed equation shares its paragraph with other text"),
    ],
)
def test_mistakes_are_named(built, tmp_path, extra, message):
    made = replace(built[0], markdown=f"{built[0].markdown}\n\n{extra}")
    with pytest.raises(UserError, match=re.escape(message)):
        export.write_html(made, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_same_bytes_again_and_old_figures_removed(built, tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "fig-old.svg").touch()
    build(tmp_path)
    names = {f"figures/{label}.svg" for label in FIGURES}
    assert {f"figures/{f.name}" for f in (tmp_path / "figures").iterdir()} == names
    for name in ("report.html", "report.pdf", *names):
        assert (tmp_path / name).read_bytes() == (built[1] / name).read_bytes(), name


def test_page_is_self_contained_and_accessible(page):
    loaded = re.findall(r'<(?!a )[^>]*?\b(?:src|href|srcset|data)="([^"]+)"', page)
    loaded += re.findall(r"url\(\s*[\"']?([^\"')]+)", page)
    assert loaded and all(link.startswith(("data:", "#")) for link in loaded)
    assert "@import" not in page and "default-src" in page
    for label in FIGURES:  # a figure is called by its number
        assert f'role="img" aria-labelledby="{label}-number"><svg' in page
        assert f'id="{label}-number"' in page


def test_figures_are_part_of_the_page_and_follow_its_theme(page):
    ids = re.findall(r' id="([^"]+)"', page)
    used = re.findall(r'(?:url\(|<use href=")#([^")]+)', page)
    assert used and set(used) <= set(ids)
    assert page.count('<svg class="wide"') == page.count('<svg class="narrow"') == 3  # no photo
    assert "--0:light-dark(#" in page and "fill:#" not in page


def test_code_is_folded_and_only_on_the_page(page, source):
    summaries = re.findall(r'<details class="code">\s*<summary>\s*(.*?)\s*</summary>', page)
    assert summaries == ["Code", "fenced", "Code", "Code"]
    assert "SHOWN_CODE" in page and "SHOWN_CODE" not in source and "fence" not in source


def test_photos_charts_and_tables(page, source):
    assert 'id="fig-wide" class="photo"' in page and 'id="fig-curve" class="chart"' in page
    found = page[page.index('id="tbl-counts"') :].split("</figure>")[0]
    assert found.count("text-align: right") == 6  # two columns of numbers, three rows
    found = page[page.index('id="tbl-claims"') :].split("</figure>")[0]
    assert "baseline, σ" in found and "Figure\xa01" in found and "–" in plain(found)
    assert re.search(r'#tabular\("2", \(\d+fr, auto, auto, auto, \d+fr,\)', source)


def test_pdf_says_that_it_is_accessible(built):
    """Typst refuses to say so where an alternative text or a level of headings is missing."""
    pdf = (built[1] / "report.pdf").read_bytes()
    assert b"<pdfuaid:part>1</pdfuaid:part>" in pdf and b"/StructTreeRoot" in pdf
