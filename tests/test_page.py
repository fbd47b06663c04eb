"""The page in a browser: it fits every screen, is accessible, and its networks answer as PyTorch's do."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import axe_core_python
import pytest

from simclr import files
from simclr.experiment.stages import METHODS
from simclr.report import inline, playground, style

CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "google-chrome"])), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium found: apt-get install chromium"),
]
REPORT = (files.REPORTS / "report.html").read_text()
DATA = re.search(r'<script id="playground-data".*?>(.*?)</script>', REPORT, re.S)


def asked(page: str, script: str, folder, width: int = 1280, dark: bool = False):
    """What a script in a page finds, which it gives to `found`; in a frame, as no window is so small."""
    script = f"""<script>
      const found = (value) => {{ parent.document.body.dataset.found = JSON.stringify(value); }};
      (async () => {{ {script} }})().catch((error) => found(String(error.stack)));
    </script></body>"""
    inner = html.escape(page.replace("</body>", script))
    frame = f'<body><iframe width="{width}" height="800" srcdoc="{inner}"></iframe></body>'
    (folder / "frame.html").write_text(f'<!doctype html><meta charset="utf-8">{frame}')
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile"]
    flags += ["--hide-scrollbars", f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    flags += [f"--window-size={width + 100},900", "--virtual-time-budget=20000", "--dump-dom"]
    command = [CHROMIUM, *flags, f"file://{folder}/frame.html"]
    for _ in range(3):  # a busy Chromium now and then gives the page back before its script has run
        dom = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
        if found := re.search(r'data-found="([^"]*)"', dom):
            return json.loads(html.unescape(found[1]))
    raise AssertionError("the script found nothing")


@pytest.mark.parametrize(
    ("width", "dark"), [(360, True), (700, True), (768, False), (1080, True), (1280, True), (1920, False)]
)
def test_nothing_is_cut_or_scrolls_sideways(tmp_path, width, dark):
    script = """
      await new Promise((done) => { place.addEventListener('ready', done); place.scrollIntoView(); });
      const out = (e) => {
        const box = e.getBoundingClientRect();
        return box.width && (box.left < -1 || box.right > innerWidth + 1);
      };
      const wide = (e) => e.scrollWidth > e.clientWidth + 1;
      const name = (e) => e.closest('figure')?.id || e.className;
      found({
        page: root.scrollWidth,
        toc: toc.open,
        cut: [...document.querySelectorAll('.picture svg, table, figcaption, .answer *, canvas')]
          .filter(out).map(name),
        scrolls: [...document.querySelectorAll('figure .scroll, .equation .scroll')].filter(wide).map(name),
        ground: getComputedStyle(document.documentElement).backgroundColor,
        math: [...document.fonts].filter((f) => f.family.includes('STIX')).length,
      });"""
    found = asked(REPORT, script, tmp_path, width, dark)
    assert found["page"] <= width and found["cut"] == [] and found["scrolls"] == []
    assert found["toc"] is (width > 1152)  # folded on a phone
    assert found["math"] == 3
    assert found["ground"] == ("rgb(21, 23, 26)" if dark else "rgb(253, 253, 251)")


def test_one_title_the_section_being_read_is_marked_and_nothing_jumps(tmp_path):
    script = """
      const marked = (y) => { scrollTo(0, y); mark(); return current?.hash; };
      let shift = 0;
      new PerformanceObserver((list) => list.getEntries().forEach(({ value }) => { shift += value; }))
        .observe({ type: 'layout-shift', buffered: true });
      const all = [...toc.querySelectorAll('a')].map((a) => a.hash);
      const ends = [marked(0), marked(root.scrollHeight)].map((hash) => all.indexOf(hash));
      await new Promise((done) => setTimeout(done, 1000));
      found({ titles: document.querySelectorAll('h1').length, ends, many: all.length, shift });"""
    found = asked(REPORT.replace(DATA[0], ""), script, tmp_path)
    assert found["titles"] == 1 and found["ends"] == [-1, found["many"] - 1]
    assert found["shift"] < 0.01


def test_buttons_unfold_the_code_and_turn_the_figures_dark(tmp_path):
    script = """
      const ink = () => getComputedStyle(document.querySelector(".picture svg [style*='fill:var']")).fill;
      const all = [ink()];
      codeButton.click();
      themeButton.click();
      all.push(ink());
      found({ ink: all, open: codes.every((details) => details.open) });"""
    found = asked(REPORT.replace(DATA[0], ""), script, tmp_path)
    assert found["open"] and found["ink"][0] != found["ink"][1]


@pytest.mark.parametrize("dark", [False, True])
def test_an_accessibility_checker_finds_nothing_serious(tmp_path, dark):
    axe = Path(axe_core_python.__file__).with_name("axe.min.js").read_text()
    # what figures are drawn with is hidden from readers, and there is much of it
    page = re.sub(r'<svg class="(wide|narrow)?" viewBox.*?</svg>', "", REPORT, flags=re.S)
    page = page.replace("</body>", f"<script>{axe}</script></body>")
    script = """
      const { violations } = await axe.run(document, { resultTypes: ['violations'] });
      found(violations.filter((v) => ['serious', 'critical'].includes(v.impact))
        .map((v) => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 200)]));"""
    assert asked(page.replace(DATA[0], ""), script, tmp_path, dark=dark) == []


def test_the_pages_networks_answer_as_pytorchs_do(tmp_path):
    """On 200 test images, for each classifier, with the page's rounded weights."""
    script = """
      const { data, says, testImage } = await new Promise((done) => {
        place.addEventListener('ready', () => done(place));
        place.scrollIntoView();
      });
      found(data.methods.map(({ answers }, k) => [...Array(200).keys()].filter((i) => {
        const shares = says(k, testImage(i));
        return String(shares.indexOf(Math.max(...shares))) === answers[i];
      }).length));"""
    same = asked(REPORT, script, tmp_path)
    assert same == [200] * len(playground.METHODS)


