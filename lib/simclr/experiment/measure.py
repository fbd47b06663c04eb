"""A job of the cache: measure a method with some labels of one draw."""

import pkgutil
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from simclr import data, draws, hardware
from simclr.weights import load_encoder, save_network

CLASSIFIER, RESULT = "classifier.safetensors", "result.npz"


def measure(job, progress: Callable[[str], None]) -> None:
    """Measure a method; writes what came out and, where asked, the classifier and its probabilities.

    On a CPU a job has one thread: jobs run side by side, small batches use two cores badly, and what
    comes out does not depend on how many there are.
    """
    inputs = job.inputs
    device, dtype = hardware.pick(inputs["device"], inputs["precision"])
    pool, draw = data.labels(job.data, "pool"), inputs["draw"]
    drawn = data.draw(pool.numpy(), inputs["number"], draw, inputs["n_labels"], inputs["balanced"])
    encoder = None
    if "encoder" in job.reads:
        encoder = load_encoder(job.reads["encoder"].file("encoder.safetensors")).to(device)
    images = data.images(job.data, "pool")[drawn].to(device)
    task = draws.Task(draw, images, pool[drawn].to(device), encoder, dtype)
    rows = draws.sample_rows(inputs["test_images"], inputs["tested"], draw)
    tested = data.images(job.data, "test")[rows].to(device)
    truth = data.labels(job.data, "test")[rows]
    method, params = pkgutil.resolve_name(inputs["method"]), SimpleNamespace(**inputs["params"])
    with hardware.one_thread():
        result, classifier = draws.measure(method, task, params, tested, truth)
    if not inputs["keep_classifier"]:
        result.pop("probabilities")
    else:
        save_network(job.folder / CLASSIFIER, classifier)
    np.savez_compressed(job.folder / RESULT, **result)
