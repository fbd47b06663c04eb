"""Checkpoints of a training: written whole by rank 0, read by all ranks."""

import io
import os
from pathlib import Path

import torch
from torch import nn

from simclr import ranks
from simclr.errors import Lost, UserError


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
    device = next(network.parameters()).device
    try:
        state = ranks.from_first(
            lambda: torch.load(file, map_location=device, weights_only=True) if file.exists() else None
        )
        if state is None:
            return []
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        return state["history"]
    except Lost:
        raise
    except Exception:  # torch.load has a different one for every kind of damage
        raise UserError(
            f"{file}: cannot be read, it may be damaged; delete the file to start again"
        ) from None
