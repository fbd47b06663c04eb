"""A job of the cache: measure a method on one label draw."""

import pkgutil
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from simclr import data, draws, hardware
from simclr.weights import load_encoder, save_network

CLASSIFIER, RESULT = "classifier.safetensors", "result.npz"


def measure(job, progress: Callable[[str], None]) -> None:
    """Measure a method on a label draw; writes what came out and, where asked, the classifier.

    On a CPU a draw has one thread: draws run side by side, small batches use two cores badly, and
    what comes out does not depend on how many there are.
    """
    inputs, sizes = job.inputs, list(job.inputs["n_labels"])
    device, dtype = hardware.pick(inputs["device"], inputs["precision"])
    pool = data.labels(job.data, "pool")
    draw, number = inputs["draw"], inputs["number"]
    drawn = data.draw(pool.numpy(), number, draw, max(sizes), inputs["balanced"])
    test = [part(job.data, "test")[: inputs["test_images"]] for part in (data.images, data.labels)]
    many = inputs["curve_test_images"]
    tested = draws.rows_tested(len(test[0]), sizes, draw, many)
    encoder = None
    if "encoder" in job.reads:
        encoder = load_encoder(job.reads["encoder"].file("encoder.safetensors")).to(device)
    task = draws.Task(
        draw=draw,
        images=data.images(job.data, "pool")[drawn].to(device),
        labels=pool[drawn].to(device),
        sizes=sizes,
        tested={n: test[0][rows].to(device) for n, rows in tested.items()},
        encoder=encoder,
        dtype=dtype,
    )
    truth = {n: test[1][rows] for n, rows in tested.items()}
    method, params = pkgutil.resolve_name(inputs["method"]), SimpleNamespace(**inputs["params"])
    with hardware.one_thread():
        result, classifier = draws.measure(method, task, params, truth)
    np.savez_compressed(job.folder / RESULT, **result)
    if inputs["keep_classifier"]:
        save_network(job.folder / CLASSIFIER, classifier)
