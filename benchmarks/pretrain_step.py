"""How fast a pre-training step is, and what each measure buys: ratios within one run.

    .venv/bin/python benchmarks/pretrain_step.py

Every variant trains the same network on the same kind of batch in a process of its own, since the
allocator cannot be set back. Runs alternate, and the median counts, so that a busy machine tilts all alike.
"""

import json
import statistics
import subprocess
import sys
import time

VARIANTS = {
    "plain": {},
    "+ channels_last": {"channels_last": True},
    "+ memory kept": {"channels_last": True, "keep": True},
    "+ bf16": {"channels_last": True, "keep": True, "bf16": True},
}
IMAGES, STEPS, ROUNDS = 512, 4, 3


def measure(channels_last: bool = False, keep: bool = False, bf16: bool = False) -> dict:
    """Views per second of a step and of drawing the views alone."""
    import torch
    from torchvision.transforms import v2

    from simclr import hardware
    from simclr.augment import Views
    from simclr.loss import nt_xent
    from simclr.model import Encoder, projection_head

    if keep:
        hardware.keep_memory()
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = torch.nn.Sequential(Encoder(), projection_head()).to(memory_format=layout)
    optimiser = torch.optim.AdamW(network.parameters())
    views = Views(rotation=45, crop_scale=0.5, crop_aspect=1.333, blur=2)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(IMAGES, 1, 28, 28)

    def step() -> None:
        batch = torch.cat([views(images, generator), views(images, generator)])
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            z = network(batch)
        optimiser.zero_grad()
        nt_xent(z).backward()
        optimiser.step()

    each = v2.Compose(
        [v2.RandomRotation(45), v2.RandomResizedCrop(28, (0.5, 1)), v2.GaussianBlur(5, (0.1, 2))]
    )
    return {
        "step": 2 * IMAGES / _seconds(step, STEPS),
        "views": IMAGES / _seconds(lambda: views(images, generator), 10),
        "torchvision": IMAGES / _seconds(lambda: [each(image) for image in images], 1),
    }


def _seconds(work, times: int) -> float:
    work()
    start = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - start) / times


def main() -> None:
    """Run every variant in turn, `ROUNDS` times, and print medians and ratios."""
    from simclr.hardware import has_fast_bf16

    speeds: dict[str, list[dict]] = {name: [] for name in VARIANTS}
    for _ in range(ROUNDS):
        for name in VARIANTS:
            out = subprocess.run(
                [sys.executable, __file__, name], capture_output=True, text=True, check=True
            )
            speeds[name].append(json.loads(out.stdout))
    print(f"bf16 in hardware: {'yes' if has_fast_bf16('cpu') else 'no'}")
    first = statistics.median(run["step"] for run in speeds["plain"])
    for name, runs in speeds.items():
        median = statistics.median(run["step"] for run in runs)
        print(f"step, {name:16} {median:7,.0f} views/s  x {median / first:.2f}")
    views, torchvision = (
        statistics.median(run[kind] for runs in speeds.values() for run in runs)
        for kind in ("views", "torchvision")
    )
    print(f"views alone, ours       {views:7,.0f} a second")
    print(
        f"views alone, torchvision, an image at a time {torchvision:,.0f}: x {views / torchvision:.1f}"
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(**VARIANTS[sys.argv[1]])))
    else:
        main()
