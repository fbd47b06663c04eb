"""pyproject.toml, requirements.lock and environment.yml agree, and nothing is left out."""

import ast
import importlib.metadata
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import simclr
from simclr import files

PROJECT = tomllib.loads((files.ROOT / "pyproject.toml").read_text())
LOCK = (files.ROOT / "requirements.lock").read_text()
ENVIRONMENT = yaml.safe_load((files.ROOT / "environment.yml").read_text())
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


# ---- One list of dependencies, three files ----


@pytest.mark.parametrize("wanted", RUNTIME + DEV, ids=str)
def test_the_lock_pins_every_direct_dependency_within_its_range(wanted: Requirement):
    pins = locked().get(canonicalize_name(wanted.name), [])
    assert pins, f"{wanted.name} is not in requirements.lock: run `make lock`"
    for pin in pins:
        (version,) = [clause.version for clause in pin.specifier]
        assert version in wanted.specifier, f"{pin} is not {wanted}: run `make lock`"


def test_every_pin_has_hashes_and_no_address_is_in_the_lock():
    entries = re.split(r"^(?=[a-z0-9])", LOCK, flags=re.M)[1:]
    assert len(entries) > 100
    for entry in entries:
        assert re.match(
            r"[a-z0-9_.-]+==\S+( ; .*)? \\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n)+$", entry
        )
    assert "://" not in LOCK
    assert not re.search(r"^ *(-f|-i|--(extra-)?index|--find|--trusted)", LOCK, re.M)


def test_what_is_installed_here_is_what_the_lock_says():
    for name, pins in locked().items():
        here = [pin for pin in pins if not pin.marker or pin.marker.evaluate()]
        for pin in here:
            assert Version(importlib.metadata.version(name)) in pin.specifier


def test_conda_takes_python_and_the_same_lock():
    *packages, by_pip = ENVIRONMENT["dependencies"]
    assert by_pip == {"pip": ["-r requirements.lock"]}
    assert packages[1:] == ["pip"]
    version = packages[0].removeprefix("python=")
    assert SpecifierSet(PROJECT["project"]["requires-python"]).contains(version)
    assert ENVIRONMENT["name"] == PROJECT["project"]["name"] == "simclr"
    text = (files.ROOT / "environment.yml").read_text()
    assert "pip install --no-deps --no-build-isolation -e ." in text


# ---- Nothing missing, nothing too much ----

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


def test_the_package_carries_its_data_files_and_version():
    package = Path(simclr.__file__).parent
    assert package == files.ROOT / "lib" / "simclr"
    covered = {
        file
        for name, patterns in PROJECT["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
        for file in package.joinpath(*name.split(".")[1:]).glob(pattern)
    }
    data = {f for f in package.rglob("*") if f.is_file() and f.suffix not in (".py", ".pyc")}
    assert data and data <= covered
    assert importlib.metadata.version("simclr") == simclr.__version__


# ---- Habits ----


def test_style_covers_notebooks_at_the_agreed_width():
    ruff = PROJECT["tool"]["ruff"]
    assert ruff["line-length"] == 100
    assert {"E", "F", "I", "B"} <= set(ruff["lint"]["select"])
    assert not any("ipynb" in pattern for pattern in ruff.get("extend-exclude", []))


def test_pre_commit_runs_the_tools_of_the_lock_and_fetches_none():
    config = yaml.safe_load((files.ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert all(hook["entry"].startswith(".venv/bin/python -m ") for hook in hooks)
