"""Pre-training by several processes: the same losses, gradients and weights as by one."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from test_pretrain import assert_same, pictures, run, settings, weights

from simclr import files, pretrain, ranks
from simclr.__main__ import main
from simclr.augment import views_of
from simclr.experiment import cache, parallel
from simclr.experiment.cache import Job, make
from simclr.experiment.study import Study

pytestmark = pytest.mark.slow
TOLERANCE = {"rtol": 1e-3, "atol": 1e-5}  # sums in another order


def step(network):
    """Loss and gradients of the first batch."""
    batch = next(pretrain.two_views(pictures(), views_of(settings()), 8, 0, 1))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.0)
    value = pretrain.training_step(network, optimiser, batch, 0.5, torch.float32)
    return value, {name: weight.grad for name, weight in network.named_parameters()}


def child(task, folder):
    """What each process of a test does."""
    torch.set_num_threads(1)
    if task == "jobs":
        return several_jobs(Path(folder))
    with ranks.group("cpu"):
        checkpoint = Path(folder, "checkpoint.pt")
        if task == "step":
            network = ranks.synchronised(pretrain.new_network(settings(), 0))
            result = *step(network), dict(network.named_buffers())
        else:
            result = weights(run(checkpoint, lambda text: lose(task, text)))
        torch.save(result, Path(folder, f"{ranks.rank()}.pt"))


def write(job, progress):
    """What the job of the next function does: the sum over ranks of its number, and a file."""
    total = torch.tensor(float(job.inputs["number"]))
    torch.distributed.all_reduce(total)
    for read in job.reads.values():
        assert read.is_done()
    if ranks.rank() == 0:
        (job.folder / "sum.txt").write_text(str(int(total)))


def several_jobs(folder):
    """Three jobs, of which somebody else has done the second when its turn comes."""
    cache.code_digest = lambda *modules: ""  # this module is none of the library
    jobs = []
    for number in (1, 2, 4):
        reads = {"before": jobs[-1]} if jobs else {}
        inputs = {"number": number}
        jobs.append(Job("sum", "test_ranks:write", inputs, reads=reads, store=folder / "cache"))
    with ranks.group("cpu"):
        for job in jobs:
            if job is jobs[1] and ranks.rank() == 0:
                make(job, {}, function=lambda job, progress: (job.folder / "sum.txt").write_text("?"))
            parallel.together(job, {}, print)


def lose(task, text):
    """Kill the last rank in the second epoch."""
    if task == "lose" and "epoch 2/3" in text and ranks.rank() == ranks.size() - 1:
        os.kill(os.getpid(), signal.SIGKILL)


def together(task, folder, n):
    """Run `child` in n processes; their exit statuses and what they say."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    given = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(n)}
    code = "import sys, test_ranks as t; t.child(*sys.argv[1:])"
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code, task, str(folder)],
            cwd=Path(__file__).parent,
            env=given | {"RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(n)
    ]
    said = [process.communicate(timeout=200)[1] for process in processes]
    return [process.returncode for process in processes], said


def test_a_job_that_somebody_else_has_done_meanwhile_is_left_out(tmp_path):
    codes, said = together("jobs", tmp_path, 2)
    assert codes == [0, 0], said
    assert sorted(f.read_text() for f in tmp_path.glob("cache/sum/*/sum.txt")) == ["2", "8", "?"]
    about = [json.loads(f.read_text()) for f in tmp_path.glob("cache/sum/*/artefact.json")]
    assert sorted(a.get("processes", 0) for a in about) == [0, 2, 2]


@pytest.mark.parametrize("n", [2, 4])
def test_loss_gradients_and_statistics_are_those_of_one_process(tmp_path, n):
    network = pretrain.new_network(settings(), 0)
    expected = *step(network), dict(network.named_buffers())
    codes, said = together("step", tmp_path, n)
    assert codes == [0] * n, said
    for rank in range(n):
        found = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(found, expected, **TOLERANCE)


def test_a_rank_that_is_lost_ends_all_and_any_number_goes_on_from_the_checkpoint(tmp_path):
    alone = weights(run(tmp_path / "alone.pt"))
    codes, said = together("lose", tmp_path, 2)
    assert codes[1] == -signal.SIGKILL and codes[0] == 1
    assert "simclr.errors.Lost" in said[0].splitlines()[-1]
    half = torch.load(tmp_path / "checkpoint.pt")
    assert len(half["history"]) == 2  # before training, and one epoch
    codes, said = together("go on", tmp_path, 4)
    assert codes == [0] * 4, said
    found = torch.load(tmp_path / "0.pt")
    start = pretrain.new_network(settings(), 0)[0].state_dict()
    for name in ("layers.conv1.weight", "layers.conv4.weight", "layers.dense.weight"):
        assert (found[name] - alone[name]).norm() < 0.1 * (alone[name] - start[name]).norm()
    for rank in range(1, 4):
        assert_same(torch.load(tmp_path / f"{rank}.pt"), found)  # the same everywhere


def test_a_batch_that_cannot_be_shared_is_one_line(tmp_path):
    """In a copy of the project, where nothing is trained."""
    for name in ("lib", "params"):
        shutil.copytree(files.ROOT / name, tmp_path / name)
    (tmp_path / "data").symlink_to(files.DATA)
    command = [sys.executable, "-W", "ignore", "-m", "simclr", "encode", "pretrain"]
    command += ["--processes", "3", "--profile", "smoke"]
    given = {**os.environ, "PYTHONPATH": str(tmp_path / "lib")}
    done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=200)
    says = "error: batch_size: 64 images cannot be shared by 3 processes\n"
    assert (done.returncode, done.stderr) == (2, says)


def test_what_is_trained_starts_no_process(monkeypatch, tmp_path):
    monkeypatch.setattr(Study, "missing", lambda self, stage: [])
    monkeypatch.setattr("simclr.experiment.parallel.torchrun", lambda *_: pytest.fail("started"))
    main(["encode", "pretrain", "--processes", "2", "--profile", "smoke"])
