"""NT-Xent against a double loop and closed forms."""

import math

import numpy as np
import pytest
import torch

from simclr.loss import alignment, chance_loss, nt_xent, uniformity


def projections(n=5, size=6, seed=0):
    """(2N, D), of different lengths."""
    z = torch.randn(2 * n, size, generator=torch.Generator().manual_seed(seed))
    return z * torch.linspace(0.2, 5, 2 * n)[:, None]


def naive(z, temperature):
    """The equation, term by term, in float64 (Chen et al. 2020, equation 1 and algorithm 1)."""
    z = np.asarray(z, dtype=np.float64)
    n = len(z) // 2

    def sim(a, b):
        return z[a] @ z[b] / (np.linalg.norm(z[a]) * np.linalg.norm(z[b])) / temperature

    total = 0.0
    for i in range(2 * n):
        j = i + n if i < n else i - n
        others = [sim(i, k) for k in range(2 * n) if k != i]
        top = max(others)  # taken out of the logarithm, or low temperatures overflow here too
        total += top + math.log(sum(math.exp(s - top) for s in others)) - sim(i, j)
    return total / (2 * n)


@pytest.mark.parametrize("temperature", [0.001, 0.05, 0.5, 10])
def test_equals_the_equation_and_does_not_overflow(temperature):
    z = projections().requires_grad_()
    loss = nt_xent(z, temperature)
    loss.backward()
    expected = naive(z.detach(), temperature)
    assert loss.item() == pytest.approx(expected, rel=1e-5 if temperature > 0.01 else 1e-3)
    assert torch.isfinite(z.grad).all() and z.grad.abs().max() > 0


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2])
def test_views_that_all_look_alike_give_chance(temperature):
    z = torch.ones(12, 3) * torch.linspace(1, 2, 12)[:, None]
    assert nt_xent(z, temperature).item() == pytest.approx(math.log(11), rel=1e-6)
    assert chance_loss(6) == pytest.approx(math.log(11))


def test_computes_in_fp32_under_bf16_autocast():
    z = projections(n=16, size=32)
    exact, half = nt_xent(z, 0.1), nt_xent(z.bfloat16().float(), 0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        leaf = z.bfloat16().requires_grad_()
        loss = nt_xent(leaf, 0.1)
        torch.testing.assert_close(nt_xent(z, 0.1), exact)
    loss.backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, half)
    assert torch.isfinite(leaf.grad).all()


@pytest.mark.parametrize(
    "second, expected", [([[2.0, 0]], 0), ([[0, 3.0]], 2), ([[-1.0, 0]], 4), ([[3.0, 4]], 0.8)]
)
def test_alignment_closed_forms(second, expected):
    z = torch.cat([torch.tensor([[5.0, 0]]), torch.tensor(second)])
    assert alignment(z).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "z, expected",
    [
        (torch.ones(5, 3), 0),
        (torch.tensor([[1.0, 0], [-7, 0]]), -8),
        (torch.eye(6), -4),
        (torch.tensor([[1.0, 0], [2, 0], [-1, 0]]), math.log((1 + 2 * math.exp(-8)) / 3)),
    ],
)
def test_uniformity_closed_forms(z, expected):
    assert uniformity(z).item() == pytest.approx(expected, abs=1e-4)
