"""How many steps and which learning rate: what params/choices.csv holds, measured again.

    .venv/bin/python benchmarks/choose_steps.py

Label draws 100 to 104 and the first 4,000 validation images with their labels; no test image. It
needs the encoders of the first seeds, so run `make selftrain` before. Half an hour or so.
"""

from itertools import product
from pkgutil import resolve_name
from types import SimpleNamespace

import pandas as pd
from joblib import Parallel, cpu_count, delayed

from simclr import data, draws, hardware, weights
from simclr.experiment import choices
from simclr.experiment.stages import METHODS
from simclr.experiment.study import Study
from simclr.model import predict

DRAWS, IMAGES = range(100, 105), 4000
FEW, ALL, ENDS = (10, 20, 100), (10, 20, 50, 100), (10, 100)
# method -> (learning rate, steps, numbers of labels)
TRIED = {
    "baseline": [(0.003, 160, FEW), (0.003, 320, FEW)],
    "baseline_augmented": [
        *[(0.003, steps, ALL) for steps in (320, 640, 1280)],
        (0.001, 640, ENDS),
    ],
    "finetune": [
        *[(0.001, steps, ALL) for steps in (160, 320, 640)],
        (0.001, 1280, (20, 100)),
        (0.003, 320, ENDS),
    ],
    "finetune_neighbours": [  # the rate is the encoder's
        (rate, 640, (100,)) for rate in (0.00003, 0.0001, 0.0003, 0.001)
    ],
}


def measure(study: Study, method: str, rate: float, steps: int, n: int, draw: int) -> dict:
    """The accuracy of one classifier on validation images."""
    _, dtype = hardware.pick()
    record, better = METHODS[method], method == "finetune_neighbours"
    rates = {f"{part}learning_rate": rate for part in ("", "encoder_", *["head_"] * (not better))}
    params = study.merged(record.params) | rates | {"steps": steps, "augmented_steps": steps}
    pool = data.labels(study.data, "pool")
    rows = data.draw(pool.numpy(), study.dataset.number, draw)[:n]
    images, truth = (part(study.data, "validation")[:IMAGES] for part in (data.images, data.labels))
    start = None
    if record.encoder:
        encoder = study.encoder(record.encoder, study.seeds(record.encoder)[0])
        start = weights.load_encoder(encoder.file("encoder.safetensors"))
    task = draws.Task(draw, data.images(study.data, "pool")[rows], pool[rows], start, dtype)
    values = SimpleNamespace(**params, probe_l2=study.params["common"].probe_l2)
    with hardware.one_thread():
        classifier, _ = resolve_name(record.function)(task, values)
        right = (predict(classifier, images, dtype).argmax(1) == truth).float().mean().item()
    names = ("method", "learning_rate", "steps", "n_labels", "draw", "accuracy")
    return dict(zip(names, (method, rate, steps, n, draw, round(right, 5)), strict=True))


def main() -> None:
    """Measure all of `TRIED` and write the file."""
    study = Study("full")
    jobs = [
        (method, rate, steps, n, draw)
        for method, grid in TRIED.items()
        for rate, steps, sizes in grid
        for n, draw in product(sizes, DRAWS)
    ]
    rows = Parallel(cpu_count(), verbose=5)(delayed(measure)(study, *job) for job in jobs)
    pd.DataFrame(rows).to_csv(choices.FILE, index=False)
    print(choices.table().to_string(index=False))


if __name__ == "__main__":
    main()
