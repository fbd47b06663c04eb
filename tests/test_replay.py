"""simclr.replay: steps do what a loop written by hand does, replayed or not; rates reach the optimiser."""

import copy

import pytest
import torch
from torch import nn

from simclr.replay import Replayed, adamw, set_rates


def start(device: str) -> tuple[nn.Module, torch.Generator]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1)).to(device)
    return network, torch.Generator(device).manual_seed(1)


def batches(generator: torch.Generator):
    """Of two sizes, with the learning rate of each step."""
    for k in range(9):
        yield torch.randn(6 + k % 2, 4, generator=generator, device=generator.device), 0.1 / (k + 1)


def losses(network: nn.Module, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Sum and mean of the squared errors; noise and dropout are drawn."""
    noise = torch.rand(x.shape, generator=generator, device=x.device)
    errors = (network(x + noise) - x.sum(1, keepdim=True)).square()
    return torch.stack([errors.sum(), errors.mean()])


def replayed(device: str, plain: bool, known: dict | None = None) -> tuple:
    """Weights, summed losses, the optimiser's state; it begins with that `known`, as after a checkpoint."""
    network, generator = start(device)
    groups = [{"params": list(part.parameters()), "lr": 0.1} for part in (network[:3], network[3:])]
    optimiser = adamw(groups, 0.01, torch.device(device))
    if known:
        optimiser.load_state_dict(copy.deepcopy(known))  # else what it learns changes `known`

    def step(x: torch.Tensor) -> torch.Tensor:
        found = losses(network, x, generator)
        optimiser.zero_grad()
        found[1].backward()
        optimiser.step()
        return found.detach()

    learn = Replayed(step, [network], optimiser, generator, sums=(2,))
    learn.plain = learn.plain or plain
    for x, rate in batches(generator):
        set_rates(optimiser, [rate, rate / 2])
        learn(x)
    return list(network.state_dict().values()), learn.total, optimiser.state_dict()


def test_called_steps_do_what_a_loop_written_by_hand_does():
    network, generator = start("cpu")
    parts = [{"params": list(part.parameters())} for part in (network[:3], network[3:])]
    optimiser = torch.optim.AdamW(parts, weight_decay=0.01)
    total = torch.zeros(2)
    for x, rate in batches(generator):
        optimiser.param_groups[0]["lr"], optimiser.param_groups[1]["lr"] = rate, rate / 2
        found = losses(network, x, generator)
        optimiser.zero_grad()
        found[1].backward()
        optimiser.step()
        total += found.detach()
    weights, summed, _ = replayed("cpu", plain=True)
    assert torch.equal(total, summed)
    for one, other in zip(network.state_dict().values(), weights, strict=True):
        assert torch.equal(one, other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("resumed", [False, True])
def test_replayed_steps_end_with_the_weights_of_called_ones(resumed):
    known = replayed("cuda", plain=True)[2] if resumed else None
    (fast, total, _), (called, expected, _) = (replayed("cuda", plain, known) for plain in (False, True))
    assert torch.equal(total, expected)
    for one, other in zip(fast, called, strict=True):
        assert torch.equal(one, other)
