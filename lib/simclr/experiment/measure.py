"""A job of the cache: measure a method with some labels of one draw."""

import pkgutil
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import torch

from simclr import choose, data, draws, hardware
from simclr.weights import load_encoder, save_network

CLASSIFIER, RESULT = "classifier.safetensors", "result.npz"


def measure(job, progress: Callable[[str], None]) -> None:
    """Measure a method; writes what came out and, where asked, the classifier and its probabilities.

    On a CPU a job has one thread: jobs run side by side, small batches use two cores badly, and what
    comes out does not depend on how many there are.
    """
    inputs = job.inputs
    task = task_of(job, *hardware.pick(inputs["device"], inputs["precision"]))
    rows = draws.sample_rows(inputs["test_images"], inputs["tested"], task.draw)
    tested = data.images(job.data, "test")[rows].to(task.images.device)
    truth = data.labels(job.data, "test")[rows]
    method, params = pkgutil.resolve_name(inputs["method"]), SimpleNamespace(**inputs["params"])
    with hardware.one_thread():
        result, classifier = draws.measure(method, task, params, tested, truth)
    result["labelled"] = task.pool.rows
    if inputs["keep_classifier"]:
        save_network(job.folder / CLASSIFIER, classifier)
    else:
        result.pop("probabilities")
    np.savez_compressed(job.folder / RESULT, **result)


def task_of(job, device: torch.device, dtype: torch.dtype) -> draws.Task:
    """What the method of such a job is given, on any device."""
    inputs = job.inputs
    images, labels = data.images(job.data, "pool").to(device), data.labels(job.data, "pool")
    encoder, graph, along = None, {}, ()
    if "encoder" in job.reads:
        encoder = load_encoder(job.reads["encoder"].file("encoder.safetensors")).to(device)
    if "graph" in job.reads:
        graph = job.reads["graph"].arrays("graph.npz")
        along = draws.edges(graph, inputs["params"]["exponent"])
    if inputs["chosen"]:
        rows = choose.typical(graph["components"], graph["cosines"], inputs["n_labels"], inputs["draw"])
    else:
        rows = data.draw(
            labels.numpy(), inputs["number"], inputs["draw"], inputs["n_labels"], inputs["balanced"]
        )
    pool = draws.Pool(images, rows, *along)
    return draws.Task(inputs["draw"], images[rows], labels[rows].to(device), encoder, dtype, pool)
