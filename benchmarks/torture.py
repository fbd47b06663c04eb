"""Faults on purpose, and whether a result is ever wrong or a message unreadable. Called by `make torture`.

Works on a copy of the library in a temporary folder, at the profile smoke: kills every stage several
times, runs two at once, fills the disk, flips a byte in every kind of file, and gives bad input. Prints a
table as Markdown; the exit status is 1 if anything went wrong.
"""

import hashlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from mistakes import bad_folders, bad_input, bad_variants, is_one_line, refused, verdict

from simclr import files
from simclr.experiment.stages import STAGES
from simclr.experiment.study import Study

KILLS = 4  # of each stage
ROOM = 1000  # bytes
TRAIN = [sys.executable, "-W", "ignore", "-m", "simclr", "train", "--profile", "smoke"]


class Place:
    """A copy of the project whose runs/ may be hurt; the data set is shared."""

    def __init__(self, folder: Path, code: Path = files.ROOT) -> None:
        self.folder, self.cache = folder, folder / "runs" / "cache"
        for name in ("lib", "params"):
            shutil.copytree(code / name, folder / name)
        (folder / "data").symlink_to(files.DATA)

    def start(self, *stages: str, **options) -> subprocess.Popen:
        """`python -m simclr train` of these stages, else of all, in a process group of its own."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder / "lib")}
        return subprocess.Popen(
            [*TRAIN, *stages],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )

    def finish(self, *stages: str) -> None:
        """Train what is missing."""
        process = self.start(*stages)
        _, errors = process.communicate()
        if process.returncode:
            raise SystemExit(f"training without a fault failed:\n{errors}")

    def results(self) -> dict[str, str]:
        """File in the cache -> what stands for its content, without the seconds."""
        found = {}
        for file in sorted(self.cache.glob("*/*/*")):
            if file.suffix in {".npz", ".csv", ".safetensors"}:
                found[str(file.relative_to(self.cache))] = _digest(file)
        return found

    def wipe(self) -> None:
        shutil.rmtree(self.folder / "runs", ignore_errors=True)


def _digest(file: Path) -> str:
    """Of a file's content; seconds, which differ each time, are left out."""
    content = file.read_bytes()
    if file.suffix == ".npz":
        with np.load(file) as arrays:
            found = {name: arrays[name] for name in sorted(arrays.files) if name != "seconds"}
            parts = [f"{name}{a.dtype}{a.shape}".encode() + a.tobytes() for name, a in found.items()]
        content = b"".join(parts)
    if file.suffix == ".csv" and content.strip():  # an encoder that is not trained has no history
        table = pd.read_csv(file).drop(columns=["seconds", "views_per_second"], errors="ignore")
        content = table.to_csv().encode()
    return hashlib.sha256(content).hexdigest()


def undisturbed(place: Place) -> tuple[dict[str, tuple[float, set[str]]], dict[str, str]]:
    """Train every stage: its seconds and what it adds to the cache; and all results."""
    stages, before = {}, set()
    for stage in STAGES.values():
        if stage.methods or stage.encoder:
            start = time.perf_counter()
            place.finish(stage.name)
            after = {folder.name for folder in place.cache.iterdir()}
            stages[stage.name] = time.perf_counter() - start, after - before
            before = after
    seconds, right = sum(seconds for seconds, _ in stages.values()), place.results()
    print(f"undisturbed: {len(right)} files in {seconds:.0f} s", file=sys.stderr, flush=True)
    return stages, right


def killed(place: Place, right: dict[str, str], stages: dict[str, tuple[float, set[str]]]) -> str:
    """Kill each stage at random moments, then let it end.

    Args:
        stages: how long each takes undisturbed, and the folders of the cache that it makes.
    """
    random.seed(0)
    place.wipe()
    for stage, (seconds, kinds) in stages.items():
        kills = 0
        while kills < KILLS:
            process = place.start(stage)
            try:
                process.communicate(timeout=random.uniform(2, seconds))
                for kind in kinds:  # it came to its end: once more
                    shutil.rmtree(place.cache / kind)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                kills += 1
        place.finish(stage)
    wrong = place.results() != right
    return f"{verdict(wrong)} the same files ({', '.join(stages)})"


def two_at_once(place: Place, right: dict[str, str]) -> str:
    """Two trainings of the same thing side by side."""
    place.wipe()
    both = [place.start(), place.start()]
    for process in both:
        process.communicate()
    wrong = place.results() != right or any(process.returncode for process in both)
    return f"{verdict(wrong)} both end, with the same files"


def full_disk(place: Place, right: dict[str, str], stages: Iterable[str]) -> str:
    """In every stage that trains, no file may be longer than `ROOM`: writing fails as on a full disk."""
    wrong, told = 0, []
    place.wipe()
    for stage in stages:
        process = place.start(stage, preexec_fn=_fill)
        _, errors = process.communicate()
        line = errors.strip()
        wrong += not (process.returncode == 2 and is_one_line(errors) and "runs/cache/" in line)
        told.append(f"{stage}: {line.splitlines()[-1] if line else 'nothing'}")
        place.finish(stage)
    wrong += place.results() != right
    print("\n".join(told), file=sys.stderr, flush=True)
    return f"{verdict(wrong)} in {len(told)} stages one line that names the folder, then the same files"


def _fill() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))


def flipped(place: Place) -> str:
    """A byte in the middle of one file of each kind: reading it must fail and name it."""
    study = Study("smoke", runs=place.folder / "runs")
    study.environment = Study("smoke", runs=place.folder / "nothing").environment
    seen, wrong = set(), 0
    for stage in STAGES:
        for job in study.jobs(stage):
            for name in job.about().get("files", {}):
                file = job.folder / name
                if (job.kind, name) in seen:
                    continue
                seen.add((job.kind, name))
                content = bytearray(file.read_bytes())
                content[len(content) // 2] ^= 1
                file.write_bytes(content)
                wrong += not refused(lambda job=job, name=name: job.file(name), str(file))
    return f"{verdict(wrong)} {len(seen)} kinds of file"


def main() -> None:
    """Do all, print a table."""
    with tempfile.TemporaryDirectory() as folder:
        place, rows = Place(Path(folder) / "place"), {}
        stages, right = undisturbed(place)
        faults = {
            "bad parameters": bad_input,
            "bad files of variants": lambda: bad_variants(place),
            "bad folders of data": bad_folders,
            "a byte flipped in each kind of file": lambda: flipped(place),
            "two trainings at once": lambda: two_at_once(place, right),
            f"`kill -9`, {KILLS} times in each stage": lambda: killed(place, right, stages),
            "a full disk, in every stage": lambda: full_disk(place, right, stages),
        }
        for fault, test in faults.items():
            rows[fault] = test()
            print(f"{fault}: {rows[fault]}", file=sys.stderr, flush=True)
    print(pd.DataFrame({"fault": list(rows), "what happens": list(rows.values())}).to_markdown(index=False))
    raise SystemExit(any("wrong**" in text for text in rows.values()))


if __name__ == "__main__":
    main()
