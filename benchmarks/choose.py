"""How settings were chosen: what params/choices.csv holds, measured again with today's other settings.

    .venv/bin/python benchmarks/choose.py

Label draws 100 to 104 and validation images with their labels; no test image. It needs the encoders of
the first seeds, so run `make train` before. An hour on two cores, but for self-training, which wants a GPU.
"""

from itertools import product
from pkgutil import resolve_name
from types import SimpleNamespace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from simclr import data, draws, hardware, weights
from simclr.experiment import elsewhere
from simclr.experiment.parallel import workers
from simclr.experiment.stages import METHODS
from simclr.experiment.study import Study
from simclr.model import predict

DRAWS, IMAGES = (range(100, 105), {"selftrain": 10_000})  # of the validation images; others have 4,000
FEW, ALL, ENDS = (10, 20, 100), (10, 20, 50, 100), (10, 100)


def _finetune(rate: float, steps: int) -> dict:
    rates = {"encoder_learning_rate": rate, "head_learning_rate": rate}
    return {"finetune": rates | {"steps": steps}}


# method, setting in words, changes of parameters, numbers of labels
TRIED = [
    ("baseline", "160 steps", {"baseline": {"steps": 160}}, FEW),
    ("baseline", "320 steps", {"baseline": {"steps": 320}}, FEW),
    *[
        ("baseline_augmented", f"{n} steps", {"baseline": {"augmented_steps": n}}, ALL)
        for n in (320, 640, 1280)
    ],
    (
        "baseline_augmented",
        "640 steps, rate 0.001",
        {"baseline": {"augmented_steps": 640, "learning_rate": 0.001}},
        ENDS,
    ),
    *[("finetune", f"{n} steps", _finetune(0.001, n), ALL) for n in (160, 320, 640)],
    ("finetune", "1280 steps", _finetune(0.001, 1280), (20, 100)),
    ("finetune", "320 steps, rate 0.003", _finetune(0.003, 320), ENDS),
    *[
        ("finetune_neighbours", f"rate {r:f}".rstrip("0"), {"gentle": {"encoder_learning_rate": r}}, (100,))
        for r in (0.00003, 0.0001, 0.0003, 0.001)
    ],
    *[
        ("spread", f"exponent {e}", {"spread": {"exponent": float(e)}}, ENDS) for e in (3, 10, 20)
    ],
    ("spread", "exponent 10, alpha 0.999", {"spread": {"exponent": 10.0, "alpha": 0.999}}, ENDS),
    ("selftrain", "as it is", {}, (100,)),
    ("selftrain", "570 steps", {"selftrain": {"steps": 570}}, (100,)),
    ("selftrain", "2280 steps", {"selftrain": {"steps": 2280}}, (100,)),
    ("selftrain", "surest 90%", {"selftrain": {"surest": 0.9}}, (100,)),
    ("selftrain", "rate 0.0005", {"selftrain": {"learning_rate": 0.0005}}, (100,)),
    ("selftrain", "rate 0.002", {"selftrain": {"learning_rate": 0.002}}, (100,)),
    (
        "selftrain",
        "dropout 0.25 and 0.5",
        {"selftrain": {"dropout_conv": 0.25, "dropout_dense": 0.5}},
        (100,),
    ),
    (
        "selftrain",
        "views of pre-training",
        {"selftrain": {"rotation": 15.0, "crop_scale": 0.3, "shear": 0.3}},
        (100,),
    ),
]  # fmt: skip


def measure(method: str, setting: str, changes: dict, n: int, draw: int) -> dict:
    """The accuracy of one classifier on validation images."""
    study, record = Study("full", changes=changes), METHODS[method]
    seed = next(iter(study.seeds(record.encoder)), None)
    job = study.measurement(record, n, draw, seed)
    device, dtype = hardware.pick(job.inputs["device"], job.inputs["precision"])
    images, labels = data.images(study.data, "pool").to(device), data.labels(study.data, "pool")
    rows = data.draw(labels.numpy(), study.dataset.number, draw, n)
    encoder = pool = None
    if "encoder" in job.reads:
        file = job.reads["encoder"].file("encoder.safetensors")
        encoder = weights.load_encoder(file).to(device)
    if "graph" in job.reads:
        with np.load(job.reads["graph"].file("graph.npz")) as found:
            pool = draws.Pool(images, rows, found["cosines"], found["indices"])
    task = draws.Task(draw, images[rows], labels[rows].to(device), encoder, dtype, pool)
    with hardware.one_thread():
        classifier, _ = resolve_name(record.function)(task, SimpleNamespace(**job.inputs["params"]))
        many = IMAGES.get(method, 4_000)
        tested = data.images(study.data, "validation")[:many].to(device)
        truth = data.labels(study.data, "validation")[:many]
        right = (predict(classifier, tested, dtype).argmax(1).cpu() == truth).float().mean().item()
    names = ("method", "setting", "n_labels", "draw", "accuracy")
    return dict(zip(names, (method, setting, n, draw, round(right, 5)), strict=True))


def main() -> None:
    """Measure all of `TRIED` and write the file."""
    study = Study("full")
    jobs = [(*what, n, draw) for *what, sizes in TRIED for n, draw in product(sizes, DRAWS)]
    for method, _, changes, n, draw in jobs:  # what they start from
        changed, record = Study("full", changes=changes), METHODS[method]
        seed = next(iter(changed.seeds(record.encoder)), None)
        changed.make(list(changed.measurement(record, n, draw, seed).reads.values()))
    at_once = workers(study.environment["device"], len(jobs))
    rows = Parallel(at_once, verbose=5)(delayed(measure)(*job) for job in jobs)
    pd.DataFrame(rows).to_csv(elsewhere.CHOICES, index=False)
    print(elsewhere.choices().to_string(index=False))


if __name__ == "__main__":
    main()
