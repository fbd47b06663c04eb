"""What a trained classifier calls images."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open

from simclr.errors import UserError
from simclr.model import Classifier
from simclr.own import collection, learn
from simclr.weights import load_classifier


def load(file: Path | str) -> tuple[Classifier, list[str]]:
    """A classifier that `make classify` wrote, in eval mode, and the names of its classes."""
    classes = json.loads(_about(file)["classes"])
    return load_classifier(file, len(classes)), classes


def classify(file: Path | str, source: Path | str) -> pd.DataFrame:
    """Name images that were not there when the classifier was trained: a row an image.

    Args:
        file: a classifier that `make classify` wrote.
        source: a folder or an array, see `collection.read`.

    Returns:
        Columns file, predicted, probability, second, second_probability.
    """
    model, classes = load(file)
    read = collection.read(Path(source).expanduser(), _about(file)["invert"], least=1)
    print(collection.described(read))
    found = learn.two_likeliest(model, read.images, torch.device("cpu"), torch.float32)
    return named(read, classes, found["classes"], found["probabilities"])


def named(
    of: collection.Collection, classes: list[str], likeliest: np.ndarray, probabilities: np.ndarray
) -> pd.DataFrame:
    """The two likeliest classes (N, 2) of all images, and of their twins, by name."""
    table, rows = pd.DataFrame({"file": list(of.places)}), list(of.places.values())
    for i, names in enumerate([("predicted", "probability"), ("second", "second_probability")]):
        table[names[0]] = np.array(classes, object)[likeliest[rows, i]]
        table[names[1]] = probabilities[rows, i].astype(float).round(4)
    return table


def _about(file: Path | str) -> dict[str, str]:
    try:
        with safe_open(file, "pt") as opened:
            about = opened.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise UserError(f"{file}: cannot be read as a classifier ({error})") from None
    if "classes" not in about:
        raise UserError(f"{file}: names no classes; `make classify` writes one that does")
    return about