def test_a_drawn_seven_is_seen_the_arrow_keys_choose_an_image_and_the_map_goes_back(tmp_path):
    script = """
      await new Promise((done) => { place.addEventListener('ready', done); place.scrollIntoView(); });
      const pad = document.querySelector('.pad'), pen = pad.getContext('2d');
      pen.beginPath(); pen.moveTo(60, 60); pen.lineTo(210, 60); pen.lineTo(120, 230); pen.stroke();
      pad.onpointerup();
      const drawn = [...document.querySelectorAll('.answer strong')].map((e) => e.textContent[0]);
      document.querySelector('.map').dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }));
      const epoch = document.querySelector('.choice input');
      const pixels = () => document.querySelector('.map').toDataURL();
      const last = pixels();
      epoch.value = 0;
      epoch.dispatchEvent(new Event('input'));
      const about = document.querySelector('.about').textContent;
      found({ drawn, about, epoch: epoch.ariaValueText, moved: pixels() !== last });"""
    found = asked(REPORT, script, tmp_path)
    assert found["drawn"][-1] == "7", found  # says the best of them
    answers = re.fullmatch(r"Test image 0, labelled \d\. (.+)", found["about"])[1].split("; ")
    shown = {style.name(method) for method in playground.METHODS}
    said = shown | {answer.split(": ")[0] for answer in answers if answer[-1].isdigit()}
    assert said >= {method.name for method in METHODS.values() if method.overview}
    assert found["epoch"] == "random weights" and found["moved"]


@pytest.mark.parametrize("dark", [False, True])
def test_colours_of_figures_carry_text(tmp_path, dark):
    """With a contrast of 4.5 : 1 or more, as WCAG 2 defines it."""
    methods = [method.colour for method in METHODS.values()]
    used = [style.INK, style.SOFT, style.ACCENT, *methods, "#ffffff", "#222222"]
    asked_for = json.dumps(["var(--paper)", "var(--ink)", *map(inline.both, used)])
    page = REPORT.replace(DATA[0], "")
    script = """
      const pen = new OffscreenCanvas(1, 1).getContext('2d');
      const probe = document.body.appendChild(document.createElement('i'));
      const light = (colour) => {
        probe.style.color = colour;
        pen.fillStyle = getComputedStyle(probe).color;
        pen.fillRect(0, 0, 1, 1);
        const linear = [...pen.getImageData(0, 0, 1, 1).data].map((v) => v / 255)
          .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05;
      };
      found(COLOURS.map(light));""".replace("COLOURS", asked_for)
    paper, ink, *lights, white, black = asked(page, script, tmp_path, dark=dark)
    assert all(max(one, paper) / min(one, paper) > 4.5 for one in lights)
    if dark:  # white and ink change places
        assert white == pytest.approx(paper, rel=0.05) and black == pytest.approx(ink, rel=0.05)
