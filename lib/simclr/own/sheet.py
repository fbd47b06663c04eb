"""Where a person labels the chosen images: a page for the keyboard, and a sheet for a pen."""

import base64
import html
import io
import json
import secrets
import threading
import warnings
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template

import pandas as pd
from IPython.display import IFrame
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from PIL import Image

from simclr import files
from simclr.errors import UserError
from simclr.own import labels
from simclr.own.project import Project

PAGE = Path(__file__).with_name("label.html")
_SIDE = 160  # pixels of a picture on the page, at most
_COLUMNS, _LINES = 6, 8  # of the paper


def write(project: Project) -> None:
    """Write label.pdf beside labels.csv."""
    table = labels.read_table(project.labels_file)
    pictures = _pictures(project, table)
    per_page = _COLUMNS * _LINES
    with files.write_atomically(project.folder / "label.pdf") as temporary, PdfPages(temporary) as pdf:
        for start in range(0, len(table), per_page):
            figure = Figure(figsize=(8.27, 11.69))  # A4
            figure.subplots_adjust(0.06, 0.05, 0.94, 0.95, hspace=0.55, wspace=0.3)
            some = table[labels.COLUMNS][start : start + per_page]
            for i, (name, label) in enumerate(some.to_numpy()):
                ax = figure.add_subplot(_LINES, _COLUMNS, i + 1)
                ax.imshow(pictures[start + i], cmap="gray", interpolation="nearest")
                ax.set(xticks=[], yticks=[])
                ax.set_title(f"{start + i + 1}  {name[-18:]}", size=6, parse_math=False)
                ax.set_xlabel(label[:20] or "________________", size=7, parse_math=False)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # letters that the font lacks
                pdf.savefig(figure)


def page(project: Project) -> str:
    """The page, with all its pictures inside."""
    table = labels.read_table(project.labels_file)
    images = [
        {"file": row.file, "label": row.label, "picture": _address(picture)}
        for row, picture in zip(table.itertuples(), _pictures(project, table), strict=True)
    ]
    data = json.dumps({"place": files.shown(project.labels_file), "images": images})
    data = data.replace("<", "\\u003c")  # no tag may end the script
    return Template(PAGE.read_text()).substitute(data=data)


def server(project: Project) -> tuple[ThreadingHTTPServer, str]:
    """A server on this machine alone for the page, which writes labels.csv at every label.

    Returns:
        The server, to call `serve_forever` of, and the page's address. It holds a secret, so that no
        other page can write.
    """
    page(project)  # what is wrong is said here, and not in the browser
    secret, writing = secrets.token_urlsafe(12), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("", lambda: page(project))

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            with writing:
                self._answer("labels", lambda: _save(project, json.loads(content)))

        def _answer(self, place: str, work: Callable[[], str]) -> None:
            status, text = 404, ""
            if self.path == f"/{secret}/{place}":
                try:
                    status, text = 200, work()
                except UserError as error:  # as the file is by now
                    print(f"error: {error}", flush=True)
                    status, text = 500, html.escape(str(error))
            content = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_) -> None:  # nothing on the terminal at every label
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    return running, f"http://127.0.0.1:{running.server_port}/{secret}/"


def _save(project: Project, changed: dict[str, str]) -> str:
    """Write some labels; the file may have been edited meanwhile, so nothing else is touched."""
    table = labels.read_table(project.labels_file)
    table["label"] = table.file.map(changed).fillna(table.label)
    files.write(project.labels_file, table.to_csv(index=False))
    return ""


def in_notebook(project: Project) -> IFrame:
    """The page, in Jupyter on this machine; it saves as long as the kernel lives."""
    running, address = server(project)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    return IFrame(address, "100%", 700)


def _pictures(project: Project, table: pd.DataFrame) -> list[Image.Image]:
    rows = labels.rows(table, project.collection.places, project.labels_file)
    return list(project.collection.pictures(rows, _SIDE))


def _address(picture: Image.Image) -> str:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
