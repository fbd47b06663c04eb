"""Networks as files: safetensors, which hold numbers and nothing that could run."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import nn

from simclr.errors import UserError
from simclr.model import Classifier, Encoder
from simclr.networks import SOURCE


def save_network(file: Path, network: nn.Module, **about: str) -> None:
    """Write the weights of an encoder or classifier as safetensors, with its network's name and `about`."""
    weights = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    encoder = network.encoder if isinstance(network, Classifier) else network
    # save_file would leave it readable to its owner alone
    file.write_bytes(save(weights, {"network": encoder.network} | about))


def load_encoder(file: Path) -> Encoder:
    """The pre-trained encoder, in eval mode."""
    return _load(file, lambda encoder: encoder)


def load_classifier(file: Path | str, classes: int = 10) -> Classifier:
    """A saved classifier, in eval mode: (N, 1, 28, 28) floats in [0, 1] -> logits (N, classes)."""
    return _load(Path(file), lambda encoder: Classifier(encoder, classes))


def _load(file: Path, whole: Callable[[Encoder], nn.Module]):
    try:
        with safe_open(file, "pt") as opened:
            name = (opened.metadata() or {}).get("network", SOURCE)
        network = whole(Encoder(network=name))
        network.load_state_dict(load_file(file))
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; `make report` builds it") from None
    except (RuntimeError, ValueError, KeyError, OSError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{file}: not weights of this network ({reason}); make it again") from None
    return network.eval().to(memory_format=torch.channels_last)
