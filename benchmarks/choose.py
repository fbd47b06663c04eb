"""How settings were chosen: what params/choices.csv holds, measured again with today's other settings.

    .venv/bin/python benchmarks/choose.py

Label draws 100 to 104 and validation images with their labels; no test image. It needs the encoders of
the first seeds, so run `make train` before. An hour on two cores, but for self-training, which wants a GPU.
"""

from itertools import product
from pkgutil import resolve_name
from types import SimpleNamespace

import pandas as pd
from joblib import Parallel, delayed

from simclr import data, hardware
from simclr.experiment import elsewhere
from simclr.experiment.cache import Job
from simclr.experiment.measure import task_of
from simclr.experiment.parallel import workers
from simclr.experiment.stages import METHODS
from simclr.experiment.study import Study
from simclr.model import predict

DRAWS = range(100, 105)
IMAGES = {"selftrain_encoder": 10_000}  # of the validation images; other methods have the first 4,000
FEW, ALL, ENDS, MOST = (10, 20, 100), (10, 20, 50, 100), (10, 100), (100,)
RATE = {"encoder_learning_rate": 0.001, "head_learning_rate": 0.001}
THEN = {"alpha": 0.99, "surest": 0.97}  # of self-training when its other settings were chosen
# method, setting in words, numbers of labels, and what changes in the last section of its parameters
TRIED = [
    ("baseline", "160 steps", FEW, {"steps": 160}),
    ("baseline", "320 steps", FEW, {"steps": 320}),
    *(("baseline_augmented", f"{n} steps", ALL, {"augmented_steps": n}) for n in (320, 640, 1280)),
    ("baseline_augmented", "640 steps, rate 0.001", ENDS, {"augmented_steps": 640, "learning_rate": 0.001}),
    *(("finetune", f"{n} steps", ALL, RATE | {"steps": n}) for n in (160, 320, 640)),
    ("finetune", "1280 steps", (20, 100), RATE | {"steps": 1280}),
    ("finetune", "320 steps, rate 0.003", ENDS, dict.fromkeys(RATE, 0.003) | {"steps": 320}),
    ("finetune_neighbours", "rate 0.00003", MOST, {"encoder_learning_rate": 0.00003}),
    ("finetune_neighbours", "rate 0.0001", MOST, {"encoder_learning_rate": 0.0001}),
    ("finetune_neighbours", "rate 0.0003", MOST, {"encoder_learning_rate": 0.0003}),
    ("finetune_neighbours", "rate 0.001", MOST, {"encoder_learning_rate": 0.001}),
    *(("spread", f"exponent {e:g}", ENDS, {"exponent": e}) for e in (3.0, 10.0, 20.0)),
    ("spread", "exponent 10, alpha 0.999", ENDS, {"exponent": 10.0, "alpha": 0.999}),
    ("selftrain_encoder", "as it is", MOST, THEN),
    ("selftrain_encoder", "570 steps", MOST, THEN | {"steps": 570}),
    ("selftrain_encoder", "2280 steps", MOST, THEN | {"steps": 2280}),
    ("selftrain_encoder", "surest 90%", MOST, THEN | {"surest": 0.9}),
    ("selftrain_encoder", "rate 0.0005", MOST, THEN | {"learning_rate": 0.0005}),
    ("selftrain_encoder", "rate 0.002", MOST, THEN | {"learning_rate": 0.002}),
    ("selftrain_encoder", "dropout 0.25 and 0.5", MOST, THEN | {"dropout_conv": 0.25, "dropout_dense": 0.5}),
    (
        "selftrain_encoder",
        "views of pre-training",
        MOST,
        THEN | {"rotation": 15.0, "crop_scale": 0.3, "shear": 0.3},
    ),
]


def job_of(method: str, values: dict, n: int, draw: int) -> tuple[Study, Job]:
    """The job of the cache that has the parameters of a setting and reads what it starts from."""
    record = METHODS[method]
    study = Study("full", changes={record.parameter_sections[-1]: values})
    seed = next(iter(study.seeds(record.encoder)), None)
    return study, study.measurement(record, n, draw, seed)


def measure(method: str, setting: str, values: dict, n: int, draw: int) -> dict:
    """The accuracy of one classifier on validation images."""
    study, job = job_of(method, values, n, draw)
    task = task_of(job, *hardware.pick(job.inputs["device"], job.inputs["precision"]))
    with hardware.one_thread():
        classifier, _ = resolve_name(METHODS[method].function)(task, SimpleNamespace(**job.inputs["params"]))
        many = IMAGES.get(method, 4_000)
        tested = data.images(study.data, "validation")[:many].to(task.images.device)
        truth = data.labels(study.data, "validation")[:many]
        right = (predict(classifier, tested, task.dtype).argmax(1).cpu() == truth).float().mean().item()
    return {"method": method, "setting": setting, "n_labels": n, "draw": draw, "accuracy": round(right, 5)}


def main() -> None:
    """Measure all of `TRIED` and write the file."""
    tried = [
        (method, setting, values, n, draw)
        for method, setting, sizes, values in TRIED
        for n, draw in product(sizes, DRAWS)
    ]
    for method, _, *what in tried:
        study, job = job_of(method, *what)
        study.make(list(job.reads.values()))  # what they start from
    at_once = workers(Study("full").environment["device"], len(tried))
    rows = Parallel(at_once, verbose=5)(delayed(measure)(*each) for each in tried)
    pd.DataFrame(rows).to_csv(elsewhere.CHOICES, index=False)
    print(elsewhere.choices().to_string(index=False))


if __name__ == "__main__":
    main()
