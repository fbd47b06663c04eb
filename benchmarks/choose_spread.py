"""How labels are spread: what params/choices_spread.csv holds, measured again.

    .venv/bin/python benchmarks/choose_spread.py

Label draws 100 to 104 and the first 4,000 validation images with their labels; no test image. It
needs the encoder of the first pre-training seed, so run `make pretrain` before. Ten minutes or so.
"""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
from joblib import Parallel, cpu_count, delayed

from simclr import data, draws, hardware, spread, weights
from simclr.experiment import cache, choices, provenance
from simclr.experiment.study import Study
from simclr.model import predict

DRAWS, IMAGES, SIZES = range(100, 105), 4000, (10, 100)
TRIED = [{"exponent": 3.0}, {"exponent": 10.0}, {"exponent": 20.0}, {"memory": 0.999}]


def graph_of(study: Study) -> cache.Job:
    """The graph by the encoder of the first seed, made where it is not there."""
    job = study.graph(study.encoder("pretrained", study.seeds("pretrained")[0]))
    cache.make(job, provenance.here(study.environment["device"]))
    return job


def measure(changes: dict, n: int, draw: int) -> dict:
    """The accuracy of one classifier on validation images."""
    study = Study("full", changes={"spread": changes})
    _, dtype = hardware.pick()
    pool, labels = data.images(study.data, "pool"), data.labels(study.data, "pool")
    rows = data.draw(labels.numpy(), study.dataset.number, draw, n)
    graph = graph_of(study)
    with np.load(graph.file("graph.npz")) as found:
        around = draws.Pool(pool, rows, found["cosines"], found["indices"])
    encoder = weights.load_encoder(graph.reads["encoder"].file("encoder.safetensors"))
    task = draws.Task(draw, pool[rows], labels[rows], encoder, dtype, around)
    values = study.params["spread"].model_dump()
    with hardware.one_thread():
        classifier, _ = spread.spread_probe(task, SimpleNamespace(**values))
        images, truth = (
            part(study.data, "validation")[:IMAGES] for part in (data.images, data.labels)
        )
        right = (predict(classifier, images, dtype).argmax(1) == truth).float().mean().item()
    kept = {name: values[name] for name in choices.SPREAD}
    return kept | {"n_labels": n, "draw": draw, "accuracy": round(right, 5)}


def main() -> None:
    """Measure all of `TRIED` and write the file."""
    for changes in TRIED:
        graph_of(Study("full", changes={"spread": changes}))
    jobs = product(TRIED, SIZES, DRAWS)
    rows = Parallel(cpu_count(), verbose=5)(delayed(measure)(*job) for job in jobs)
    table = pd.DataFrame(rows).drop_duplicates([*choices.SPREAD, "n_labels", "draw"])
    table.to_csv(choices.SPREAD_FILE, index=False)
    print(choices.spread_table().to_string(index=False))


if __name__ == "__main__":
    main()
