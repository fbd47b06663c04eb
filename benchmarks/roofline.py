"""How far a training step is from what the machine can do, layer by layer; prints JSON.

    .venv/bin/python benchmarks/roofline.py

A layer cannot be faster than its multiply-adds allow at the machine's peak, nor than its bytes allow
at the memory's bandwidth; the larger of the two times is its bound (the roofline of Williams et al.
2009). Peak and bandwidth are measured here, operations are counted by PyTorch while the layer runs, and
bytes are the least that any program would move: each input, weight and output once. What only moves
memory may come out above its bound, since a copy, too, reads what it overwrites.
"""

import json
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from simclr import hardware
from simclr.experiment.study import Study
from simclr.loss import nt_xent
from simclr.pretrain import new_network, training_step
from simclr.replay import Replayed, adamw

STUDY = Study("full")
PARAMS = STUDY.params["pretrain"]
VIEWS = 1024  # of a batch of 512 images
ROUNDS = 7


def peak(device: torch.device, dtype: torch.dtype) -> float:
    """The fastest product of two large square matrices, in operations per second."""
    side = 8192 if device.type == "cuda" else 2048
    a, b = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / fastest(lambda: a @ b, device)


def bandwidth(device: torch.device) -> float:
    """The fastest copy of a block much larger than any cache, in bytes read and written per second."""
    a = torch.rand(2**28 if device.type == "cuda" else 2**26, device=device)
    b = torch.empty_like(a)
    return 2 * a.nbytes / fastest(lambda: b.copy_(a), device)


def fastest(work: Callable[[], object], device: torch.device) -> float:
    """Seconds that `work` takes at its fastest."""
    return min(_seconds(work, device) for _ in range(ROUNDS))


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def layers(network: nn.Module, batch: Tensor, dtype: torch.dtype) -> list[dict]:
    """Of each layer, forward and backward: operations, least bytes and seconds.

    In-place activations are measured out of place, on inputs that need a gradient as in training.
    """
    found, x = [], batch
    for name, layer in [*network[0].layers.named_children(), *network[1].named_children()]:
        if isinstance(layer, (nn.Dropout, nn.Flatten)):  # move nothing here
            with torch.no_grad():
                x = layer(x)
            continue
        if isinstance(layer, nn.ReLU):
            layer = nn.ReLU()
        x = x.detach().requires_grad_(bool(found))  # no gradient for the images
        y, counted = _counted(layer, x, dtype)
        gradient = torch.rand_like(y)
        leaves = [t for t in (x, *layer.parameters()) if t.requires_grad]

        def forward_and_backward(layer=layer, x=x, gradient=gradient, leaves=leaves) -> None:
            with hardware.autocast(x.device, dtype):
                out = layer(x)
            torch.autograd.grad(out, leaves, gradient)

        weights = sum(p.nbytes for p in layer.parameters())
        # forward: read x and weights, write y; backward: read x, y's gradient and weights, write gradients
        least = 2 * x.nbytes + 2 * y.nbytes + 3 * weights + x.nbytes * x.requires_grad
        seconds = fastest(forward_and_backward, x.device)
        found.append({"layer": name, "operations": counted, "bytes": least, "seconds": seconds})
        x = y
    return found


def _counted(layer: nn.Module, x: Tensor, dtype: torch.dtype) -> tuple[Tensor, int]:
    """The layer's output, and its operations forward and backward, an addition being one."""
    with FlopCounterMode(display=False) as counter, hardware.autocast(x.device, dtype):
        y = layer(x)
        y.float().sum().backward()
    return y.detach(), counter.get_total_flops()


def measure() -> dict:
    """Peak, bandwidth, layers with their bounds, and the whole step beside the sum of the bounds."""
    device, dtype = hardware.pick(precision=STUDY.params["common"].precision)
    network = new_network(PARAMS, 0).to(device, memory_format=torch.channels_last).train()
    batch = torch.rand(VIEWS, 1, 28, 28, device=device).to(memory_format=torch.channels_last)
    limits = [(peak(device, dtype), bandwidth(device))]
    found = layers(network, batch, dtype)
    found += [_loss(device), _optimiser(network)]
    network = new_network(PARAMS, 0).to(device, memory_format=torch.channels_last).train()
    optimiser = adamw([{"params": list(network.parameters()), "lr": PARAMS.learning_rate}], 0.01, device)
    step = Replayed(
        lambda views: training_step(network, optimiser, views, PARAMS.temperature, dtype),
        [network],
        optimiser,
        torch.Generator(device),
    )
    for _ in range(2):
        step(batch)
    seconds = fastest(lambda: step(batch), device)
    limits.append((peak(device, dtype), bandwidth(device)))  # again: a shared machine has slow moments
    top, memory = (max(values) for values in zip(*limits, strict=True))
    for row in found:
        row["bound"] = max(row["operations"] / top, row["bytes"] / memory)
    return {
        "precision": hardware.name_of(dtype),
        "peak": top,
        "bandwidth": memory,
        "views": VIEWS,
        "layers": found,
        "step_seconds": seconds,
        "bound_seconds": sum(row["bound"] for row in found),
    }


def _loss(device: torch.device) -> dict:
    z = torch.rand(VIEWS, PARAMS.projection_size, device=device, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        nt_xent(z, PARAMS.temperature).backward()

    def forward_and_backward() -> None:
        torch.autograd.grad(nt_xent(z, PARAMS.temperature), z)

    seconds = fastest(forward_and_backward, device)
    least = 3 * z.nbytes  # the similarities need not be written
    return {"layer": "NT-Xent", "operations": counter.get_total_flops(), "bytes": least, "seconds": seconds}


def _optimiser(network: nn.Module) -> dict:
    optimiser = torch.optim.AdamW(network.parameters())
    for p in network.parameters():
        p.grad = torch.rand_like(p)
    optimiser.step()
    size = sum(p.nbytes for p in network.parameters())
    # read weights, gradients and both moments; write weights and moments
    seconds = fastest(optimiser.step, next(network.parameters()).device)
    return {"layer": "AdamW", "operations": 0, "bytes": 7 * size, "seconds": seconds}


if __name__ == "__main__":
    print(json.dumps(measure()))
