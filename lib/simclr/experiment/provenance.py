"""Where a number comes from: keys, code, data, versions, machine, seconds."""

import ast
import platform
import re
import subprocess
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from simclr import fetch, files
from simclr.experiment.cache import LIBRARY, code_digest, imports
from simclr.experiment.stages import STAGES

if TYPE_CHECKING:
    from simclr.experiment.study import Study

SOURCES = "lib", "notebooks", "params"  # what the report is made of
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "pandas", "matplotlib")


def here(device: str) -> dict:
    """This machine, for the record of what is trained on it."""
    import torch

    name = torch.cuda.get_device_name() if device == "cuda" else _processor()
    return {
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        "platform": f"{platform.system()} {platform.machine()}",
        "device_name": name,
        "threads": torch.get_num_threads(),
    }


def made_of(study: "Study", stage: str, source: Path) -> dict[str, str]:
    """What stands for all that an executed notebook shows: what it was executed with."""
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in files.read_json(source)["cells"]]
    code = "\n".join(text for kind, text in cells if kind == "code")
    grid = files.PARAMS / "ablations.yaml", *files.REPORTS.glob("ablations.csv")
    return {
        "notebook": files.digest(cells),
        "code": code_digest(*imports(ast.parse(code))),
        "parameters": files.digest(study.table.values.tolist()),  # with their reasons, which it shows
        "results": files.digest([job.key for job in study.jobs(stage)]),
        "files": _digest(*LIBRARY.glob("simclr/report/*.mplstyle"), *files.PARAMS.glob("*.csv"), *grid),
    }


def exported_with() -> dict[str, str]:
    """What stands for all that turns executed notebooks into a report."""
    others = *LIBRARY.glob("simclr/report/assets/*"), *files.NOTEBOOKS.glob("*.bib")
    return {"code": code_digest("simclr.report.publish"), "files": _digest(*others)}


def _digest(*contents: Path) -> str:
    return files.digest(sorted([file.name, files.sha256(file)] for file in contents))


def collect(study: "Study") -> dict:
    """What a report rests on: revision, environment, data, and of each stage parameters and keys.

    `seconds` are those of training, all draws added up; draws run side by side.
    """
    found = {}
    for stage in STAGES:
        jobs = study.jobs(stage)
        records = [job.about() for job in jobs]
        last = records[-1]
        found[stage] = {
            "params": study.params[stage].model_dump(mode="json"),
            "keys": [job.key for job in jobs],
            "code": {job.kind: job.code for job in jobs},
            "device_name": " / ".join(sorted({record["device_name"] for record in records})),
            "seconds": round(sum(record["seconds"] for record in records), 1),
            **{name: last[name] for name in ("platform", "threads", "versions")},
        }
    return {
        "report": git(),
        "exported_with": exported_with(),
        "profile": study.profile,
        "variant": study.variant,
        "environment": study.environment,
        "common": study.params["common"].model_dump(mode="json"),
        "data": fetch.checksums(study.data),
        "stages": found,
    }


def named(collected: dict) -> dict[str, str]:
    """What prose quotes of it: machine, source of the data, versions."""
    made = collected["stages"]["pretrain"]
    return {
        "machine": f"{made['device_name']}, {collected['environment']['precision']}",
        "source": collected["data"]["source"],
        "versions": ", ".join(map(" ".join, made["versions"].items())),
    }


def table(collected: dict) -> pd.DataFrame:
    """A row a stage: where it ran, and what its code and results are known by."""
    environment = collected["environment"]
    return pd.DataFrame(
        [
            {
                "stage": stage,
                "device": made["device_name"],
                "precision": environment["precision"],
                "code": files.digest(made["code"])[:10],
                "results": files.digest(made["keys"])[:10],
            }
            for stage, made in collected["stages"].items()
        ]
    )


def git() -> dict[str, str | bool | None]:
    """The revision, and whether all but reports/ is as committed; None outside a repository."""
    changes = _ask("status", "--porcelain", "--", ".", ":!reports")
    return {"revision": _ask("rev-parse", "HEAD"), "clean": None if changes is None else not changes}


def repository() -> str:
    """The address that git knows, if it is one for everybody, and the revision of `last_change`."""
    revision = _ask("log", "-1", "--abbrev=8", "--format=%h", "--", *SOURCES)
    address = re.sub("//.*@", "//", _ask("remote", "get-url", "origin") or "")  # without a password
    place = address if address.startswith("https://") else "the repository of this file"
    return f"{place}, revision {revision}" if revision else ""


def last_change() -> tuple[str, int]:
    """When what the report is made of was last committed, as a date and in seconds since 1970.

    Not today's date: the same sources give the same bytes. ("", 0) where there is no git history.
    """
    found = _ask("log", "-1", "--format=%cs %ct", "--", *SOURCES)
    if not found:
        return "", 0
    day, seconds = found.split()
    return f"{date.fromisoformat(day):%-d %B %Y}", int(seconds)


def _ask(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", files.ROOT, *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(model, platform.processor() or platform.machine())
