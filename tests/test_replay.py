"""simclr.replay: steps that are replayed do what steps that are called do, and rates reach the optimiser."""

import pytest
import torch
from torch import nn

from simclr.replay import Replayed, adamw, set_rates

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


def trained(device: str, plain: bool) -> tuple[list[torch.Tensor], float]:
    """Weights and the sum of losses after steps of two sizes, which draw noise and dropout."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1)).to(device)
    generator = torch.Generator(device).manual_seed(1)
    groups = [{"params": list(network.parameters()), "lr": 0.1}]
    optimiser = adamw(groups, 0.01, torch.device(device))

    def step(x: torch.Tensor) -> torch.Tensor:
        noise = torch.rand(x.shape, generator=generator, device=device)
        loss = (network(x + noise) - x.sum(1, keepdim=True)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.detach()

    replayed = Replayed(step, [network], optimiser, generator)
    replayed.plain = replayed.plain or plain
    for k in range(9):
        set_rates(optimiser, [0.1 / (k + 1)])
        replayed(torch.randn(6 + k % 2, 4, generator=generator, device=device))
    return list(network.state_dict().values()), replayed.total.item()


@pytest.mark.parametrize("device", DEVICES)
def test_replayed_steps_end_with_the_same_weights_as_called_ones(device):
    (replayed, total), (called, expected) = trained(device, plain=False), trained(device, plain=True)
    assert total == expected
    for one, other in zip(replayed, called, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("device", DEVICES)
def test_each_group_gets_its_rate(device):
    weights = [nn.Parameter(torch.ones(1, device=device)) for _ in range(2)]
    groups = [{"params": [weight], "lr": 1.0} for weight in weights]
    optimiser = adamw(groups, 0.0, torch.device(device))
    for weight in weights:
        weight.grad = torch.ones(1, device=device)
    set_rates(optimiser, [0.0, 0.5])
    optimiser.step()
    assert [weight.item() for weight in weights] == [1.0, pytest.approx(0.5)]
