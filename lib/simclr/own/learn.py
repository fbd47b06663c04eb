"""Jobs of the cache: an encoder of one's own images, the graph of them, a classifier from some labels."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from safetensors.torch import save
from scipy.sparse.linalg import cg

from simclr import hardware
from simclr.model import Classifier, predict
from simclr.neighbours import averaged_features, components, nearest
from simclr.pretrain import pretrained, views_of
from simclr.selftrain import student
from simclr.spread import laplacian, surest
from simclr.supervised import Recipe
from simclr.weights import load_encoder, save_network

ENCODER, GRAPH, CLASSIFIER, PREDICTED, LEARNED = (
    "encoder.safetensors",
    "graph.npz",
    "classifier.safetensors",
    "predicted.npz",
    "learned.npz",
)
COMPONENTS = 64  # of the features, which images are clustered by
_AT_ONCE = 10_000  # images that are predicted at a time


def sample(folder: Path, most: int) -> np.ndarray:
    """The images that the encoder and the graph see, sorted: the first `most` by their content."""
    return np.sort(np.load(folder / "order.npy")[:most])


def encode(job, progress: Callable[[str], None]) -> None:
    """Pre-train an encoder on the sample; a batch of it, the first by content, only validates."""
    params, device, dtype = _inputs(job)
    images, order = _images(job), np.load(job.data / "order.npy")
    validating = order[: params.batch_size]
    training = np.sort(order[params.batch_size : params.sample][: params.steps * params.batch_size])
    params.epochs = max(1, round(params.steps / (len(training) // params.batch_size)))
    params.warmup_epochs = min(1.0, params.epochs / 10)
    start = load_encoder(job.reads["start"].file(ENCODER)) if "start" in job.reads else None
    checkpoint = job.folder / "checkpoint.pt"
    parts = (torch.from_numpy(images[rows]).to(device) for rows in (training, validating))
    encoder, history = pretrained(
        *parts, params, params.seed, dtype, checkpoint, progress, start=start
    )
    history.to_csv(job.folder / "history.csv", index=False)
    save_network(job.folder / ENCODER, encoder)
    checkpoint.unlink(missing_ok=True)


def link(job, progress: Callable[[str], None]) -> None:
    """Find the neighbours of every image of the sample."""
    params, device, dtype = _inputs(job)
    encoder = load_encoder(job.reads["encoder"].file(ENCODER)).to(device)
    rows = sample(job.data, params.sample)
    progress(f"graph of {len(rows):,} images")
    images = torch.from_numpy(_images(job)[rows]).to(device)
    h = averaged_features(encoder, images, views_of(params), params.rounds, dtype)
    cosines, indices = nearest(h, params.neighbours)
    found = {"cosines": cosines, "indices": indices.int(), "components": components(h, COMPONENTS)}
    np.savez(job.folder / GRAPH, rows=rows, **{k: v.cpu() for k, v in found.items()})


def learn(job, progress: Callable[[str], None]) -> None:
    """Spread the labels, train the network on them, and predict every image.

    Writes the classifier with the names of its classes; predicted.npz: of every image the two
    likeliest classes and their probabilities, (N, 2) each; learned.npz: what `spread` returns.
    """
    params, device, dtype = _inputs(job)
    with np.load(job.reads["graph"].file(GRAPH)) as found:
        graph = dict(found)
    classes, given = job.inputs["classes"], np.array(job.inputs["given"])
    labelled = np.searchsorted(graph["rows"], job.inputs["labelled"])
    progress("labels spread")
    system = laplacian(graph["cosines"], graph["indices"], params.exponent, params.memory)
    shares, crossed = spread(system, labelled, given, len(classes))
    np.savez(job.folder / LEARNED, shares=shares, crossed=crossed)
    called = shares.argmax(1)
    called[labelled] = given
    teaching = np.union1d(surest(shares, params.surest), labelled)
    teaching = teaching[(shares[teaching].max(1) > 0) | np.isin(teaching, labelled)]
    images = _images(job)
    taught = torch.from_numpy(images[graph["rows"][teaching]]).to(device)
    encoder = load_encoder(job.reads["encoder"].file(ENCODER))
    progress(f"a network learns {len(teaching):,} images")
    targets, recipe = torch.from_numpy(called[teaching]).to(device), _recipe(params, dtype)
    model, _ = student(encoder, taught, targets, len(classes), params, recipe)
    weights = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    about = {"classes": json.dumps(classes, ensure_ascii=False), "invert": job.inputs["invert"]}
    content = save(weights, about)
    (job.folder / CLASSIFIER).write_bytes(content)
    np.savez(job.folder / PREDICTED, **two_likeliest(model, images, device, dtype))


def spread(
    system, labelled: np.ndarray, given: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray]:
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


def _shares(mass: np.ndarray) -> np.ndarray:
    total = mass.sum(1, keepdims=True)
    return np.divide(mass, total, out=np.zeros_like(mass), where=total > 0).astype(np.float32)


def _recipe(params, dtype: torch.dtype) -> Recipe:
    """How the network learns labels of the graph."""
    return Recipe(
        steps=params.student_steps,
        batch_size=params.batch_size,
        encoder_rate=params.student_rate,
        head_rate=params.student_rate,
        weight_decay=params.student_decay,
        views=views_of(params),
        update_norm=True,
        seed=params.seed,
        dtype=dtype,
        warmup=params.student_steps // 10,
        smoothing=params.smoothing,
        average=params.average,
    )


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


def _images(job) -> np.ndarray:
    return np.load(job.data / "images.npy", mmap_mode="r")


def _inputs(job) -> tuple[SimpleNamespace, torch.device, torch.dtype]:
    device, dtype = hardware.pick(job.inputs["device"], job.inputs["precision"])
    return SimpleNamespace(**job.inputs["params"]), device, dtype
