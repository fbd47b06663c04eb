"""What make asks for, on a copy of the tree whose .venv/bin/python only writes down what it is asked.

Nothing is computed: the stand-in for Python writes the files that the real one would.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAMES = sorted(file.stem for file in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
STAGES = [name.split("_", 1)[1] for name in NAMES]
RUNS = [f"run {stage}" for stage in STAGES]
FROM_PROBE = RUNS[STAGES.index("probe") :]
EXPORT = ["export"]

FAKE_PYTHON = """#!/bin/sh
case "$1 $2" in
"-c pass") exit 0 ;;
"-c import sys"*) [ "$FAKE_LACKS" = version ] || echo 1; exit 0 ;;
esac
echo "$*" >> calls; env > environment
[ "$FAKE_FAIL" = "$3 $4" ] && exit 1
case "$3" in
--clear) rm -rf .venv; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
run) mkdir -p runs/$6/$8; cp notebooks/[0-9][0-9]_$4.ipynb runs/$6/$8 ;;
export)
    [ $5/$7 = full/source ] && report=reports || report=runs/$5/$7/report
    mkdir -p $report; for file in results.csv report.html report.pdf; do echo > $report/$file; done ;;
esac
"""


class Tree:
    """A copy of what make looks at, with nothing built."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("lib", "params", "notebooks"):
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-*", ".ipynb_*")
            shutil.copytree(ROOT / name, root / name, ignore=ignored)
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

    def touch(self, file: str) -> None:
        assert (self.root / file).exists(), f"{file} is gone: this test must follow"
        (self.root / file).touch()

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        kept = {k: v for k, v in os.environ.items() if "MAKE" not in k and k != "MFLAGS"}
        how = {"cwd": self.root, "env": kept | environment, "timeout": 300, "check": False}
        return subprocess.run(["make", *arguments], capture_output=True, text=True, **how)

    def calls(self) -> list[str]:
        log = self.root / "calls"
        return log.read_text().splitlines() if log.exists() else []

    def asked(self, *arguments: str, **environment: str) -> list[str]:
        """What a make that succeeds asked of Python, in short: `run probe`, `export`, …"""
        (self.root / "calls").unlink(missing_ok=True)
        done = self.make(*arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        self.age()
        short = [re.sub(r"-m (simclr )?| --.*", "", line) for line in self.calls()]
        return [call for call in short if call != "plan"]  # each `make report` begins with it


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "a folder")  # with a space, for many a Makefile stumbles over it


@pytest.fixture
def built(tree: Tree) -> Tree:
    assert tree.asked("report") == [*RUNS, *EXPORT]
    assert tree.calls()[0] == "-m simclr plan --profile full --variant source"
    return tree


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


@pytest.mark.parametrize(
    ("python", "lacks", "words"),
    [
        ("/nonexistent", "", ["Python 3.11", "/nonexistent", "PYTHON=", "apt install"]),
        ("'./fake python'", "version", ["Python 3.11", "PYTHON="]),
    ],
)
def test_a_missing_python_is_one_clear_line(tree: Tree, python: str, lacks: str, words: list[str]):
    shutil.rmtree(tree.root / ".venv")
    line = one_line(tree.make("report", f"PYTHON={python}", FAKE_LACKS=lacks))
    assert all(word in line for word in words), line


INSTALL = ["pip install", "uv pip install", "uv pip install", "uv pip check"]


def installs(tree: Tree, **environment: str) -> list[str]:
    return tree.asked("setup", "PYTHON='./fake python'", **environment)


def test_a_new_lock_updates_and_an_interrupted_install_or_a_moved_checkout_begins_anew(tree: Tree):
    tree.touch("requirements.lock")
    assert installs(tree) == INSTALL
    tree.touch("requirements.lock")
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
    tree.touch("requirements.lock")
    assert installs(tree, **foreign, **own) == INSTALL
    seen = (tree.root / "environment").read_text()
    assert "foreign" not in seen and "PYTHONNOUSERSITE=1" in seen
    assert "PIP_INDEX_URL=kept" in seen and "UV_DEFAULT_INDEX=kept" in seen


def test_the_second_time_nothing_is_done(built: Tree):
    assert built.asked("report") == []
    assert "up to date: reports/report.html" in built.make("report").stdout


@pytest.mark.parametrize(
    ("file", "executed"),
    [
        ("notebooks/03_probe.ipynb", ["run probe"]),
        ("lib/simclr/report/style.py", RUNS),
        ("lib/simclr/report/report.mplstyle", RUNS),
        ("params/full.yaml", RUNS),
        ("lib/simclr/report/assets/report.css", []),
        ("notebooks/references.bib", []),
    ],
)
def test_an_edit_executes_what_depends_on_it(built: Tree, file: str, executed: list[str]):
    built.touch(file)
    assert built.asked("report") == [*executed, *EXPORT]
    assert built.asked("report") == []


def test_a_failed_notebook_is_not_taken_for_built(built: Tree):
    built.touch("params/full.yaml")
    assert built.make("report", FAKE_FAIL="run probe").returncode != 0
    built.age()
    assert built.asked("report") == [*FROM_PROBE, *EXPORT]


def test_a_removed_report_is_written_again(built: Tree):
    for removed in ("report.pdf", "report.html", "results.csv"):
        (built.root / "reports" / removed).unlink()
        assert built.asked("report") == EXPORT
    shutil.rmtree(built.root / "reports")
    assert built.asked("report") == EXPORT


def test_profiles_and_variants_build_in_folders_of_their_own(built: Tree):
    assert built.asked("report", "PROFILE=smoke", "DATASET=fashion-mnist") == [*RUNS, *EXPORT]
    assert (built.root / "runs/smoke/fashion-mnist/report/report.pdf").exists()
    assert built.asked("report") == []  # the full report is as it was
    assert built.asked("report", "PROFILE=smoke", "VARIANT=fashion-mnist") == []  # the same one
    built.touch("params/variants/fashion-mnist.yaml")
    assert built.asked("report", "DATASET=mnist") == []
    assert built.asked("report", "PROFILE=smoke", "DATASET=fashion-mnist") == [*RUNS, *EXPORT]


def test_clean_leaves_the_cache_the_report_and_other_profiles(built: Tree):
    built.asked("report", "PROFILE=smoke")
    (built.root / "runs/cache").mkdir()
    assert built.asked("clean", "PROFILE=smoke") == []
    assert {path.name for path in (built.root / "runs").glob("*/*")} == {"source"}
    assert (built.root / "runs/cache").exists() and built.asked("report") == []
    built.make("distclean")
    assert not any((built.root / name).exists() for name in ("runs", "data", ".venv"))
    assert (built.root / "reports/report.pdf").exists()


def test_own_images_are_handed_on_with_their_spaces(tree: Tree):
    own = ["IMAGES=my images/cats", "PROFILE=quick", "VARIANT=fashion-mnist"]
    assert tree.asked("choose", "LABELS=40", "MORE=5", *own) == ["choose"]
    where = "--images my images/cats --profile quick --variant fashion-mnist"
    assert tree.calls()[0] == f"-m simclr choose --labels 40 --more 5 {where}"
    for command in ("label", "classify"):
        assert tree.asked(command, *own) == [command]
        assert tree.calls()[0] == f"-m simclr {command} {where}"
