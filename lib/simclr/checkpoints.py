"""Checkpoints of a training: written whole by rank 0, read by all ranks."""

import io
import os
from pathlib import Path

import torch
from torch import nn

from simclr import ranks
from simclr.errors import UserError


def save(file: Path, network: nn.Module, optimiser: torch.optim.Optimizer, history: list) -> None:
    """Write weights, the optimiser's state and the history so far."""
    if ranks.rank() > 0:
        return
    content = io.BytesIO()  # torch writing to the file itself would hide that a disk is full
    parts = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save({**parts, "history": history}, content)
    temporary = file.with_suffix(".tmp")
    temporary.write_bytes(content.getbuffer())
    os.replace(temporary, file)


def resume(file: Path, network: nn.Module, optimiser: torch.optim.Optimizer) -> list[dict]:
    """Load the checkpoint into network and optimiser; its history, empty where there is none.

    Raises:
        UserError: the file cannot be read, or is of another network.
    """
    state = ranks.from_first(lambda: _read(file, network))
    if not state:
        return []
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    return state["history"]


def _read(file: Path, network: nn.Module) -> dict:
    if not file.exists():
        return {}
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        if state["network"].keys() == network.state_dict().keys():
            return state
        raise ValueError
    except Exception:  # torch.load has a different one for every kind of damage
        raise UserError(
            f"{file}: cannot be read, it may be damaged; delete the file to start again"
        ) from None
