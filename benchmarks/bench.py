"""Side by side, in one run: this project, its peers and the machine's own limits. Called by `make bench`.

Prints tables as Markdown and writes them to benchmarks/results/<machine>.json.
Nothing else should run meanwhile. Every measurement has a process of its own; contenders take turns, so
that a machine that slows down slows all of them.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from simclr import files
from simclr.experiment import provenance
from simclr.hardware import pick

HERE = Path(__file__).parent
PEERS = files.ROOT / ".venv" / "bench"  # lightly, which the report does not need
NAMES = {"ours": "this project", "lightly": "lightly", "tutorial": "torchvision loop"}
ROUNDS = 3


def main() -> None:
    """Measure all, then print and write it."""
    device = pick()[0].type
    found = {
        "machine": provenance.here(device) | {"cores": os.cpu_count(), "device": device},
        "throughput": throughput(),
        "roofline": _run("roofline.py"),
        "time_to_accuracy": time_to_accuracy(),
    }
    name = f"{found['machine']['device_name']} {os.cpu_count()} {found['roofline']['precision']}"
    file = HERE / "results" / f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}.json"
    files.write_json(file, found)
    for title, table in tables(found).items():
        print(f"\n{title}\n\n{table.to_markdown(index=False)}")
    print(f"\nWritten to {files.shown(file)}.")


def throughput() -> list[dict]:
    """Views per second of each contender: median, least and most of the rounds."""
    speeds = {name: [] for name in NAMES}
    for _ in range(ROUNDS):
        for name in NAMES:
            speeds[name].append(_run("contenders.py", name)["views_per_second"])
    return [
        {"name": name, "views_per_second": statistics.median(each), "least": min(each), "most": max(each)}
        for name, each in speeds.items()
    ]


def time_to_accuracy() -> list[dict]:
    """Seconds to encoders of given accuracies, five seeds each."""
    rows = []
    for target in ("0.91", "0.94"):
        runs = [_run("time_to_accuracy.py", target, str(seed), str(time.time())) for seed in range(5)]
        rows.append({"target": float(target), "runs": runs})
    return rows


def tables(found: dict) -> dict[str, pd.DataFrame]:
    """The tables that are printed, by title."""
    speed = pd.DataFrame(found["throughput"])
    ours = speed.views_per_second[0]
    step, layers = _layers(found["roofline"])
    runs = [
        {
            "probe": f"{row['target']:.0%}",
            "reached": f"{statistics.mean(run['accuracy'] for run in row['runs']):.1%}",
            "seconds": f"{statistics.mean(run['seconds'] for run in row['runs']):.0f}",
            "slowest": f"{max(run['seconds'] for run in row['runs']):.0f}",
            "views": f"{row['runs'][0]['views']:,}",
        }
        for row in found["time_to_accuracy"]
    ]
    return {
        "Throughput of pre-training, batches of 512 images": pd.DataFrame(
            {
                "": speed.name.map(NAMES),
                "views/s": speed.views_per_second.map("{:,.0f}".format),
                "range": [f"{a:,.0f}–{b:,.0f}" for a, b in zip(speed.least, speed.most, strict=True)],
                "this project is faster": (ours / speed.views_per_second).map("× {:.1f}".format),
            }
        ),
        step: layers,
        "Time to accuracy from a cold start, five seeds": pd.DataFrame(runs),
    }


def _layers(roofline: dict) -> tuple[str, pd.DataFrame]:
    """What the step reaches, in words, and a row a layer."""
    reached = roofline["bound_seconds"] / roofline["step_seconds"]
    title = (
        f"A step of {roofline['views']:,} views: {1e3 * roofline['step_seconds']:.0f} ms, "
        f"{reached:.0%} of what {roofline['peak'] / 1e9:,.0f} GFLOP/s ({roofline['precision']}) and "
        f"{roofline['bandwidth'] / 1e9:,.1f} GB/s allow"
    )
    layers = pd.DataFrame(roofline["layers"])
    return title, pd.DataFrame(
        {
            "layer": layers.layer,
            "GFLOP": (layers.operations / 1e9).map("{:.2f}".format),
            "MB": (layers.bytes / 1e6).map("{:.0f}".format),
            "bound, ms": (1e3 * layers.bound).map("{:.2f}".format),
            "measured, ms": (1e3 * layers.seconds).map("{:.2f}".format),
            "reached": (layers.bound / layers.seconds).map("{:.0%}".format),
        }
    )


def _run(script: str, *arguments: str) -> dict:
    """What a script of this folder prints, in a process of its own, where peers can be imported."""
    command = [sys.executable, "-W", "ignore", str(HERE / script), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(PEERS)}
    print("…", script.removesuffix(".py"), *arguments, file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)
    if done.returncode:
        raise SystemExit(f"{script} {' '.join(arguments)} failed:\n{done.stderr}")
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
