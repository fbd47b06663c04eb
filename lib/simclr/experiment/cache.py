"""What was trained once is kept under a key of all that shapes it, and never trained again.

A job is a call of a function; its key stands for the function's code, its inputs and the jobs whose
results it reads. Libraries' stores were looked at first: joblib.Memory follows only the source of the
function itself and not what that imports, and none of them checks digests when it reads.
"""

import ast
import errno
import hashlib
import json
import pkgutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from simclr import files
from simclr.errors import UserError

LIBRARY = Path(__file__).resolve().parents[2]  # the folder of the package `simclr`
# Digest of code -> that of earlier code which gave the same results, bit by bit; see `make unchanged`.
UNCHANGED = Path(__file__).with_name("unchanged.json")
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # errors of a disk that is full
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef  # what may have a docstring
ABOUT = "artefact.json"  # written last: a folder without it is unfinished


@dataclass(frozen=True)
class Job:
    """Something to train, and the folder that keeps what came out.

    Attributes:
        kind: what is made, as "pretrain" or "probe"; its folder in the cache.
        function: "module:name", called as `function(job, progress)`; it writes into `job.folder`.
        inputs: all that decides what comes out, as JSON: parameters, data, device, versions.
        uses: "module:name" of other functions that it calls by name; their code counts too.
        reads: name -> the job whose result it reads.
        data: the folder of the data set, whose digest is among the inputs.
        store: the folder of the cache.
    """

    kind: str
    function: str
    inputs: Mapping[str, object]
    uses: tuple[str, ...] = ()
    reads: Mapping[str, "Job"] = field(default_factory=dict)
    data: Path = files.DATA
    store: Path = files.RUNS / "cache"

    @cached_property
    def code(self) -> str:
        """What stands for the code that takes part."""
        digest = code_digest(*(name.split(":")[0] for name in (self.function, *self.uses)))
        return files.read_json(UNCHANGED).get(digest, digest)

    @cached_property
    def key(self) -> str:
        parts = {
            "inputs": self.inputs,
            "reads": {name: job.key for name, job in self.reads.items()},
            "code": self.code,
            "function": [self.function, *self.uses],
        }
        return files.digest(parts)

    @property
    def folder(self) -> Path:
        return self.store / self.kind / self.key

    def is_done(self) -> bool:
        return (self.folder / ABOUT).exists()

    def about(self) -> dict:
        """How it was made: inputs, seconds, machine."""
        return files.read_json(self.folder / ABOUT)

    def file(self, name: str) -> Path:
        """A file of the result, its digest checked.

        Raises:
            UserError: it is missing or not as it was written.
        """
        path, known = self.folder / name, self.about().get("files", {}).get(name)
        if known is None or not path.exists() or files.sha256(path) != known:
            raise UserError(
                f"{files.shown(path)}: missing or damaged; delete {files.shown(self.folder)} and "
                "run the same command again"
            )
        return path

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of an .npz file of the result, its digest checked."""
        with np.load(self.file(name)) as found:
            return dict(found)


def make(
    job: Job,
    record: Mapping[str, object],
    progress: Callable[[str], None] = lambda text: None,
    function: Callable | None = None,
) -> None:
    """Train a job unless its result is there; a second process that wants it waits, then finds it.

    What an interrupted training left in the folder is there for the function to go on from.

    Args:
        record: what else to write down about it, as machine and revision.
        function: called in the place of the job's own.
    """
    if job.is_done():
        return
    job.folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(job.folder.with_suffix(".lock"))
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        print(f"{job.kind}: waiting for another process that trains the same", flush=True)
        held = lock.acquire()
    with held:
        if not job.is_done():
            job.folder.mkdir(exist_ok=True)
            start = time.perf_counter()
            try:
                (function or pkgutil.resolve_name(job.function))(job, progress)
            except OSError as error:
                if error.errno not in FULL:
                    raise
                raise UserError(  # few writers say which file
                    f"{error.filename or files.shown(job.folder)}: {error.strerror}; what is done is kept: "
                    "make room and run the same command again"
                ) from None
            made = sorted(path for path in job.folder.iterdir() if path.is_file())
            about = {
                "kind": job.kind,
                "inputs": job.inputs,
                "reads": {name: read.key for name, read in job.reads.items()},
                "code": job.code,
                "seconds": round(time.perf_counter() - start, 2),
                "files": {path.name: files.sha256(path) for path in made},
                **record,
            }
            files.write_json(job.folder / ABOUT, about)


def missing(jobs: list[Job]) -> list[Job]:
    """Those of the jobs, and of what they read, that are not done, in the order to do them."""
    found: dict[str, Job] = {}

    def look(job: Job) -> None:
        if not job.is_done():
            for read in job.reads.values():
                look(read)
            found.setdefault(job.key, job)

    for job in jobs:
        look(job)
    return list(found.values())


@cache
def code_digest(*modules: str) -> str:
    """What stands for the code of modules and of all that they import, by what it does.

    It is made of their syntax trees without docstrings, so comments, layout and docstrings do not
    count. Imports are followed inside the package `simclr`, not into other packages.
    """
    found: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found:
            tree = ast.parse(_path(name).read_text())
            found[name] = json.dumps(_meaning(tree))
            waiting += imports(tree)
    return hashlib.sha256(json.dumps(sorted(found.items())).encode()).hexdigest()[:16]


def _path(module: str) -> Path:
    place = LIBRARY / Path(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def imports(tree: ast.Module) -> list[str]:
    """The modules of `simclr` that a module imports, wherever in it."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "simclr":
            for alias in node.names:  # `from simclr import loss` names a module, or a name of one
                module = f"{node.module}.{alias.name}"
                names.append(module if _path(module).exists() else node.module)
        elif isinstance(node, ast.Import):
            names += [a.name for a in node.names if a.name.split(".")[0] == "simclr"]
    return names


def _meaning(node: object) -> object:
    """A syntax tree as nested lists without positions, docstrings and empty fields.

    `ast.dump` is not used since its text differs between versions of Python.
    """
    if isinstance(node, list):
        return [_meaning(each) for each in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = []
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            value = value[1:]
        if value or (isinstance(node, ast.Constant) and name == "value"):
            parts.append([name, _meaning(value)])
    return [type(node).__name__, parts]
