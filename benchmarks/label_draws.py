"""What it brings to train classifiers side by side, a core each: the ratio within one run.

    .venv/bin/python benchmarks/label_draws.py

The same fits of the augmented control on random images, one after the other with all threads, and as
many at a time as there are threads with one each. Rounds alternate, and the median counts.
"""

import statistics
import time
from types import SimpleNamespace

import torch
from joblib import Parallel, delayed

from simclr import hardware, supervised
from simclr.draws import Task
from simclr.experiment import params
from simclr.experiment.stages import SECTIONS

LABELS, STEPS, ROUNDS = 100, 80, 3


def fit(draw: int, threads: int) -> None:
    """One classifier on 100 random images, with this many threads."""
    torch.set_num_threads(threads)
    _, dtype = hardware.pick("cpu")
    values = params.load(SECTIONS)[0]["baseline"].model_dump() | {"augmented_steps": STEPS}
    generator = torch.Generator().manual_seed(draw)
    images = torch.randint(0, 256, (LABELS, 28, 28), generator=generator, dtype=torch.uint8)
    task = Task(draw, images, torch.arange(LABELS) % 10, None, dtype)
    supervised.baseline_augmented(task, SimpleNamespace(**values))


def main() -> None:
    """Run both in turn, `ROUNDS` times, and print medians and their ratio."""
    threads = torch.get_num_threads()
    draws = range(2 * threads)
    Parallel(threads)(delayed(fit)(k, 1) for k in range(threads))  # starts the processes
    seconds: dict[str, list[float]] = {"one after the other": [], "side by side": []}
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for k in draws:
            fit(k, threads)
        seconds["one after the other"].append(time.perf_counter() - start)
        start = time.perf_counter()
        Parallel(threads)(delayed(fit)(k, 1) for k in draws)
        seconds["side by side"].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"{len(draws)} fits of {LABELS} labels, {threads} threads")
    for name, median in medians.items():
        print(f"{name:20} {median:6.1f} s  x {medians['one after the other'] / median:.2f}")


if __name__ == "__main__":
    main()
