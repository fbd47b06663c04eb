"""What is imported is declared, what is declared is used, and the lock holds it."""

import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from simclr import files

PROJECT = tomllib.loads((files.ROOT / "pyproject.toml").read_text())
LOCK = (files.ROOT / "requirements.lock").read_text()
RUNTIME = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
EXTRAS = PROJECT["project"]["optional-dependencies"]
DEV = [Requirement(text) for texts in EXTRAS.values() for text in texts]
NOTEBOOKS = sorted(files.NOTEBOOKS.glob("*.ipynb"))
# Names to import that are not the package's own name.
IMPORTED_AS = {
    "axe-core-python": "axe_core_python",
    "ipython": "IPython",
    "scikit-learn": "sklearn",
    "pyyaml": "yaml",
    "pillow": "PIL",
    "pypandoc-binary": "pypandoc",
}
# Used by command, or by papermill and JupyterLab for us.
COMMANDS = {"jupyterlab", "ipykernel", "nbconvert", "ruff", "nbstripout", "pre-commit", "uv"}
COMMANDS |= {"setuptools"}


def locked() -> dict[str, list[Requirement]]:
    """Each package of the lock with its pins; more than one where Python versions differ."""
    found: dict[str, list[Requirement]] = {}
    for line in re.findall(r"^([a-z0-9].*?) \\$", LOCK, re.M):
        pin = Requirement(line)
        found.setdefault(canonicalize_name(pin.name), []).append(pin)
    return found


@pytest.mark.parametrize("wanted", RUNTIME + DEV, ids=str)
def test_the_lock_pins_every_direct_dependency_within_its_range(wanted: Requirement):
    pins = locked().get(canonicalize_name(wanted.name), [])
    assert pins, f"{wanted.name} is not in requirements.lock: run `make lock`"
    for pin in pins:
        (version,) = [clause.version for clause in pin.specifier]
        assert version in wanted.specifier, f"{pin} is not {wanted}: run `make lock`"
    assert "://" not in LOCK  # no address of an index


PEERS = (files.ROOT / "benchmarks" / "requirements.txt").read_text()


def sources() -> Iterator[tuple[Path, str]]:
    """Every Python source of the project, the notebooks' code among them."""
    for folder in ("lib", "tests", "benchmarks"):
        for file in (files.ROOT / folder).rglob("*.py"):
            yield file, file.read_text()
    for file in NOTEBOOKS:
        for cell in json.loads(file.read_text())["cells"]:
            if cell["cell_type"] == "code":
                yield file, re.sub(r"^[%!].*", "", "".join(cell["source"]), flags=re.M)


def imports(text: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split(".")[0])
    return names


def declared(requirements: list[Requirement]) -> set[str]:
    names = [canonicalize_name(r.name) for r in requirements]
    return {IMPORTED_AS.get(name, name) for name in names}


def test_all_that_is_imported_is_declared():
    own = {
        "simclr",
        *(f.stem for d in ("tests", "benchmarks") for f in (files.ROOT / d).glob("*.py")),
    }
    for file, text in sources():
        known = declared(RUNTIME) | own | sys.stdlib_module_names
        if not file.is_relative_to(files.ROOT / "lib") and file.suffix == ".py":
            known |= declared(DEV)
        if file.is_relative_to(files.ROOT / "benchmarks"):  # the peers that `make bench` installs
            known |= set(re.findall(r"^[a-z]+", PEERS, re.M))
        assert imports(text) <= known, file


def test_all_that_is_declared_is_used():
    imported = set().union(*(imports(text) for _, text in sources()))
    assert declared(RUNTIME + DEV) - COMMANDS <= imported
