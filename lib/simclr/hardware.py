"""Where the arithmetic runs: device, precision, threads and the memory allocator."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from simclr.errors import UserError

# Instruction sets that multiply bf16 in hardware; without one, bf16 on a CPU is slower than fp32.
_BF16_FLAGS = {"avx512_bf16", "amx_bf16"}
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # <malloc.h> of glibc


def pick(device: str = "auto", precision: str = "auto") -> tuple[torch.device, torch.dtype]:
    """Choose the device and the type of the network's arithmetic, and set torch up for them.

    What it sets holds for the whole process: glibc's allocator on a CPU; on CUDA deterministic kernels,
    and fp32 convolutions that are fp32 and not TF32.

    Args:
        device: `auto` (CUDA, else Apple MPS, else CPU), or `cpu`, `cuda`, `mps`.
        precision: `auto` (bf16 where the hardware multiplies it fast), `fp32` or `bf16`.

    Raises:
        UserError: the device asked for is not on this machine.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        device = next(name for name, there in present.items() if there)
    if not present.get(device, False):
        raise UserError(f"device: {device} is not on this machine; use auto")
    if device == "cpu":
        keep_memory()
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    fast = precision == "bf16" or (precision == "auto" and has_fast_bf16(device))
    return torch.device(device), torch.bfloat16 if fast else torch.float32


def has_fast_bf16(device: str) -> bool:
    """Whether `device` multiplies bf16 matrices in hardware."""
    if device == "cuda":
        return torch.cuda.get_device_capability()[0] >= 8
    cpuinfo = Path("/proc/cpuinfo")
    return device == "cpu" and cpuinfo.exists() and bool(_BF16_FLAGS & set(cpuinfo.read_text().split()))


def keep_memory() -> None:
    """Tell glibc's allocator to keep large blocks.

    By default glibc gives every large block back to the kernel, which must then zero the pages
    again at the next training step: a third of the processor time of a step.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with a single thread, so that results do not depend on the number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Context in which the network computes in `dtype`; a no-op for fp32."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)


def name_of(dtype: torch.dtype) -> str:
    """ "bf16" or "fp32"."""
    return "bf16" if dtype == torch.bfloat16 else "fp32"
