"""Which images are most alike: by their pixels, and by an encoder before and after pre-training."""

import numpy as np
import torch

from simclr import data, hardware
from simclr.experiment.study import Study
from simclr.model import features
from simclr.neighbours import nearest
from simclr.weights import load_encoder

SAMPLE = 10_000  # the first images of the pool, among which neighbours are looked for
MEASURES = {"pixels": None, "untrained encoder": "untrained", "SimCLR’s encoder": "pretrained"}


def similar(study: Study, classes: int, k: int) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, float]]:
    """Some images and those that are most like them, of the first `SAMPLE` of the pool.

    Labels only choose what is shown: of each of the first `classes` classes in which there is one, the
    first image whose nearest one by pixels is of another class.

    Returns:
        The images (n,), n <= classes; by the measure of likeness their neighbours (n, k), both indices in
        the pool; and, by the measure, of what share of all images the nearest one is of the same class.
    """
    device, dtype = hardware.pick(study.params["common"].device, study.params["common"].precision)
    images = data.images(study.data, "pool")[:SAMPLE].to(device)
    labels = data.labels(study.data, "pool")[:SAMPLE]
    found = {}
    for name, key in MEASURES.items():
        if key is None:
            h = images.flatten(1).float()
        else:
            job = study.encoder(key, study.seeds(key)[0])
            encoder = load_encoder(job.file("encoder.safetensors")).to(device)
            h = features(encoder, images, dtype)
        found[name] = nearest(h, k)[1].cpu()
    right = {name: labels[indices[:, 0]] == labels for name, indices in found.items()}
    wrong = ~right["pixels"]
    firsts = [torch.nonzero(wrong & (labels == c))[:1, 0] for c in labels.unique()]
    rows = torch.cat(firsts)[:classes]
    nearby = {name: indices[rows].numpy() for name, indices in found.items()}
    return rows.numpy(), nearby, {name: each.float().mean().item() for name, each in right.items()}
