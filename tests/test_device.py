"""Device and precision: what is there is picked, what is not there is said in one line."""

import pytest
import torch

from simclr import device as devices
from simclr.errors import UserError

XEON = "processor : 0\nmodel name\t: Some Xeon @ 2.0GHz\nflags\t: fpu avx2 avx512f {} amx_tile\n"


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Pretend to be on a machine with these accelerators and this /proc/cpuinfo."""

    def pretend(cuda=False, mps=False, capability=(8, 0), cpuinfo=None):
        file = tmp_path / "cpuinfo"
        if cpuinfo is not None:
            file.write_text(cpuinfo)
        monkeypatch.setattr(devices, "Path", lambda path: file)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


def test_what_is_asked_for_is_picked():
    assert devices.pick("cpu", "fp32") == (torch.device("cpu"), torch.float32)
    assert devices.pick("cpu", "bf16") == (torch.device("cpu"), torch.bfloat16)


@pytest.mark.parametrize("name", ["cuda", "mps", "tpu"])
def test_an_absent_device_is_one_line(machine, name):
    machine()
    with pytest.raises(UserError) as error:
        devices.pick(name, "fp32")
    assert name in str(error.value) and "auto" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "cuda, mps, expected",
    [(True, False, "cuda"), (False, True, "mps"), (False, False, "cpu"), (True, True, "cuda")],
)
def test_auto_takes_the_fastest_device_there(machine, cuda, mps, expected):
    machine(cuda, mps)
    assert devices.pick("auto", "fp32")[0].type == expected


@pytest.mark.parametrize(
    "flags, fast",
    [
        ("avx512_bf16", True),
        ("amx_bf16", True),
        ("avx512_vnni", False),
        ("avx512_bf16x my_amx_bf16", False),  # whole words only
    ],
)
def test_bf16_on_a_cpu_that_multiplies_it(machine, flags, fast):
    machine(cpuinfo=XEON.format(flags))
    assert devices.has_fast_bf16("cpu") is fast
    assert devices.pick("cpu", "auto")[1] == (torch.bfloat16 if fast else torch.float32)
    assert devices.pick("cpu", "fp32")[1] == torch.float32


def test_no_cpuinfo_means_no_bf16(machine):
    machine()
    assert devices.pick("cpu", "auto")[1] == torch.float32


@pytest.mark.parametrize(
    "capability, dtype",
    [((7, 5), torch.float32), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)],
)
def test_bf16_on_a_gpu_that_multiplies_it(machine, capability, dtype):
    machine(cuda=True, capability=capability)
    assert devices.pick("auto", "auto") == (torch.device("cuda"), dtype)


def test_mps_computes_in_fp32_unless_told(machine):
    machine(mps=True, cpuinfo=XEON.format("amx_bf16"))  # the CPU's flags say nothing of the GPU
    assert devices.pick("auto", "auto")[1] == torch.float32


def test_autocast_does_nothing_for_fp32():
    a = torch.ones(2, 2)
    for dtype in (torch.float32, torch.bfloat16):
        with devices.autocast(torch.device("cpu"), dtype):
            assert (a @ a).dtype == dtype


@pytest.mark.parametrize("libc", [("", ""), ("musl", "1.2")])
def test_allocator_is_left_alone_where_it_is_not_glibc(monkeypatch, libc):
    monkeypatch.setattr(devices.platform, "libc_ver", lambda: libc)
    monkeypatch.setattr(devices.ctypes, "CDLL", lambda *_: pytest.fail("no mallopt here"))
    assert devices.keep_memory() is False


def test_allocator_takes_both_settings_of_glibc(monkeypatch):
    calls = []

    class Library:
        @staticmethod
        def mallopt(name, value):
            calls.append((name, value))
            return 1

    monkeypatch.setattr(devices.platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(devices.ctypes, "CDLL", lambda *_: Library)
    assert devices.keep_memory() is True
    assert calls == [(-4, 0), (-1, 2**31 - 1)]


@pytest.mark.skipif(devices.platform.libc_ver()[0] != "glibc", reason="no glibc here")
def test_glibc_accepts_the_settings():
    assert devices.keep_memory() is True


def test_describe_says_device_precision_and_threads(machine):
    machine(cpuinfo=XEON.format("amx_bf16"))
    said = devices.describe(torch.device("cpu"), torch.bfloat16)
    assert said == {
        "device": "cpu",
        "device_name": "Some Xeon @ 2.0GHz",
        "precision": "bf16",
        "threads": torch.get_num_threads(),
    }
    assert devices.describe(torch.device("cpu"), torch.float32)["precision"] == "fp32"


def test_describe_has_a_name_without_cpuinfo(machine):
    machine()
    assert devices.describe(torch.device("cpu"), torch.float32)["device_name"]
