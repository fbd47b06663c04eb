"""How self-training is set: what params/choices_selftrain.csv holds, measured again.

    .venv/bin/python benchmarks/choose_selftrain.py

Label draws 100 to 104 and all validation images with their labels; no test image. It needs the encoder
with neighbours as positives, so run `make selftrain` before. Best on a GPU: forty trainings of minutes.
"""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from simclr import data, draws, hardware, selftrain, weights
from simclr.experiment import cache, choices, provenance
from simclr.experiment.parallel import workers
from simclr.experiment.study import Study
from simclr.model import predict

DRAWS, LABELS = range(100, 105), 100
TRIED = [
    {},
    {"steps": 570},
    {"steps": 2280},
    {"surest": 0.9},
    {"learning_rate": 0.0005},
    {"learning_rate": 0.002},
    {"dropout_conv": 0.25, "dropout_dense": 0.5},
    {"rotation": 15, "crop_scale": 0.3, "shear": 0.3},
]


def measure(changes: dict, draw: int) -> dict:
    """The accuracy of one network on validation images."""
    study = Study("full", changes={"selftrain": changes} if changes else {})
    device, dtype = hardware.pick(study.environment["device"], study.environment["precision"])
    pool, labels = data.images(study.data, "pool"), data.labels(study.data, "pool")
    rows = data.draw(labels.numpy(), study.dataset.number, draw, LABELS)
    encoder = study.encoder("neighbours", study.seeds("neighbours")[0])
    with np.load(study.graph(encoder).file("graph.npz")) as found:
        around = draws.Pool(pool.to(device), rows, found["cosines"], found["indices"])
    start = weights.load_encoder(encoder.file("encoder.safetensors")).to(device)
    task = draws.Task(draw, pool[rows].to(device), labels[rows].to(device), start, dtype, around)
    values = study.params["selftrain"].model_dump()
    with hardware.one_thread():
        network, _ = selftrain.selftrain(task, SimpleNamespace(**values))
        images = data.images(study.data, "validation").to(device)
        right = predict(network, images, dtype).argmax(1).cpu() == data.labels(
            study.data, "validation"
        )
    change = ", ".join(f"{name}: {value}" for name, value in changes.items())
    return {"change": change, "draw": draw, "accuracy": round(right.float().mean().item(), 4)}


def main() -> None:
    """Measure all of `TRIED` and write the file."""
    study = Study("full")
    graph = study.graph(study.encoder("neighbours", study.seeds("neighbours")[0]))
    cache.make(graph, provenance.here(study.environment["device"]))
    jobs = list(product(TRIED, DRAWS))
    at_once = workers(study.environment["device"], len(jobs))
    rows = Parallel(at_once, verbose=5)(delayed(measure)(*job) for job in jobs)
    pd.DataFrame(rows).to_csv(choices.SELFTRAIN_FILE, index=False)
    print(choices.selftrain_table().to_string(index=False))


if __name__ == "__main__":
    main()
