"""Pre-training by several processes, which together do what one would do.

Each rank takes its share of every batch. Batch norm sees the whole batch, the loss compares the
projections of all ranks, and gradients are summed, so that the weights stay the same everywhere. Random
numbers are drawn for the whole batch on every rank: how many ranks there are changes rounding alone. A
process that is not part of such a group is rank 0 of 1, and nothing here does anything to it.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from joblib import cpu_count
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from simclr.errors import Lost, UserError

_PATIENCE = timedelta(minutes=10)  # for a rank that is slower, before it counts as lost


@contextmanager
def group(device: str) -> Iterator[None]:
    """Join the processes that torchrun started: NCCL on CUDA, gloo elsewhere, where they share the cores."""
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    if device == "mps":
        raise UserError("device: mps cannot train by several processes; use device: cpu")
    if device == "cuda" and here > torch.cuda.device_count():
        raise UserError(f"{here} processes need as many GPUs; there are {torch.cuda.device_count()}")
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    else:
        torch.set_num_threads(max(1, cpu_count() // here))
    with _together():
        dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is; rank 0 writes the files."""
    return dist.get_rank() if size() > 1 else 0


def share(images: int) -> slice:
    """Which images of a batch are this rank's.

    Raises:
        UserError: they cannot be shared out evenly.
    """
    if images % size():
        raise UserError(f"batch_size: {images} images cannot be shared by {size()} processes")
    each = images // size()
    return slice(rank() * each, (rank() + 1) * each)


def gathered(z: Tensor) -> Tensor:
    """The projections of all ranks in the order of the batch; gradients flow to this rank's own.

    Args:
        z: (2n, D), the two views of this rank's n images.

    Returns:
        (2N, D), rows i and i + N the two views of image i of the batch.
    """
    if size() == 1:
        return z
    parts = _Gather.apply(z.float())  # (ranks, 2n, D)
    return parts.unflatten(1, (2, -1)).transpose(0, 1).reshape(-1, z.shape[1])


def sum_gradients(network: nn.Module) -> None:
    """Add up the gradients of all ranks, each of which has those of its own images."""
    if size() > 1:
        gradients = [weight.grad for weight in network.parameters()]
        total = torch.cat([gradient.flatten() for gradient in gradients])
        with _together():
            dist.all_reduce(total)
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, part in zip(gradients, total.split(sizes), strict=True):
            gradient.copy_(part.view(gradient.shape))


def from_first(make: Callable[[], object]) -> object:
    """What `make` returns or raises on rank 0, on every rank."""
    if size() == 1:
        return make()
    made: list = [None]
    if rank() == 0:
        try:
            made = [make()]
        except Exception as error:  # the others meet it, too, and nobody waits
            made = [UserError(str(error))]
    with _together():
        dist.broadcast_object_list(made)
    if isinstance(made[0], UserError):
        raise made[0]
    return made[0]


def synchronised(network: nn.Module) -> nn.Module:
    """Let batch norm see the batches of all ranks; the network itself where there is one rank."""
    if size() > 1:
        for module in list(network.modules()):
            for name, child in module.named_children():
                if isinstance(child, _BatchNorm):
                    setattr(module, name, _Norm(child))
    return network


class _Norm(_BatchNorm):
    """Batch norm over all ranks, on any device (torch's SyncBatchNorm needs a GPU)."""

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum)
        self.load_state_dict(norm.state_dict())

    def _check_input_dim(self, x: Tensor) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        others, shape = [d for d in range(x.ndim) if d != 1], [1, -1] + [1] * (x.ndim - 2)
        n = x.numel() // x.shape[1] * size()
        mean = _Sum.apply(x.float().sum(others)) / n
        centred = x.float() - mean.view(shape)
        variance = _Sum.apply(centred.square().sum(others)) / n
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * n / (n - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale.view(shape) + self.bias.view(shape)).to(x.dtype)


class _Sum(torch.autograd.Function):
    """The sum over ranks, in both directions: every rank uses it, so each one's gradient counts."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return _Sum._over_ranks(x)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return _Sum._over_ranks(gradient)

    @staticmethod
    def _over_ranks(x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        with _together():
            dist.all_reduce(total)
        return total


class _Gather(torch.autograd.Function):
    """All ranks' rows, (ranks, rows, D). Every rank computes the same loss from them: each needs its part."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        parts = [torch.empty_like(x) for _ in range(size())]
        with _together():
            dist.all_gather(parts, x.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient[rank()]


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise Lost(error) from None
