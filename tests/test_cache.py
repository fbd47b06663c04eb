"""The cache: trained once, anew where something that shapes the result has changed, and checked."""

import functools
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import joblib
import pytest

from simclr import files
from simclr.errors import UserError
from simclr.experiment import cache
from simclr.experiment.cache import Job, make
from simclr.experiment.parallel import side_by_side

TOY = Path(__file__).with_name("toy")  # a small library, to be edited and run


def read_code_in(monkeypatch, folder):
    monkeypatch.setattr(cache, "LIBRARY", folder)
    monkeypatch.setattr(cache, "code_digest", functools.cache(cache.code_digest.__wrapped__))


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A copy of TOY in the place of this project's code."""
    folder = tmp_path / "lib"
    shutil.copytree(TOY, folder)
    read_code_in(monkeypatch, folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "jobs", raising=False)
    return folder


@pytest.fixture
def job(library, tmp_path):
    """Makes jobs: a function of jobs.py, and inputs."""

    def new(function="jobs:write", **changes):
        values = {"kind": "kind", "function": function, "inputs": {"text": "a"}}
        return Job(**values | {"data": tmp_path, "store": tmp_path / "cache"} | changes)

    return new


def log(job):
    file = job.data / "log"
    return file.read_text() if file.exists() else ""


def digest(*modules):
    cache.code_digest.cache_clear()
    return cache.code_digest(*modules)


@pytest.mark.parametrize(
    ("file", "old", "new", "counts"),
    [
        ("work", "many=0", "many=False", True),  # equal, and yet not the same
        ("tools", "late.same(f)", "f", True),
        ("late", "return function", "return None", True),  # imported in a function of an import
        ("sub/inner", "size = 1", "size = 2", True),
        ("__init__", "SIZE = 3", "SIZE = 4", True),
        ("work", "  # a comment", "", False),
        ("work", '"""Work."""', "# nothing", False),
        ("work", '    """Do it."""', '    """Do it, in other words.\n\n    More.\n    """', False),
        ("sub/inner", '    """A thing."""\n', "", False),
        ("work", '[0, 1.0, None, "a text"]', "[\n        0, 1.0,\n        None, 'a text']", False),
        ("apart", "import simclr.work", "import simclr.work\n\nBROKEN = [", False),
    ],
)
def test_edits_that_change_the_key_and_those_that_do_not(library, job, file, old, new, counts):
    def keys():
        return [job("simclr.work:work").key, job(uses=("simclr.work:work",)).key]

    before, path = keys(), library / f"simclr/{file}.py"
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))
    cache.code_digest.cache_clear()
    assert [key not in before for key in keys()] == [counts, counts]


def test_the_key_holds_parameters_functions_and_what_is_read(job):
    read, inputs = {"encoder": job(inputs={"seed": 0})}, {"text": "a", "n": 1}
    same = job(inputs=inputs, reads=read)
    elsewhere = job(inputs={"n": 1, "text": "a"}, reads=dict(read), data=Path("elsewhere"))
    assert same.key == elsewhere.key and re.fullmatch("[0-9a-f]{16}", same.key)
    others = [
        job(inputs={"text": "a", "n": 2}, reads=read),
        job(inputs={"text": "a"}, reads=read),
        job(inputs=inputs),
        job(inputs=inputs, reads={"other": read["encoder"]}),
        job(inputs=inputs, reads={"encoder": job(inputs={"seed": 1})}),
        job("jobs:wait", inputs=inputs, reads=read),
        job(inputs=inputs, reads=read, uses=("jobs:wait",)),
    ]
    assert len({each.key for each in [same, *others]}) == 8


@pytest.mark.parametrize("run, method", [("encode", "pretrain"), ("measure", "probe")])
def test_what_draws_and_sums_up_retrains_nothing(monkeypatch, tmp_path, run, method):
    """On a copy of the real code: of experiment/, report/ and own/ only the job itself counts."""
    lib = Path(shutil.copytree(cache.LIBRARY / "simclr", tmp_path / "lib/simclr"))
    read_code_in(monkeypatch, lib.parent)
    jobs = f"simclr.experiment.{run}", f"simclr.{method}"
    before, own = digest(*jobs), lib / f"experiment/{run}.py"
    for file in {lib / "__main__.py", *lib.glob("*/*.py")} - {own}:
        file.write_text(f"{file.read_text()}\nEDITED = 1\n")
    assert digest(*jobs) == before
    for file in (own, lib / "model.py"):
        file.write_text(f"{file.read_text()}\nEDITED = 1\n")
        assert digest(*jobs) != before
        before = digest(*jobs)


