"""A job of the cache: a classifier of one's own images, from the labels of some of them."""

import json
from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse.linalg import cg
from torch import Tensor

from simclr.draws import Pool, Task
from simclr.model import Classifier, features, predict
from simclr.own.encode import ENCODER, GRAPH, images_of, inputs_of
from simclr.probe import fit_linear
from simclr.selftrain import teach
from simclr.spread import both, laplacian, surest
from simclr.weights import load_encoder, save_network

CLASSIFIER, PREDICTED, LEARNED = "classifier.safetensors", "predicted.npz", "learned.npz"
FOLDS = 10  # of the labels, to test the probe
_AT_ONCE = 10_000  # images that are predicted at a time


def learn(job, progress: Callable[[str], None]) -> None:
    """Spread the labels, ask a probe as well, train the network on what both say, and predict every image.

    Writes the classifier with the names of its classes; predicted.npz: of every image the two
    likeliest classes and their probabilities, (N, 2) each; learned.npz: what both say together of the
    graph's images (`shares`), and of the labelled ones without their own label (`crossed`).
    """
    params, device, dtype = inputs_of(job)
    graph = job.reads["graph"].arrays(GRAPH)
    classes, given = job.inputs["classes"], np.array(job.inputs["given"])
    labelled = np.searchsorted(graph["rows"], job.inputs["labelled"])
    progress("labels spread")
    system = laplacian(graph["weights"], graph["indices"], params.alpha)
    encoder, images = load_encoder(job.reads["encoder"].file(ENCODER)).to(device), images_of(job)
    pool = torch.from_numpy(images[graph["rows"]]).to(device)
    h = features(encoder, pool, dtype)
    graph_says = spread(system, labelled, given, len(classes))
    probe_says = probe(h, labelled, given, len(classes), params.probe_l2)
    shares, crossed = (
        both(*words, params.probe_weight) for words in zip(graph_says, probe_says, strict=True)
    )
    np.savez(job.folder / LEARNED, shares=shares, crossed=crossed)
    called = shares.argmax(1)
    called[labelled] = given
    teaching = np.union1d(surest(shares, params.surest), labelled)
    teaching = teaching[(shares[teaching].max(1) > 0) | np.isin(teaching, labelled)]
    progress(f"a network learns {len(teaching):,} images")
    task = Task(0, None, None, encoder, dtype, Pool(pool, labelled))
    model, _ = teach(task, params, teaching, called[teaching], len(classes))
    about = {"classes": json.dumps(classes, ensure_ascii=False), "invert": job.inputs["invert"]}
    save_network(job.folder / CLASSIFIER, model, **about)
    np.savez(job.folder / PREDICTED, **two_likeliest(model, images, device, dtype))


def spread(system, labelled: np.ndarray, given: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels spread over the graph, as in `simclr.spread.spread`, for any number of classes.

    What spreads from several labels is the sum of what spreads from each. So each is solved for by itself,
    and to leave one out costs nothing.

    Args:
        system: of `laplacian`, for n images.
        labelled: (m,) rows of the labelled ones; their classes are `given`.

    Returns:
        Shares (n, classes) that sum to 1, or to 0 where no label comes; and those of each labelled image
        when its own label is left out, (m, classes).
    """
    mass = np.zeros((system.shape[0], classes), np.float32)
    between, sums = np.zeros((len(labelled),) * 2), np.zeros(len(labelled))
    for j, (row, c) in enumerate(zip(labelled, given, strict=True)):
        source = np.zeros(len(mass))
        source[row] = 1
        column = cg(system, source, rtol=1e-6)[0].clip(0)
        mass[:, c] += column
        between[:, j], sums[j] = column[labelled], column.sum()
    of_class = np.eye(classes)[given]  # (m, classes)
    total = sums @ of_class
    np.fill_diagonal(between, 0)
    others = total - sums[:, None] * of_class  # without the image's own label
    left_out = np.divide(between @ of_class, others, out=np.zeros_like(others), where=others > 1e-9)
    return _shares(mass / np.where(total > 0, total, 1)), _shares(left_out)


def probe(
    h: Tensor, labelled: np.ndarray, given: np.ndarray, classes: int, l2: float
) -> tuple[np.ndarray, np.ndarray]:
    """What a linear probe says of all images. It tells classes apart whose images neighbour each other.

    Args:
        h: (n, D) features; the rest as in `spread`.

    Returns:
        Probabilities (n, classes), and those of each labelled image by a probe that was fitted without
        it and another tenth of them, (m, classes).
    """
    targets, left_out = torch.from_numpy(given), np.zeros((len(labelled), classes), np.float32)

    def says(taught: np.ndarray, asked: np.ndarray | slice) -> np.ndarray:
        layer = fit_linear(h[labelled[taught]], targets[taught], l2, classes)
        with torch.no_grad():
            return layer(h[asked]).softmax(1).cpu().numpy()

    everyone = np.random.default_rng(0).permutation(len(labelled))
    for part in np.array_split(everyone, min(FOLDS, len(everyone))):
        left_out[part] = says(np.setdiff1d(everyone, part), labelled[part])
    return says(everyone, slice(None)), left_out


def _shares(mass: np.ndarray) -> np.ndarray:
    total = mass.sum(1, keepdims=True)
    return np.divide(mass, total, out=np.zeros_like(mass), where=total > 0).astype(np.float32)


def two_likeliest(
    model: Classifier, images: np.ndarray, device: torch.device, dtype: torch.dtype
) -> dict[str, np.ndarray]:
    """The two likeliest `classes` of images (N, 28, 28) uint8 and their `probabilities`, (N, 2) each."""
    values, classes = [], []
    for start in range(0, len(images), _AT_ONCE):
        some = torch.from_numpy(np.array(images[start : start + _AT_ONCE])).to(device)
        top = predict(model, some, dtype).softmax(1).topk(2)
        values.append(top.values.cpu().numpy())
        classes.append(top.indices.cpu().numpy())
    return {"classes": np.concatenate(classes), "probabilities": np.concatenate(values)}
