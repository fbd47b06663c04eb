"""Where a number comes from: revision, parameters, data, versions, machine, seconds."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from simclr import data, device, paths
from simclr.files import read_json
from simclr.params import Params

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "pandas", "matplotlib")


def here(settings: Params) -> dict:
    """This machine and this tree, for the stamp of a stage that just ran."""
    where = device.pick(getattr(settings, "device", "cpu"), getattr(settings, "precision", "fp32"))
    return {
        "git": git(),
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        "platform": f"{platform.system()} {platform.machine()}",
        **device.describe(*where),
    }


def git() -> dict[str, str | bool | None]:
    """The revision, and whether all but reports/ is as committed; None outside a repository."""

    def ask(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", paths.ROOT, *arguments], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    changes = ask("status", "--porcelain", "--", ".", ":!reports")
    return {"revision": ask("rev-parse", "HEAD"), "clean": None if changes is None else not changes}


def collect(run_dir: Path, stages: list[str]) -> dict:
    """The stamps of the stages that a report rests on, and the checksums of its data."""
    stamps = {stage: read_json(run_dir / stage / "stage.json") for stage in stages}
    settings = stamps["pretrain"]["params"]
    folder = data.prepare(settings["dataset"], settings["data_dir"])
    return {"data": read_json(folder / "checksums.json"), "stages": stamps, "report": git()}


def table(collected: dict) -> pd.DataFrame:
    """A row a stage: what it ran with and where, and the minutes of its (last) run."""

    def row(stage: str, stamp: dict) -> dict:
        revision = (stamp["git"]["revision"] or "–")[:10]
        return {
            "stage": stage,
            "revision": revision + (" + changes" if stamp["git"]["clean"] is False else ""),
            "device": stamp["device_name"],
            "threads": stamp["threads"],
            "precision": stamp["precision"],
            "minutes": stamp["seconds"] / 60,
        }

    return pd.DataFrame([row(*item) for item in collected["stages"].items()])
