"""Neighbours by a distance that lets pixels move, without learning, and beside the encoder's (see LOG.md).

    .venv/bin/python benchmarks/deformable.py            # labels that spread: six minutes of two cores
    .venv/bin/python benchmarks/deformable.py students   # and networks that learn them: two hours more

Label draws 100 to 104, labels of the pool and validation images; no test image. It needs the better
encoder, so run `make selftrain` before.
"""

import sys
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from scipy import sparse

from simclr import data, draws, hardware, weights
from simclr.distortion import distortions
from simclr.errors import UserError
from simclr.experiment.parallel import workers
from simclr.experiment.study import Study
from simclr.model import Encoder, predict
from simclr.neighbours import nearest
from simclr.selftrain import teach
from simclr.spread import laplacian, spread, surest_labels

CANDIDATES, NEIGHBOURS, REACH = (
    40,
    10,
    2,
)  # nearest by pixels; the least distorted of them; how far a pixel may move
SOFT, SOFTER = 0.15, 0.3  # an edge weighs exp(-distortion / (so many medians)); SOFTER for the encoder's
ENCODER, JOINED = 0.8, 20  # the encoder's share of both graphs; the strongest edges of an image that are kept
SUREST = 0.99  # share of each class that teaches


class Graph(NamedTuple):
    """What finds the neighbours; (N, k) weights and indices; and whether an encoder took part."""

    name: str
    weights: np.ndarray
    indices: np.ndarray
    encoder: bool = True


def graphs(study: Study, images: torch.Tensor) -> list[Graph]:
    """The encoder's graph, that of deformable pixels, and both together."""
    with np.load(study.graph(study.encoder("neighbours", 0)).file("graph.npz")) as found:
        cosines, indices = found["cosines"], found["indices"]
    cosines = cosines.clip(0) ** study.params["selftrain"].exponent
    bent = distortions(images, torch.from_numpy(indices).long(), REACH).numpy()
    near = nearest(images.flatten(1).float(), CANDIDATES)[1]
    apart, best = distortions(images, near, REACH).topk(NEIGHBOURS, largest=False)
    apart, near = apart.numpy(), near.gather(1, best).numpy()
    one = Graph("encoder, deformable", cosines * np.exp(-bent / (SOFTER * np.median(bent))), indices)
    other = Graph("pixels, deformable", np.exp(-apart / (SOFT * np.median(apart))), near, encoder=False)
    return [Graph("encoder", cosines, indices), one, other, joined(one, other)]


def joined(one: Graph, other: Graph) -> Graph:
    """Both graphs, each normalised as `spread` does it, and of each image the strongest edges."""
    system = ENCODER * laplacian(*one[1:3], 1, 1) + (1 - ENCODER) * laplacian(*other[1:3], 1, 1)
    edges = sparse.csr_matrix(sparse.identity(system.shape[0]) - system)
    shape = system.shape[0], JOINED
    strongest, indices = np.zeros(shape), np.zeros(shape, int)
    for i in range(len(indices)):
        row = slice(*edges.indptr[i : i + 2])
        best = np.argsort(-edges.data[row])[:JOINED]
        strongest[i, : len(best)], indices[i, : len(best)] = edges.data[row][best], edges.indices[row][best]
    return Graph("both", strongest, indices)


def measure(graph: Graph, n_labels: int, draw: int, students: bool) -> dict:
    """What spreads from the labels of a draw and, if asked for, the network that learns it."""
    study = Study()
    images, truth = data.images(study.data, "pool"), data.labels(study.data, "pool")
    rows, alpha = (
        data.draw(truth.numpy(), study.dataset.number, draw, n_labels),
        study.params["selftrain"].alpha,
    )
    shares = spread(graph.weights, graph.indices, rows, truth[rows].numpy(), 1, alpha)
    dtype = hardware.pick("cpu", "auto")[1]
    if graph.encoder:
        encoder = weights.load_encoder(study.encoder("neighbours", 0).file("encoder.safetensors"))
    else:  # random weights: no pre-training at all
        torch.manual_seed(0)
        encoder = Encoder()
    pool = draws.Pool(images, rows, graph.weights, graph.indices)
    task = draws.Task(draw, images[rows], truth[rows], encoder, dtype, pool)
    chosen, labels = surest_labels(task, shares, SUREST)
    row = {"graph": graph.name, "labels": n_labels, "pool": (shares.argmax(1) == truth.numpy()).mean()}
    row["wrong taught"] = (labels != truth[chosen].numpy()).mean()
    if students:
        params = SimpleNamespace(**study.merged(("selftrain",)))
        with hardware.one_thread():
            network = teach(task, params, chosen, labels)[0]
            called = predict(network, data.images(study.data, "validation"), dtype).argmax(1)
        row["validation"] = (called == data.labels(study.data, "validation")).float().mean().item()
    return row


def main() -> None:
    """Measure all graphs with a hundred and with ten labels, and print their means and ends."""
    study = Study()
    if not study.graph(study.encoder("neighbours", 0)).is_done():
        raise UserError("the better encoder and its graph are missing; run `make selftrain`")
    found = graphs(study, data.images(study.data, "pool"))
    jobs = [(graph, n, draw) for graph in found for n in (100, 10) for draw in range(100, 105)]
    students = sys.argv[1:] == ["students"]
    rows = Parallel(workers("cpu", len(jobs)), verbose=5)(delayed(measure)(*job, students) for job in jobs)
    table = 100 * pd.DataFrame(rows).set_index(["graph", "labels"])
    print(table.groupby(level=[0, 1], sort=False).agg(["mean", "min", "max"]).round(2).to_string())


if __name__ == "__main__":
    main()
