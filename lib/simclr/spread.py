"""Label spreading: labels travel along the graph of nearest neighbours to the images that have none."""

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import cg

from simclr.data import CLASSES
from simclr.draws import History, Task
from simclr.model import Classifier, features
from simclr.probe import fit_linear, joined


def spread(
    weights: np.ndarray, indices: np.ndarray, rows: np.ndarray, labels: np.ndarray, alpha: float
) -> np.ndarray:
    """Spread labels over the symmetric graph of neighbours (Zhou et al. 2004).

    Solves (I - alpha S) f = y for each class, the paper's F* = (I - alpha S)^-1 Y, with S the graph's
    weights normalised on both sides and y one where an image carries the class's label. The masses of the
    classes are made equal, as no label says how frequent they are.

    Args:
        weights, indices: (N, k), of the edges from each image to its neighbours.
        rows: (n,) images that carry a label; their classes are `labels` (n,).
        alpha: in [0, 1), how far labels travel.

    Returns:
        (N, classes) shares that sum to 1; they are equal where no label comes.
    """
    system = laplacian(weights, indices, alpha)
    given = np.zeros((len(indices), CLASSES))
    given[rows, labels] = 1
    mass = np.stack([cg(system, column, rtol=1e-6)[0] for column in given.T], axis=1)
    mass = mass.clip(0)
    mass /= np.where(given.any(0), mass.sum(0), 1)
    total = mass.sum(1, keepdims=True)
    return np.divide(mass, total, out=np.full_like(mass, 1 / CLASSES), where=total > 0)


def laplacian(weights: np.ndarray, indices: np.ndarray, alpha: float) -> sparse.sparray:
    """The matrix I - alpha S of `spread`, sparse (N, N); arguments as there."""
    graph, degrees = _symmetric(weights, indices)
    scale = sparse.diags_array(degrees**-0.5)
    return sparse.eye_array(len(indices)) - alpha * (scale @ graph @ scale)


def normalised(weights: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """The weights of S in `spread`: an edge's over the root of the degrees of its ends, (N, k)."""
    degrees = _symmetric(weights, indices)[1]
    return weights / np.sqrt(degrees[:, None] * degrees[indices])


def _symmetric(weights: np.ndarray, indices: np.ndarray):
    """The graph with each edge in both directions, sparse (N, N), and the sums of its rows, 1 where 0."""
    n, k = indices.shape
    ends = np.repeat(np.arange(n), k), indices.ravel()
    graph = sparse.csr_array((weights.ravel(), ends), shape=(n, n))
    graph = graph.maximum(graph.T)
    degrees = graph.sum(1)
    return graph, np.where(degrees > 0, degrees, 1)


def surest(shares: np.ndarray, share: float) -> np.ndarray:
    """The surest `share` of the images of each class, sorted indices.

    Args:
        shares: (N, classes), of `spread`.
    """
    called, confidence = shares.argmax(1), shares.max(1)
    chosen = []
    for c in range(shares.shape[1]):
        mine = np.flatnonzero(called == c)
        chosen.append(mine[np.argsort(-confidence[mine])[: int(share * len(mine))]])
    return np.sort(np.concatenate(chosen))


def both(graph: np.ndarray, probe: np.ndarray, weight: float) -> np.ndarray:
    """The graph's word times the probe's to the power `weight`: a product of experts (Hinton 2002).

    Args:
        graph, probe: (N, classes); where no label comes on the graph, nothing is said.

    Returns:
        (N, classes) shares that sum to 1, or to 0 where nothing is said.
    """
    mass = graph * probe**weight
    total = mass.sum(1, keepdims=True)
    return np.divide(mass, total, out=np.zeros_like(mass), where=total > 0)


def graph_labels(task: Task, params) -> tuple[np.ndarray, np.ndarray]:
    """The images of the pool whose spread labels are surest, sorted, and their labels.

    The images that carry a label are among them, with that label. With `params.probe_weight` a linear
    probe of the labelled images has a word, too, see `both`.
    """
    pool, given = task.pool, task.labels.cpu().numpy()
    shares = spread(pool.weights, pool.indices, pool.rows, given, params.alpha)
    if weight := getattr(params, "probe_weight", 0):
        h = features(task.encoder, pool.images, task.dtype)
        layer = fit_linear(h[torch.from_numpy(pool.rows)], task.labels, params.probe_l2)
        with torch.no_grad():
            shares = both(shares, layer(h).softmax(1).cpu().numpy(), weight)
    return surest_labels(task, shares, params.surest)


def surest_labels(task: Task, shares: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """The images of the pool that carry a label or are among the `surest`, sorted, and their labels."""
    labels = shares.argmax(1)
    labels[task.pool.rows] = task.labels.cpu().numpy()
    rows = np.union1d(surest(shares, share), task.pool.rows)
    return rows, labels[rows]


def spread_probe(task: Task, params) -> tuple[Classifier, History]:
    """The linear probe, taught by the images whose spread labels are surest.

    The graph holds no test image: what comes out is a classifier like any other.
    """
    rows, labels = graph_labels(task, params)
    order = np.random.default_rng(task.draw).permutation(len(rows))[: params.taught_images]
    h = features(task.encoder, task.pool.images[rows[order]], task.dtype)
    return joined(task.encoder, fit_linear(h, torch.from_numpy(labels[order]), params.taught_l2)), {}
