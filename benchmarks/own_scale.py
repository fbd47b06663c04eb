"""Time and memory of `make choose` and `make classify` over the number of images, which are generated.

python benchmarks/own_scale.py 10000 100000 1000000: for each a process of its own, at the profile smoke,
so that what is measured is what depends on the number of images.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CLASSES = 10


def generate(many: int, file: Path) -> None:
    """Blobs at one of ten places, with noise: (many, 28, 28) uint8."""
    y, x = np.mgrid[:28, :28]
    turns = np.arange(CLASSES) * 2 * np.pi / CLASSES
    middles = 14 + 8 * np.stack([np.sin(turns), np.cos(turns)], axis=1)
    blobs = np.stack([180 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 12) for a, b in middles])
    images = np.lib.format.open_memmap(file, "w+", np.uint8, (many, 28, 28))
    rng = np.random.default_rng(0)
    for start in range(0, many, 10_000):
        rows = np.arange(start, min(start + 10_000, many))
        images[rows] = blobs[rows % CLASSES] + rng.integers(0, 60, (len(rows), 28, 28))


def measure(file: Path, place: Path) -> dict[str, float]:
    """Choose, label by the rows' numbers and classify; seconds of each and the largest memory, GiB."""
    from simclr import files
    from simclr.experiment.study import Study
    from simclr.own import labels, project

    project.PLACE, files.DATA, found = place, place / "data", {}
    study = Study("smoke", changes={"own": {"images": str(file)}}, runs=place / "runs")
    mine, start = project.Project(study), time.perf_counter()
    found["images"] = len(mine.collection.names)
    found["read_s"] = time.perf_counter() - start
    table = mine.choose(50, 0)
    found["choose_s"] = time.perf_counter() - start - found["read_s"]
    table["label"] = [str(int(name) % CLASSES) for name in table.file]
    labels.write_table(mine.labels_file, table)
    start = time.perf_counter()
    mine.make(mine.classifier())
    found["classify_s"] = time.perf_counter() - start
    found["gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return found


def main() -> None:
    if sys.argv[1] == "--measure":
        print(json.dumps(measure(Path(sys.argv[2]), Path(sys.argv[3]))))
        return
    for many in map(int, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as folder:
            generate(many, Path(folder, "images.npy"))
            command = [sys.executable, __file__, "--measure", f"{folder}/images.npy", folder]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            print(done.stdout.splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