def test_code_that_was_shown_to_give_the_same_keeps_the_key(library, job, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "UNCHANGED", tmp_path / "unchanged.json")
    before, path = job("simclr.work:work"), library / "simclr/work.py"
    key, code = before.key, before.code
    path.write_text(path.read_text().replace("many=0", "many=1"))
    cache.code_digest.cache_clear()
    other = job("simclr.work:work")
    assert other.key != key
    files.write_json(cache.UNCHANGED, {other.code: code})
    assert job("simclr.work:work").key == key
    path.write_text(path.read_text().replace("many=1", "many=2"))  # and no other code
    cache.code_digest.cache_clear()
    assert job("simclr.work:work").key not in (key, other.key)


def test_a_full_disk_is_one_line_that_names_the_folder(job, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.pkgutil, "resolve_name", lambda name: full)
    with pytest.raises(UserError, match=f"{job().key}: No space left on device; .* make room"):
        make(job(), {})
    assert not job().is_done()


def test_a_job_is_trained_once(job):
    told, other = [], job(inputs={"text": "b"}, reads={"first": job()})
    make(job(), {"machine": "this one"}, told.append)
    make(job(), {"machine": "another"}, told.append)
    assert log(job()) == "w" and told == ["writing"] and job().is_done()
    about = job().about()
    assert about["machine"] == "this one" and about["inputs"] == {"text": "a"}
    assert about["seconds"] >= 0 and list(about["files"]) == ["a.txt"]
    assert not other.is_done()
    make(other, {})
    assert log(job()) == "ww" and other.about()["reads"] == {"first": job().key}
    assert job().file("a.txt").read_text() == "a" and other.file("a.txt").read_text() == "b"


def test_a_job_that_is_interrupted_is_not_done_and_goes_on_from_what_it_left(job):
    halves = job("jobs:halves")
    with pytest.raises(KeyboardInterrupt):
        make(halves, {})
    assert not halves.is_done()
    with pytest.raises(UserError, match=r"a\.txt: missing or damaged"):
        halves.file("a.txt")
    make(halves, {})
    assert log(halves) == "12" and halves.file("a.txt").read_text() == "half half "
    assert list(halves.about()["files"]) == ["a.txt"]


def test_side_by_side_a_job_waits_for_what_it_reads(job, tmp_path):
    first = job("jobs:wait")
    second = job("jobs:read", reads={"first": first})
    threading.Timer(0.3, (tmp_path / "go").touch).start()
    with joblib.parallel_config(backend="threading"):
        side_by_side([first, second], {}, "cpu", print)
    assert first.is_done() and second.is_done()


CHILD = """
import sys
from pathlib import Path
from simclr.experiment import cache
tmp = Path(sys.argv[1])
cache.LIBRARY = tmp / "lib"
sys.path.insert(0, str(tmp / "lib"))
job = cache.Job("kind", "jobs:wait", {"text": "a"}, data=tmp, store=tmp / "cache")
cache.make(job, {})
print(job.file("a.txt").read_text())
"""


@pytest.mark.parametrize("killed", [False, True])
def test_two_processes_train_once_unless_the_first_is_killed(job, tmp_path, killed):
    command = [sys.executable, "-c", CHILD, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        while not log(job()):  # until it is at work
            assert first.poll() is None
            time.sleep(0.02)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as second:
            said = second.stdout.readline()
            assert said == "kind: waiting for another process that trains the same\n"
            assert log(job()) == "w"
            if killed:
                first.kill()
            (tmp_path / "go").touch()
            assert second.communicate(timeout=60)[0] == "waited\n"
        assert first.communicate(timeout=60)[0] == ("" if killed else "waited\n")
    assert log(job()) == ("ww" if killed else "w")


@pytest.mark.parametrize("damage", [lambda file: file.write_text("Some text"), Path.unlink])
def test_a_damaged_file_is_named_with_the_way_out(job, damage):
    kept = job(inputs={"text": "some text"})
    make(kept, {})
    damage(kept.folder / "a.txt")
    with pytest.raises(UserError) as error:
        kept.file("a.txt")
    said = str(error.value)
    assert said.startswith(f"{kept.folder}/a.txt: missing or damaged; delete {kept.folder} and")
    assert "\n" not in said
    shutil.rmtree(kept.folder)  # the way out
    make(kept, {})
    assert kept.file("a.txt").read_text() == "some text" and log(kept) == "ww"
