"""What make asks for, on a copy of the tree whose .venv/bin/python only writes down what it is asked."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STAGES = sorted(file.stem.split("_", 1)[1] for file in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))

FAKE_PYTHON = """#!/bin/sh
case "$1 $2" in
"-c pass") exit 0 ;;
"-c import sys"*) [ "$FAKE_LACKS" = version ] || echo 1; exit 0 ;;
esac
echo "$*" >> calls; env > environment
[ "$FAKE_FAIL" = "$3 $4" ] && exit 1
[ "$3" = --clear ] && rm -rf .venv && mkdir -p .venv/bin && cp "$0" .venv/bin/python
exit 0
"""


class Tree:
    """A copy of what make looks at, with nothing built."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("params", "notebooks"):
            shutil.copytree(ROOT / name, root / name)
        for name in ("Makefile", "pyproject.toml", "requirements.lock"):
            shutil.copy(ROOT / name, root)
        for python in (root / "fake python", root / ".venv/bin/python"):
            python.parent.mkdir(parents=True, exist_ok=True)
            python.write_text(FAKE_PYTHON)
            python.chmod(0o755)
        (root / ".venv/.installed").write_text(f"{root}\n")
        self.age()

    def age(self) -> None:
        """Make every file 1000 s older, so that what is touched next is newer without doubt."""
        for file in filter(Path.is_file, self.root.rglob("*")):
            t = file.stat().st_mtime_ns - 1000 * 10**9
            os.utime(file, ns=(t, t))

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        kept = {k: v for k, v in os.environ.items() if "MAKE" not in k and k != "MFLAGS"}
        how = {"cwd": self.root, "env": kept | environment, "timeout": 300, "check": False}
        return subprocess.run(["make", *arguments], capture_output=True, text=True, **how)

    def asked(self, *arguments: str, **environment: str) -> list[str]:
        """What a make that succeeds asked of Python, in short: `venv`, `pip install`, `report …`."""
        log = self.root / "calls"
        log.write_text("")
        done = self.make(*arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        self.age()
        short = [line.removeprefix("-m ") for line in log.read_text().splitlines()]
        return [c.removeprefix("simclr ") if c[:6] == "simclr" else c.split(" --")[0] for c in short]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "a folder")  # with a space, for many a Makefile stumbles over it


def one_line(done: subprocess.CompletedProcess) -> str:
    assert done.returncode != 0
    (line,) = done.stderr.strip().splitlines()
    return line


def test_make_alone_prints_every_target_and_setting(tree: Tree):
    shown = {line.split()[0] for line in tree.make().stdout.splitlines() if line[:2] == "  "}
    targets = "help setup data plan report verify lab test lint format lock clean"
    settings = {"PROFILE=full|quick|smoke", "VARIANT=name", "DATASET=fashion-mnist"}
    assert shown >= {*targets.split(), "distclean", *STAGES, *settings}


def test_an_old_make_is_one_clear_line(tree: Tree):
    line = one_line(tree.make("MAKE_VERSION=3.81"))
    assert all(word in line for word in ("GNU make 4", "3.81", "gmake")), line


@pytest.mark.parametrize(("python", "lacks"), [("/nonexistent", ""), ("'./fake python'", "version")])
def test_a_missing_python_is_one_clear_line(tree: Tree, python: str, lacks: str):
    shutil.rmtree(tree.root / ".venv")
    line = one_line(tree.make("report", f"PYTHON={python}", FAKE_LACKS=lacks))
    assert all(word in line for word in ("Python 3.11", f"PYTHON={python}", "apt install")), line


INSTALL = ["pip install", "uv pip install", "uv pip install", "uv pip check"]


def installs(tree: Tree, **environment: str) -> list[str]:
    return tree.asked("setup", "PYTHON='./fake python'", **environment)


def test_a_new_lock_updates_and_an_interrupted_install_or_a_moved_checkout_begins_anew(tree: Tree):
    (tree.root / "requirements.lock").touch()
    assert installs(tree) == INSTALL
    (tree.root / "requirements.lock").touch()
    assert tree.make("setup", FAKE_FAIL="install --quiet").returncode != 0
    assert installs(tree) == ["venv", *INSTALL]
    tree.root = tree.root.rename(tree.root.with_name("elsewhere"))
    assert installs(tree) == ["venv", *INSTALL]
    assert installs(tree) == []


def test_other_environments_stay_outside_and_the_package_index_does_not(tree: Tree):
    names = "PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE VIRTUAL_ENV CONDA_PREFIX"
    foreign = dict.fromkeys([*names.split(), "PIP_TARGET", "UV_SYSTEM_PYTHON"], "foreign")
    # PROFILE and VARIANT are common names: only the command line sets ours.
    own = {"PIP_INDEX_URL": "kept", "UV_DEFAULT_INDEX": "kept", "PROFILE": "x", "VARIANT": "x"}
    (tree.root / "requirements.lock").touch()
    assert installs(tree, **foreign, **own) == INSTALL
    seen = (tree.root / "environment").read_text()
    assert "foreign" not in seen and "PYTHONNOUSERSITE=1" in seen
    assert "PIP_INDEX_URL=kept" in seen and "UV_DEFAULT_INDEX=kept" in seen


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("report", "report --profile full --variant source"),
        ("report PROFILE=smoke DATASET=fashion-mnist", "report --profile smoke --variant fashion-mnist"),
        ("report DATASET=mnist", "report --profile full --variant source"),
        ("train NPROC=4 VARIANT=kmnist", "train --processes 4 --profile full --variant kmnist"),
        *((stage, f"run {stage} --profile full --variant source") for stage in STAGES),
    ],
)
def test_a_target_is_a_command_with_its_settings(tree: Tree, given: str, asked: str):
    assert tree.asked(*given.split()) == [asked]


def test_clean_leaves_the_cache_and_other_profiles(tree: Tree):
    for name in ("full/source", "smoke/source", "cache"):
        (tree.root / "runs" / name).mkdir(parents=True)
    for profile in ("smoke", "../runs"):  # what is no profile removes nothing
        assert tree.asked("clean", f"PROFILE={profile}") == []
    assert {path.name for path in (tree.root / "runs").glob("*/*")} == {"source"}
    assert (tree.root / "runs/cache").exists() and not (tree.root / "runs/smoke/source").exists()
    tree.make("distclean")
    assert not any((tree.root / name).exists() for name in ("runs", "data", ".venv"))


def test_own_images_are_handed_on_with_their_spaces(tree: Tree):
    own = ["IMAGES=my images/cats", "PROFILE=quick", "VARIANT=fashion-mnist"]
    where = "--images my images/cats --profile quick --variant fashion-mnist"
    assert tree.asked("choose", "LABELS=40", "MORE=5", *own) == [f"choose --labels 40 --more 5 {where}"]
    for command in ("label", "classify"):
        assert tree.asked(command, *own) == [f"{command} {where}"]
