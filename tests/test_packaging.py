"""The lock holds what is declared."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from simclr import files

PROJECT = tomllib.loads((files.ROOT / "pyproject.toml").read_text())
LOCK = (files.ROOT / "requirements.lock").read_text()
RUNTIME = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
EXTRAS = PROJECT["project"]["optional-dependencies"]
DEV = [Requirement(text) for texts in EXTRAS.values() for text in texts]


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
