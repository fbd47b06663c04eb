"""Many jobs side by side, a core each, since small batches use several badly; one job by many processes."""

import logging
import os
import pkgutil
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from simclr.errors import UserError
from simclr.experiment import cache

ON_A_GPU = 12  # processes; more wait for each other
CGROUP = Path("/sys/fs/cgroup")  # where a container finds its limits


def side_by_side(
    jobs: Sequence[cache.Job], record: Mapping[str, object], device: str, progress: Callable[[str], None]
) -> None:
    """Do the jobs, as many at a time as there are workers; one waits for those that it reads.

    Args:
        jobs: what one of them reads comes before it, or is done.
        record: what to write down about each, see `cache.make`.
        progress: called with a line of text after each.

    Raises:
        UserError: one of the processes died.
    """
    at_once = workers(device, len(jobs))
    run = Parallel(at_once, return_as="generator_unordered", pre_dispatch=at_once)
    start, alike = time.perf_counter(), all("method" in job.inputs for job in jobs)
    try:
        for done, kind in enumerate(run(delayed(_make)(job, record) for job in jobs), 1):
            left = (time.perf_counter() - start) / done * (len(jobs) - done) / 60
            time_left = f"  {left:.0f} min left" if alike else ""
            progress(f"{kind}  {done}/{len(jobs)}, {at_once} at a time{time_left}")
    except TerminatedWorkerError:
        raise UserError(
            "a training process died, perhaps for want of memory; what is done is kept: "
            "run the same command again"
        ) from None


def _make(job: cache.Job, record: Mapping[str, object]) -> str:
    while not all(read.is_done() for read in job.reads.values()):
        time.sleep(0.1)  # another worker is at it
    cache.make(job, record)
    return job.kind


def workers(device: str, jobs: int) -> int:
    """How many jobs to do at a time.

    Each gets a core and 2 GiB. Small batches leave a GPU idle, so several share one, with 3 GiB of its
    memory each; on Apple's GPU it is one at a time.
    """
    if device == "mps":
        return 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # of a container, by its version of cgroups
        limit = CGROUP / name
        if limit.exists() and limit.read_text().strip().isdigit():
            memory = min(memory, int(limit.read_text()))
    cores = cpu_count()  # joblib's, which knows a container's quota
    if device == "cuda":
        import torch  # which a plan does not need

        cores = min(cores, ON_A_GPU, torch.cuda.mem_get_info()[0] // (3 * 2**30))
    return max(1, min(jobs, cores, memory // 2**31))


def together(job: cache.Job, record: Mapping[str, object], progress: Callable[[str], None]) -> None:
    """Do a job by several processes, all of which call this; rank 0 keeps what comes out.

    Args:
        record: what to write down about it, see `cache.make`.
    """
    from simclr import ranks  # brings torch, which a plan does not need

    begun = []

    def train(job: cache.Job, progress: Callable[[str], None]) -> None:
        begun.append(ranks.from_first(lambda: True))
        pkgutil.resolve_name(job.function)(job, progress)

    if ranks.rank() == 0:
        cache.make(job, {**record, "processes": ranks.size()}, progress, train)
        if not begun:  # somebody else had done it meanwhile
            ranks.from_first(lambda: False)
    elif ranks.from_first(lambda: None):
        pkgutil.resolve_name(job.function)(job, lambda text: None)
    ranks.from_first(lambda: None)  # it is written before a next job reads it


def torchrun(processes: int, *arguments: str) -> None:
    """Run `python -m simclr` with these arguments in so many processes of this machine, as torchrun does.

    Raises:
        UserError: one of them failed or was killed; the others are ended, too.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        monitor_interval=0.5,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "simclr", *arguments)
    except ChildFailedError as error:
        failure = error.get_first_failure()[1]
        rank, status = failure.local_rank, failure.exitcode
        if (rank, status) == (0, 2):  # it has said why
            raise SystemExit(2) from None
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        raise UserError(
            f"process {rank} of {processes} {how}; finished epochs are kept: run the same command again"
        ) from None
    except SignalException:
        raise KeyboardInterrupt from None
