"""A job of the cache: make an encoder from images without labels."""

import pkgutil
from collections.abc import Callable
from types import SimpleNamespace

from simclr import data, hardware, ranks
from simclr.model import Encoder
from simclr.weights import load_encoder, save_network

ENCODER, HISTORY = "encoder.safetensors", "history.csv"
KEPT = "encoder-{}.safetensors"  # after an epoch


def encode(job, progress: Callable[[str], None]) -> None:
    """Make an encoder by the function that the job's inputs name; writes it, its history, and those kept."""
    inputs = job.inputs
    device, dtype = hardware.pick(inputs["device"], inputs["precision"])
    params = SimpleNamespace(**inputs["params"])
    pool = data.images(job.data, "pool")[data.unlabelled(job.data, inputs["balanced"])]
    images = pool[: params.unlabelled_images].to(device)
    validation = data.images(job.data, "validation")[: params.validation_images].to(device)
    checkpoint = job.folder / "checkpoint.pt"
    start = load_encoder(job.reads["start"].file(ENCODER)) if "start" in job.reads else None

    def keep(epoch: int, encoder: Encoder) -> None:
        if epoch in inputs["kept"] and ranks.rank() == 0:
            save_network(job.folder / KEPT.format(epoch), encoder)

    train = pkgutil.resolve_name(inputs["train"])
    encoder, history = train(
        images, validation, params, inputs["seed"], dtype, checkpoint, progress, start, keep
    )
    if ranks.rank() == 0:
        history.to_csv(job.folder / HISTORY, index=False)
        save_network(job.folder / ENCODER, encoder)
        checkpoint.unlink(missing_ok=True)
