"""Device and precision: what is there is picked, what is not there is said in one line."""

import os

import pytest
import torch

from simclr import hardware
from simclr.errors import UserError
from simclr.experiment import parallel

XEON = "processor : 0\nmodel name\t: Some Xeon @ 2.0GHz\nflags\t: fpu avx2 avx512f {} amx_tile\n"


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Pretend to be on a machine with these accelerators and this /proc/cpuinfo."""

    def pretend(cuda=False, mps=False, capability=(8, 0), cpuinfo=None):
        file = tmp_path / "cpuinfo"
        if cpuinfo is not None:
            file.write_text(cpuinfo)
        monkeypatch.setattr(hardware, "Path", lambda path: file)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


def test_an_absent_device_is_one_line(machine):
    machine()
    with pytest.raises(UserError, match=r"^device: cuda is not on this machine; use auto$"):
        hardware.pick("cuda", "fp32")


@pytest.mark.parametrize(
    ("there", "device", "dtype"),
    [
        ({"cuda": True, "mps": True}, "cuda", torch.bfloat16),
        ({"cuda": True, "capability": (7, 5)}, "cuda", torch.float32),
        ({"mps": True, "cpuinfo": XEON.format("amx_bf16")}, "mps", torch.float32),  # the flags are the CPU's
        ({}, "cpu", torch.float32),  # without /proc/cpuinfo
    ],
)
def test_auto_takes_the_fastest_device_and_bf16_where_it_is_multiplied(machine, there, device, dtype):
    machine(**there)
    assert hardware.pick("auto", "auto") == (torch.device(device), dtype)


@pytest.mark.parametrize(  # whole words only
    "flags, fast", [("avx512_bf16", True), ("amx_bf16", True), ("avx512_bf16x my_amx_bf16", False)]
)
def test_bf16_on_a_cpu_that_multiplies_it(machine, flags, fast):
    machine(cpuinfo=XEON.format(flags))
    assert hardware.has_fast_bf16("cpu") is fast
    assert hardware.pick("cpu", "auto")[1] == (torch.bfloat16 if fast else torch.float32)
    assert hardware.pick("cpu", "fp32")[1] == torch.float32


@pytest.fixture
def host(monkeypatch, tmp_path):
    """Pretend to be on a machine with 8 cores and 64 GiB; `host` holds a container's limits."""
    monkeypatch.setattr(parallel, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**24}.get)
    monkeypatch.setattr(parallel, "CGROUP", tmp_path)
    return tmp_path


def test_as_many_draws_at_a_time_as_there_are_cores_and_fewer_on_a_gpu(host, monkeypatch):
    assert [parallel.workers("cpu", jobs) for jobs in (0, 1, 3, 10)] == [1, 1, 3, 8]
    assert parallel.workers("mps", 10) == 1
    monkeypatch.setattr(parallel, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**25}.get)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (79 * 2**30, 80 * 2**30))
    assert parallel.workers("cuda", 100) == parallel.ON_A_GPU
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (7 * 2**30, 8 * 2**30))
    assert parallel.workers("cuda", 100) == 2
    monkeypatch.setattr(parallel, "cpu_count", lambda: 3)
    assert parallel.workers("cpu", 10) == 3
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**20}.get)
    assert parallel.workers("cpu", 10) == 2  # 4 GiB


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
@pytest.mark.parametrize(("limit", "expected"), [(4 * 2**30, 2), ("max", 8), (2**29, 1)])
def test_a_containers_memory_limits_draws_side_by_side_to_one_at_least(host, name, limit, expected):
    (host / name).parent.mkdir(exist_ok=True)
    (host / name).write_text(f"{limit}\n")
    assert parallel.workers("cpu", 10) == expected
