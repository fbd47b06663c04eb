"""Side by side, in one run: this project, its peers and the machine's own limits. Called by `make bench`.

Prints tables as Markdown and writes them to benchmarks/results/<machine>.json, with a plot beside it.
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
from simclr.report import style

HERE = Path(__file__).parent
PEERS = files.ROOT / ".venv" / "bench"  # lightly, which the report does not need
NAMES = {"ours": "this project", "lightly": "lightly", "tutorial": "torchvision loop"}
ROUNDS = 3
BATCHES = (128, 256, 512, 1024, 2048)  # images


def main() -> None:
    """Measure all, then print and write it."""
    device = pick()[0].type
    found = {
        "machine": provenance.here(device) | {"cores": os.cpu_count(), "device": device},
        "throughput": throughput(),
        "roofline": _run("roofline.py"),
        "growth": growth(),
        "time_to_accuracy": time_to_accuracy(),
        "report": report(),
    }
    name = f"{found['machine']['device_name']} {os.cpu_count()} {found['roofline']['precision']}"
    file = HERE / "results" / f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}.json"
    files.write_json(file, found)
    plot(found).savefig(file.with_suffix(".svg"), metadata={"Date": None})
    for title, table in tables(found).items():
        print(f"\n{title}\n\n{table.to_markdown(index=False)}")
    print(f"\nWritten to {files.shown(file)}, with a plot beside it.")


def throughput() -> list[dict]:
    """Views per second of each contender: median, least and most of the rounds."""
    speeds = {name: [] for name in NAMES}
    for _ in range(ROUNDS):
        for name in NAMES:
            speeds[name].append(_run("contenders.py", name, "{}")["views_per_second"])
    return [
        {"name": name, "views_per_second": statistics.median(each), "least": min(each), "most": max(each)}
        for name, each in speeds.items()
    ]


def growth() -> list[dict]:
    """Speed and memory of this project over the size of a batch and the number of threads."""
    changes = [{"batch": batch} for batch in BATCHES]
    changes += [{"threads": n} for n in (1, 2, 4, 8, 16, 32) if n < os.cpu_count()]
    return [change | _run("contenders.py", "ours", json.dumps(change)) for change in changes]


def time_to_accuracy() -> list[dict]:
    """Seconds to encoders of given accuracies, five seeds each."""
    rows = []
    for target in ("0.91", "0.94"):
        runs = [_run("time_to_accuracy.py", target, str(seed), str(time.time())) for seed in range(5)]
        rows.append({"target": float(target), "runs": runs})
    return rows


def report() -> dict:
    """Seconds of each stage of the committed report, and on what they were measured."""
    made = files.read_json(files.REPORTS / "provenance.json")["stages"]
    return {
        "machine": next(iter(made.values()))["device_name"],
        "seconds": {stage: found["seconds"] for stage, found in made.items()},
    }


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
        "Growth": pd.DataFrame(
            {
                "": [_change(row) for row in found["growth"]],
                "views/s": [f"{row['views_per_second']:,.0f}" for row in found["growth"]],
                "memory, MiB": [f"{row['memory_mib']:,.0f}" for row in found["growth"]],
            }
        ),
        "Time to accuracy from a cold start, five seeds": pd.DataFrame(runs),
        f"The committed report, trained on {found['report']['machine']}": pd.DataFrame(
            {
                "stage": list(found["report"]["seconds"]),
                "seconds, all draws added up": [f"{s:,.0f}" for s in found["report"]["seconds"].values()],
            }
        ),
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


def plot(found: dict):
    """Throughput as bars; of each layer, what was measured beside its bound."""
    style.setup()
    fig, (left, right) = style.panels(3.4, columns=2, width_ratios=(2, 3))
    speed = pd.DataFrame(found["throughput"])
    low, high = speed.views_per_second - speed.least, speed.most - speed.views_per_second
    look = {"color": [style.ACCENT, style.SOFT, style.SOFT], "xerr": [low, high]}
    left.barh(speed.name.map(NAMES), speed.views_per_second, height=0.6, **look)
    left.invert_yaxis()
    left.set(xlabel="Views per second", title="Pre-training")
    layers = pd.DataFrame(found["roofline"]["layers"])
    right.hlines(layers.layer, 1e3 * layers.bound, 1e3 * layers.seconds, style.SOFT, linewidth=0.8)
    right.plot(1e3 * layers.bound, layers.layer, "|", color=style.INK, label="bound", markersize=7)
    right.plot(1e3 * layers.seconds, layers.layer, "o", color=style.ACCENT, label="measured", ms=4)
    right.invert_yaxis()
    right.set(xscale="log", xlabel="Milliseconds, forward and backward", title="Layers of the step")
    right.legend(loc="lower left")
    return fig


def _change(row: dict) -> str:
    if "threads" in row:
        return f"{row['threads']} of {os.cpu_count()} threads"
    return f"batches of {row['batch']:,} images"


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
