"""The exporter, on small notebooks that hold everything a report may hold."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from simclr import display, report
from simclr.errors import UserError

NUMBERS = {"baseline_mean": 0.8471, "probe_mean": 0.9446}


def outputs(function, *arguments, **keywords) -> list:
    """What Jupyter would store for a call of `display`."""
    InteractiveShell.instance()
    with capture_output() as captured:
        function(*arguments, **keywords)
    return [
        new_output("display_data", data=dict(o.data), metadata=dict(o.metadata))
        for o in captured.outputs
    ]


def code(source: str, *calls, tags=()) -> nbformat.NotebookNode:
    cell = new_code_cell(source, outputs=[o for call in calls for o in call])
    cell.metadata["tags"] = list(tags)
    return cell


def text(source: str, *tags) -> nbformat.NotebookNode:
    return new_markdown_cell(source, metadata={"tags": list(tags)})


def chart(label: str, caption: str, width: float = 5.0) -> list:
    fig, ax = plt.subplots(figsize=(width, 2.6))
    ax.plot([10, 20, 50, 100], [0.41, 0.6, 0.78, 0.85], color="#1787B5")
    ax.set(xlabel="labels", ylabel="accuracy")
    return outputs(display.figure, fig, label, caption)


def photo(label: str, caption: str) -> list:
    fig, axes = plt.subplots(1, 6, figsize=(9, 1.5))  # wider than the page
    for k, ax in enumerate(axes):
        ax.imshow(np.add.outer(np.arange(28), np.arange(28) * k) % 256, cmap="gray")
        ax.set_title(f"digit {k}")
    return outputs(display.figure, fig, label, caption, photo=True)


def wide_table(label: str) -> list:
    claims = pd.DataFrame(
        {
            "Claim of the source": [
                "Accuracy reaches a plateau at 80–85 % after about 60 examples [@metin2026]",
                "The variance is clearly smaller than that of the baseline | σ",
            ],
            "Source": [0.85, 0.91],
            "Measured": [0.8471, float("nan")],
            "Holds": [True, False],
            "Why": [
                "It does here too, see @fig-curve.",
                "Balanced draws leave less to vary: $|x|<1$.",
            ],
        }
    )
    return outputs(
        display.table,
        claims,
        label,
        "Claims, and what was found.",
        {"Source": ".1%", "Measured": ".1%"},
    )


def make_notebooks(folder: Path) -> list[Path]:
    """Two executed notebooks; the last one has the front matter."""
    stream = new_output("stream", text="epoch 1/20 STREAM-TEXT")
    widget = new_output("display_data", data={"text/plain": "WIDGET-TEXT"})
    first = [
        text(
            "# Baseline {#sec-baseline}\n\n*Reads* FOLDER-TEXT.\n*Writes* more.\n\n"
            "As in [@lecun1998gradient], by @kingma2015adam."
        ),
        code("epochs = 20  # passes\nname = '~~~'", [stream, widget], tags=["parameters"]),
        text("## The curve {#sec-curve}\n\n@fig-curve, @tbl-counts, @eq-ntxent, @sec-result."),
        code(
            "display.figure(SHOWN_CODE)",
            chart("fig-curve", "Accuracy over labels, $\\tau = 0.5$, as in [@chen2020simclr]."),
        ),
        code("hidden_code = 1", photo("fig-digits", 'Six "digits".'), tags=["remove-input"]),
        code("secret = 1", [widget], tags=["remove-cell"]),
        text(
            "The loss of a pair is\n"
            "$$\\ell_{i,j} = -\\log \\frac{\\exp(\\operatorname{sim}(z_i, z_j)/\\tau)}"
            "{\\sum_{k=1}^{2N} \\mathbb{1}_{[k \\neq i]} \\exp(\\mathrm{sim}(z_i, z_k)/\\tau)}"
            "$$ {#eq-ntxent}\nwith $\\tau$ a temperature and $\\lVert z\\rVert = 1$.\n\n"
            "$$ \\ln(2N - 1) $$\n\nthen\n\n$$ a^2 + b^2 = c^2 $$ {#eq-last}"
        ),
        code(
            "counts",
            outputs(
                display.table,
                pd.DataFrame(
                    {"digit": ["four", "nine"], "errors": [100, 14], "share": [0.1, 0.0142]}
                ),
                "tbl-counts",
                "Errors of each digit.",
                {"share": ".1%"},
            ),
        ),
    ]
    last = [
        text("# Abstract {.unnumbered}\n\nFRONT-TEXT in short.", "front"),
        text("# Introduction {#sec-introduction}\n\nThe question of @sec-baseline.", "front"),
        text("# Results {#sec-result}\n\n## Claims\n\n### Details\n\n@tbl-claims and @eq-last."),
        code("claims", wide_table("tbl-claims")),
        code(
            "say",
            outputs(display.say, "It reaches {probe_mean:.1%}.", NUMBERS),
            tags=["remove-input"],
        ),
        code("again", chart("fig-last", "The last one.", width=3)),
        text("As shown in [@fig-curve; @fig-last] and by @chen2020simclr."),
    ]
    files = [folder / "01_baseline.ipynb", folder / "06_comparison.ipynb"]
    for file, cells in zip(files, [first, last], strict=True):
        book = new_notebook(cells=cells)
        book.metadata["papermill"] = {"parameters": {"dataset": "mnist"}}
        nbformat.write(book, file)
    return files


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The fake report and where it was exported."""
    folder = tmp_path_factory.mktemp("report")
    made = report.collect(make_notebooks(folder))
    report.write_html(made, folder / "report.html")
    report.write_pdf(made, folder / "report.pdf")
    return made, folder


