"""A job of the cache: measure a method with some labels of one draw."""

import pkgutil
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from simclr import choose, data, draws, hardware
from simclr.weights import load_encoder, save_network

CLASSIFIER, RESULT = "classifier.safetensors", "result.npz"


def measure(job, progress: Callable[[str], None]) -> None:
    """Measure a method; writes what came out and, where asked, the classifier and its probabilities.

    On a CPU a job has one thread: jobs run side by side, small batches use two cores badly, and what
    comes out does not depend on how many there are.
    """
    inputs = job.inputs
    device, dtype = hardware.pick(inputs["device"], inputs["precision"])
    images, labels = data.images(job.data, "pool"), data.labels(job.data, "pool")
    draw, encoder, graph, pool = inputs["draw"], None, None, None
    if "encoder" in job.reads:
        encoder = load_encoder(job.reads["encoder"].file("encoder.safetensors")).to(device)
    if "graph" in job.reads:
        with np.load(job.reads["graph"].file("graph.npz")) as found:
            graph = dict(found)
    if inputs["chosen"]:
        drawn = choose.typical(graph["components"], graph["cosines"], inputs["n_labels"], draw)
    else:
        drawn = data.draw(labels.numpy(), inputs["number"], draw, inputs["n_labels"], inputs["balanced"])
    if graph:
        pool = draws.Pool(images.to(device), drawn, graph["cosines"], graph["indices"])
    task = draws.Task(draw, images[drawn].to(device), labels[drawn].to(device), encoder, dtype, pool)
    rows = draws.sample_rows(inputs["test_images"], inputs["tested"], draw)
    tested = data.images(job.data, "test")[rows].to(device)
    truth = data.labels(job.data, "test")[rows]
    method, params = pkgutil.resolve_name(inputs["method"]), SimpleNamespace(**inputs["params"])
    with hardware.one_thread():
        result, classifier = draws.measure(method, task, params, tested, truth)
    result["labelled"] = drawn
    if inputs["keep_classifier"]:
        save_network(job.folder / CLASSIFIER, classifier)
    else:
        result.pop("probabilities")
    np.savez_compressed(job.folder / RESULT, **result)
