"""Seconds from a cold start to an encoder whose linear probe has a given accuracy; prints JSON.

    .venv/bin/python benchmarks/time_to_accuracy.py 0.91 0 $(date +%s)

The clock starts at the time given, before Python imports anything, and stops when the encoder is
trained. Its accuracy is that of the probe with 100 labels, the mean over the report's label draws. A
recipe is that of the encoder `views`, shortened as far as it goes; it was chosen with validation labels
(LOG.md).
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

from simclr import data, hardware
from simclr.experiment.study import Study
from simclr.model import features
from simclr.pretrain import pretrained
from simclr.probe import fit_linear

RECIPES = {  # accuracy -> what is other than in the encoder `views`
    "0.91": {"unlabelled_images": 17_000, "epochs": 1, "batch_size": 64, "warmup_epochs": 0.2},
    "0.94": {"unlabelled_images": 10_000, "epochs": 5, "batch_size": 64},
}


def measure(recipe: dict, seed: int, started: float) -> dict:
    """Seconds of one seed, the views it learned from, and its accuracy."""
    study = Study("full")
    values = study.encoder("views", seed).inputs["params"]
    params = SimpleNamespace(**values | {"validation_images": 1024} | recipe)
    device, dtype = hardware.pick(precision=study.params["common"].precision)
    pool = data.images(study.data, "pool")
    images = pool[data.unlabelled(study.data)][: params.unlabelled_images].to(device)
    validation = data.images(study.data, "validation")[: params.validation_images].to(device)
    with tempfile.TemporaryDirectory() as folder:
        encoder, _ = pretrained(images, validation, params, seed, dtype, Path(folder) / "checkpoint.pt")
    seconds = time.time() - started
    labels, h = data.labels(study.data, "pool"), features(encoder, pool.to(device), dtype).cpu()
    tested = features(encoder, data.images(study.data, "test").to(device), dtype).cpu()
    truth, shares = data.labels(study.data, "test"), []
    for draw in study.params["common"].draws:
        rows = data.draw(labels.numpy(), study.dataset.number, draw, 100)
        head = fit_linear(h[rows], labels[rows], study.params["common"].probe_l2)
        shares.append((head(tested).argmax(1) == truth).float().mean().item())
    views = 2 * params.epochs * (len(images) // params.batch_size) * params.batch_size
    return {"seconds": seconds, "views": views, "accuracy": sum(shares) / len(shares)}


if __name__ == "__main__":
    print(json.dumps(measure(RECIPES[sys.argv[1]], int(sys.argv[2]), float(sys.argv[3]))))