@pytest.fixture(scope="module")
def page(built) -> str:
    return (built[1] / "report.html").read_text()


@pytest.fixture(scope="module")
def source(built, tmp_path_factory) -> str:
    """The Typst source that the PDF is made from."""
    folder = tmp_path_factory.mktemp("typst")
    return report._pandoc(built[0], folder, "typst-citations", "--syntax-highlighting=none")


def plain(page: str) -> str:
    """The words of a page, without tags, styles and scripts."""
    page = re.sub(r"(?s)<(style|script|annotation).*?</\1>|<[^>]+>", "", page)
    return " ".join(page.replace("\xa0", " ").split())


def test_order_and_content(page):
    words = plain(page[page.index("<main") :])
    expected = [
        "How well can digits be classified with 100 labels?",
        "FRONT-TEXT in short.",
        "1 Introduction",
        "2 Baseline",
        "2.1 The curve",
        "Figure 1. Accuracy over labels",
        "Figure 2. Six",
        "(1)",
        "Table 1. Errors of each digit.",
        "3 Results",
        "3.1.1 Details",
        "It reaches 94.5%.",
        "References",
        "A Simple Framework for Contrastive Learning",
    ]
    places = [words.find(text) for text in expected]
    assert -1 not in places, expected[places.index(-1)]
    assert places == sorted(places)


def test_what_stays_out(page, source):
    for output in (page, source):
        for word in (
            "STREAM-TEXT",
            "WIDGET-TEXT",
            "FOLDER-TEXT",
            "Writes",
            "hidden_code",
            "secret",
            "fig-curve* —",
        ):
            assert word not in output


def test_numbers_are_the_same_in_both(page, source):
    sections = re.findall(r'<h\d[^>]*><span class="number">([\d.]+)</span> (.*?)</h\d>', page)
    assert sections == re.findall(r'#section\(\d, "([\d.]+)"\)\[(.*?)\]', source)
    figures = re.findall(r'<figure id="(fig-[^"]+)".*?Figure\s(\d+)\.', page, re.S)
    assert figures == [
        (label, number)
        for number, label in re.findall(r'#picture\("(\d+)".*?\] <(fig-[a-z-]+)>', source, re.S)
    ]
    assert [label for label, _ in figures] == ["fig-curve", "fig-digits", "fig-last"]
    equations = re.findall(r'<div id="(eq-[^"]+)".*?\((\d+)\)', page, re.S)
    assert equations == [("eq-ntxent", "1"), ("eq-last", "2")]
    assert re.findall(r'#equation\("(\d+)"\)\[.*?<(eq-[a-z]+)>\]', source) == [
        ("1", "eq-ntxent"),
        ("2", "eq-last"),
    ]


