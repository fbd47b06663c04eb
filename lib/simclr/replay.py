"""Training steps as CUDA graphs: a single launch where there would be some hundred.

The networks are so small that a GPU waits for the processor, which launches every kernel by itself.
Recorded once and replayed, a step takes less than half of the time. Elsewhere it is called as it is.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from simclr import ranks

_WARM_UP = 3  # calls before a recording, in which libraries choose their kernels


class Replayed:
    """A training step that is recorded for each shape of its arguments, then replayed.

    A recording keeps the mode of the networks, and where weights and moments lie: checkpoints are loaded
    and modes are set before the first call.

    Args:
        step: called with tensors. What it changes are the weights of `networks` and the optimiser's
            state, in place; what it draws comes from `generator` or from torch's own.
        optimiser: of `adamw`.
        generator: on the device to train on.
        sums: (n,) for steps that return n sums over their batch, which `total` adds up.
    """

    def __init__(
        self,
        step: Callable[..., Tensor],
        networks: Iterable[nn.Module],
        optimiser: torch.optim.Optimizer,
        generator: torch.Generator,
        sums: tuple[int, ...] = (),
    ) -> None:
        self.step, self.optimiser, self.generator = step, optimiser, generator
        self.total = torch.zeros(sums, device=generator.device)
        self.changed = [self.total, *(v for network in networks for v in network.state_dict().values())]
        self.recorded: dict[tuple, tuple[torch.cuda.CUDAGraph, list[Tensor]]] = {}
        self.plain = generator.device.type != "cuda" or ranks.size() > 1

    def __call__(self, *arguments: Tensor) -> None:
        if self.plain:
            self._add(*arguments)
            return
        shapes = tuple(argument.shape for argument in arguments)
        if shapes not in self.recorded:
            self.recorded[shapes] = self._record(arguments)
        graph, places = self.recorded[shapes]
        for place, argument in zip(places, arguments, strict=True):
            place.copy_(argument)
        graph.replay()

    def _add(self, *arguments: Tensor) -> None:
        self.total += self.step(*arguments)

    def _record(self, arguments: tuple[Tensor, ...]) -> tuple[torch.cuda.CUDAGraph, list[Tensor]]:
        """The graph and the places of its arguments; all that the step changed is as it was before."""
        places, graph = [argument.clone() for argument in arguments], torch.cuda.CUDAGraph()
        drawn = self.generator.get_state(), torch.cuda.get_rng_state()
        before, fresh = [value.clone() for value in self.changed], not self.optimiser.state
        moments = [value.clone() for value in self._moments()]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UP):
                self._add(*places)
        torch.cuda.current_stream().wait_stream(aside)
        graph.register_generator_state(self.generator)
        with torch.cuda.graph(graph):
            self._add(*places)
        self.generator.set_state(drawn[0])
        torch.cuda.set_rng_state(drawn[1])
        with torch.no_grad():
            for value, old in zip(self.changed, before, strict=True):
                value.copy_(old)
            if fresh:
                moments = [torch.zeros_like(value) for value in self._moments()]
            for value, old in zip(self._moments(), moments, strict=True):
                value.copy_(old)
        return graph, places

    def _moments(self) -> list[Tensor]:
        return [value for state in self.optimiser.state.values() for value in state.values()]


def adamw(
    groups: list[dict], weight_decay: float, device: torch.device, fused: bool = False
) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) whose rates a replayed step reads anew, see `set_rates`.

    Args:
        groups: as torch has them, with a peak rate `lr` each.
        fused: a single loop over all weights elsewhere than on CUDA, too.
    """
    on_cuda = device.type == "cuda"
    if on_cuda:
        groups = [group | {"lr": torch.tensor(group["lr"], device=device)} for group in groups]
    return torch.optim.AdamW(groups, weight_decay=weight_decay, fused=fused or on_cuda, capturable=on_cuda)


def set_rates(optimiser: torch.optim.Optimizer, rates: Iterable[float]) -> None:
    """Give each group of an optimiser its learning rate."""
    for group, rate in zip(optimiser.param_groups, rates, strict=True):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
