"""Pictures of the whole report, to be looked at: called by `make look`, needs Chromium and pdftoppm.

Writes runs/look/: page-WIDTH-THEME.png, the page from top to bottom at four widths in two themes, and
paper-NN.png, the pages of the PDF.
"""

import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from simclr import files

OUT = files.RUNS / "look"
WIDTHS = (360, 768, 1280, 1920)
THEMES = {"light": 1, "dark": 0}
TALL = 12_000  # pixels of a picture; more than some 16,000 are no picture for Chromium


def needed(*names: str, hint: str) -> str:
    """The path of the first of these programs that is there."""
    found = next(filter(None, map(shutil.which, names)), None)
    return found or sys.exit(f"error: {names[0]} is not installed: apt-get install {hint}")


def page(source: Path, chromium: str, width: int, theme: str, folder: Path) -> int:
    """Pictures of the page, each `TALL` at most; how many."""
    flags = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    flags += [f"--user-data-dir={folder}/profile", "--virtual-time-budget=30000"]
    flags += [f"--blink-settings=preferredColorScheme={THEMES[theme]}"]

    def frame(top: int, script: str = "") -> Path:
        """The page in a frame as wide as a phone, which no window is, moved up by `top`."""
        inner = source.read_text().replace("</body>", f"{script}</body>")
        look = f"border:0;margin-top:-{top}px"
        body = f'<iframe width="{width}" height="{top + TALL}" style="{look}" srcdoc="{html.escape(inner)}">'
        file = folder / "frame.html"
        file.write_text(f'<!doctype html><meta charset="utf-8"><body style="margin:0">{body}</iframe>')
        return file

    measure = "<script>setTimeout(() => {parent.document.title = root.scrollHeight}, 5000)</script>"
    dom = subprocess.run(
        [*flags, "--dump-dom", f"file://{frame(0, measure)}"], capture_output=True, text=True
    )
    height = int(re.search(r"<title>(\d+)</title>", dom.stdout)[1])
    for number, top in enumerate(range(0, height, TALL), 1):
        picture = OUT / f"page-{width}-{theme}-{number:02d}.png"
        size = f"--window-size={width},{min(TALL, height - top)}"
        command = [*flags, size, f"--screenshot={picture}", f"file://{frame(top)}"]
        subprocess.run(command, capture_output=True, check=True)
    return number


def main(report: Path) -> None:
    """Take all pictures of the report in a folder."""
    chromium = needed("chromium", "google-chrome", hint="chromium")
    pdftoppm = needed("pdftoppm", hint="poppler-utils")
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    counts = {}
    with tempfile.TemporaryDirectory() as folder:
        for width in WIDTHS:
            for theme in THEMES:
                name = f"{width} {theme}"
                counts[name] = page(report / "report.html", chromium, width, theme, Path(folder))
    paper = [pdftoppm, "-r", "80", "-png", report / "report.pdf", OUT / "paper"]
    subprocess.run(paper, check=True)
    print(f"{files.shown(OUT)}: {len(list(OUT.iterdir()))} pictures; of the page {json.dumps(counts)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