def test_references_are_links(page, source):
    links = dict(re.findall(r'<a href="#([a-z-]+)">([^<]*)</a>', page[page.index("<main") :]))
    expected = {"fig-curve": "Figure\xa01", "tbl-claims": "Table\xa02", "eq-last": "Equation\xa02"}
    expected |= {"sec-result": "Section\xa03", "tbl-counts": "Table\xa01"}
    assert expected.items() <= links.items()
    for target, words in expected.items():
        kind, number = words.split("\xa0")
        assert f"#link(<{target}>)[{kind}~{number}]" in source


def test_every_link_inside_has_a_target(page):
    ids = set(re.findall(r'\bid="([^"]+)"', page))
    assert len(ids) == len(re.findall(r'\bid="([^"]+)"', page)), "an id is used twice"
    for target in re.findall(r'href="#([^"]+)"', page):
        assert target in ids or re.fullmatch(r"cb\d+-\d+", target)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("See @fig-nowhere.", "reference @fig-nowhere leads nowhere"),
        ("See @sec-nowhere.", "reference @sec-nowhere leads nowhere"),
        ("As in [@nobody1999].", "citation @nobody1999 is not in references.bib"),
        ("\n\n## Twice {#sec-curve}\n", "label sec-curve is defined twice"),
        ("$\\nosuchmacro{$", "nosuchmacro"),
    ],
)
def test_mistakes_are_named(built, tmp_path, extra, message):
    made = replace(built[0], markdown=f"{built[0].markdown}\n\n{extra}")
    with pytest.raises(UserError, match=re.escape(message)):
        report.write_html(made, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_failed_cell_names_the_notebook(tmp_path):
    error = new_output("error", ename="ValueError", evalue="no", traceback=[])
    file = tmp_path / "01_baseline.ipynb"
    nbformat.write(new_notebook(cells=[code("x", [error])]), file)
    with pytest.raises(UserError, match=r"01_baseline\.ipynb: a cell failed: ValueError: no"):
        report.collect([file])


def test_missing_notebook_names_its_target(tmp_path, monkeypatch):
    sources = tmp_path / "notebooks"
    sources.mkdir()
    (sources / "03_probe.ipynb").touch()
    (sources / "01_baseline-Copy1.ipynb").touch()  # a copy of somebody's, no stage
    monkeypatch.setattr(report.paths, "NOTEBOOKS", sources)
    with pytest.raises(UserError, match=r"03_probe\.ipynb: not built; run `make probe`"):
        report.find_notebooks("full", "source", tmp_path)
    with pytest.raises(UserError, match="`make probe PROFILE=quick VARIANT=kmnist`"):
        report.find_notebooks("quick", "kmnist", tmp_path)


def test_command_says_one_line(tmp_path, monkeypatch, capsys):
    sources = tmp_path / "notebooks"
    sources.mkdir()
    (sources / "03_probe.ipynb").touch()
    monkeypatch.setattr(report.paths, "NOTEBOOKS", sources)
    with pytest.raises(SystemExit) as stop:
        report.main(["html", "--runs", str(tmp_path)])
    assert stop.value.code == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("error: ") and complaint.count("\n") == 1


def test_command_builds_both(built, tmp_path, monkeypatch):
    sources, run = tmp_path / "notebooks", tmp_path / "runs" / "quick" / "source"
    sources.mkdir()
    for file in built[1].glob("*.ipynb"):
        shutil.copy(file, sources)
        (run / file.stem[3:]).mkdir(parents=True)
        shutil.copy(file, run / file.stem[3:])
    monkeypatch.setattr(report.paths, "NOTEBOOKS", sources)
    for kind in ("html", "pdf"):
        report.main([kind, "--profile", "quick", "--runs", str(tmp_path / "runs")])
    names = {file.name for file in (run / "report").iterdir()}
    assert names == {"report.html", "report.pdf", "figures"}
    assert "Built with profile “quick”" in (run / "report" / "report.html").read_text()


def test_folder_of_the_report():
    runs = report.paths.RUNS
    assert report.paths.report_folder("full", "source", runs) == report.paths.REPORTS
    assert (
        report.paths.report_folder("quick", "source", runs) == runs / "quick" / "source" / "report"
    )
    elsewhere = report.paths.report_folder("full", "source", Path("/somewhere/runs-verify"))
    assert elsewhere == Path("/somewhere/runs-verify/full/source/report")


def test_title_names_another_dataset(tmp_path):
    book = new_notebook(cells=[text("# One")])
    book.metadata["papermill"] = {"parameters": {"dataset": "fashion-mnist"}}
    nbformat.write(book, file := tmp_path / "06_comparison.ipynb")
    title = report.collect([file]).metadata["title"]
    assert title == "How well can articles of clothing be classified with 100 labels?"
    book.metadata["papermill"] = {"parameters": {"n_labels": [10, 20]}}
    nbformat.write(book, first := tmp_path / "01_baseline.ipynb")
    assert report.collect([first, file]).metadata["title"].endswith("classified with 20 labels?")
    assert report.collect([file], title="Mine").metadata["title"] == "Mine"


def test_same_bytes_again(built, tmp_path):
    _, folder = built
    again = report.collect(make_notebooks(tmp_path))
    report.write_html(again, tmp_path / "report.html")
    report.write_pdf(again, tmp_path / "report.pdf")
    for name in ("report.html", "report.pdf", "figures/fig-curve.svg", "figures/fig-digits.svg"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_figures_are_written_and_old_ones_removed(built, tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "fig-old.svg").touch()
    report.write_html(built[0], tmp_path / "report.html")
    names = sorted(file.name for file in (tmp_path / "figures").iterdir())
    assert names == ["fig-curve.svg", "fig-digits.svg", "fig-last.svg"]


class Resources(HTMLParser):
    """Collects what a browser would load, and what a reader without eyes needs."""

    def __init__(self):
        super().__init__()
        self.loaded, self.images = [], []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag != "a":
            self.loaded += [found[k] for k in ("src", "href", "srcset", "data") if found.get(k)]
        if tag == "img":
            self.images.append(found)


def test_page_is_self_contained(page):
    parser = Resources()
    parser.feed(page)
    assert parser.loaded and all(link.startswith(("data:", "#")) for link in parser.loaded)
    for target in re.findall(r"url\(\s*[\"']?([^\"')]+)", page):
        assert target.startswith("data:")
    assert "@import" not in page and "default-src" in page


def test_page_is_accessible(page):
    parser = Resources()
    parser.feed(page)
    alternatives = [image["alt"] for image in parser.images]
    assert alternatives[1] == "Six “digits”." and all(alternatives)
    assert '<html lang="en">' in page and 'class="skip" href="#content"' in page
    assert 'aria-label="Contents"' in page and 'role="region" tabindex="0"' in page


def test_code_is_folded(page, source):
    assert page.count('<details class="code">') == 5
    assert "<summary>Parameters</summary>" in page and "Show all code" in page
    assert "SHOWN_CODE" in page and "SHOWN_CODE" not in source and "epochs =" not in source


def test_photos_and_charts_are_told_apart(page):
    assert 'id="fig-digits" class="photo"' in page and 'id="fig-curve" class="chart"' in page


def test_tables(page, source):
    counts = page[page.index('id="tbl-counts"') :].split("</figure>")[0]
    assert counts.count("text-align: right") == 6  # two columns of numbers, three rows
    claims = page[page.index('id="tbl-claims"') :].split("</figure>")[0]
    assert "baseline | σ" in claims and "Figure\xa01" in claims and "–" in plain(claims)
    assert re.search(r'#tabular\("2", \(\d+fr, auto, auto, auto, \d+fr,\)', source)


def test_pdf_has_vector_figures_and_its_own_fonts(built):
    pdf = (built[1] / "report.pdf").read_bytes()
    fonts = set(re.findall(rb"/BaseFont\s*/([\w+-]+)", pdf))
    assert fonts and all(re.match(rb"[A-Z]{6}\+", font) for font in fonts), "not embedded"
    assert any(b"LibertinusSerif" in font for font in fonts)
    assert len(re.findall(rb"/FontFile3", pdf)) >= len(fonts) / 2
    images = re.findall(rb"/Subtype\s*/Image", pdf)
    assert len(images) <= 12  # the six pictures and their masks; no chart is a bitmap


def test_figures_fit_the_page(built, source):
    widths = dict(re.findall(r'figures/(fig-[a-z]+)\.svg", ([\d.]+)pt', source))
    assert float(widths["fig-digits"]) == 648  # the template caps it at the width of the text
    assert "calc.min(width, room.width)" in source


def test_bibliography_is_complete():
    entries = (report.BIBLIOGRAPHY).read_text()
    keys = re.findall(r"^@\w+\{([\w-]+),", entries, re.M)
    assert len(keys) == len(set(keys)) >= 25
    for body in re.split(r"^@", entries, flags=re.M)[1:]:
        assert re.search(r"\bauthor\s*=", body) and re.search(r"\btitle\s*=", body), body[:40]
        assert re.search(r"\b(year|date)\s*=", body), body[:40]


# ---- in a browser --------------------------------------------------------------------------------

CHROMIUM = next(
    filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None
)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium found: apt-get install chromium"
)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MEASURE = """<script>
const style = (name) => getComputedStyle(document.querySelector(name));
const background = () => getComputedStyle(root).backgroundColor;
const found = { width: innerWidth, page: root.scrollWidth, before: background() };
found.toc = toc.open;
found.current = document.querySelectorAll('[aria-current]').length;
codeButton.click();
found.open = codes.every((details) => details.open);
found.wide = root.scrollWidth;
found.card = style('.chart .picture').backgroundColor;
themeButton.click();
found.after = background();
found.cardAfter = style('.chart .picture').backgroundColor;
found.filter = style('.chart img').filter;
found.math = [...document.fonts].filter((f) => f.family.includes('STIX')).length;
try { found.stored = localStorage.getItem('theme'); } catch {}
parent.document.body.dataset.found = JSON.stringify(found);
</script></body>"""


def look(page: str, folder: Path, width: int, *flags: str) -> dict:
    """What the page is like at that width; in a frame, as no window can be so small."""
    inner = page.replace("</body>", MEASURE).replace("&", "&amp;").replace('"', "&quot;")
    frame = f'<body><iframe width="{width}" height="800" srcdoc="{inner}"></iframe></body>'
    (folder / "frame.html").write_text(f'<!doctype html><meta charset="utf-8">{frame}')
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [CHROMIUM, *FLAGS, profile, *flags, "--dump-dom", f"file://{folder}/frame.html"]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout
    found = re.search(r'data-found="([^"]*)"', dom)
    assert found, "the page's script did not run"
    return json.loads(found[1].replace("&quot;", '"'))


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("width", [360, 1400])
def test_page_in_a_browser(page, tmp_path, width):
    found = look(page, tmp_path, width)
    assert found["width"] == width
    assert found["page"] <= width and found["wide"] <= width, "the page scrolls sideways"
    assert found["toc"] is (width > 1000)  # folded on a phone
    assert found["current"] == 1 and found["open"] and found["math"] == 3
    assert found["before"] == "rgb(253, 253, 251)" and found["card"] == "rgba(0, 0, 0, 0)"
    assert found["after"] == "rgb(21, 23, 26)" and found["stored"] == "dark"
    # figures keep their colours, on a light card
    assert found["cardAfter"] == "rgb(247, 247, 244)" and found["filter"] == "none"


@pytest.mark.browser
@needs_chromium
def test_dark_when_the_system_is_dark(page, tmp_path):
    found = look(page, tmp_path, 1000, "--blink-settings=preferredColorScheme=0")
    assert found["before"] == "rgb(21, 23, 26)" and found["card"] == "rgb(247, 247, 244)"
    assert found["after"] == "rgb(253, 253, 251)" and found["stored"] == "light"


def requests(page: str, folder: Path) -> set[str]:
    """The hosts that a browser asks for something, less those of the browser's own services."""
    log, file = folder / "net.json", folder / "page.html"
    file.write_text(page)
    flags = [*FLAGS, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}"]
    command = [CHROMIUM, *flags, f"--screenshot={folder / 'page.png'}", f"file://{file}"]
    subprocess.run(command, capture_output=True, timeout=180, check=True)
    assert (folder / "page.png").stat().st_size > 1000
    hosts = set(re.findall(r'"url":"https?://([^/"]+)', log.read_text()))
    return {
        host for host in hosts if not host.endswith(("google.com", "googleapis.com", "gvt1.com"))
    }


@pytest.mark.browser
@needs_chromium
def test_no_request_leaves_the_page(page, tmp_path):
    assert requests(page, tmp_path) == set()
    control = '<meta charset="utf-8"><img src="http://127.0.0.1:9/pixel.png">'
    assert requests(control, tmp_path) == {"127.0.0.1:9"}, "the log would not have shown it"
