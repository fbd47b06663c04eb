"""Where things are."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # lib/simclr is installed in place
DATA = ROOT / "data"
RUNS = ROOT / "runs"
REPORTS = ROOT / "reports"
PARAMS = ROOT / "params"
NOTEBOOKS = ROOT / "notebooks"


def target(run_dir: Path, stage: str) -> str:
    """The command that builds a stage of runs/<profile>/<variant>."""
    profile, variant = run_dir.parts[-2:]
    chosen = ["make", stage]
    chosen += [f"PROFILE={profile}"] * (profile != "full")
    chosen += [f"VARIANT={variant}"] * (variant != "source")
    return f"`{' '.join(chosen)}`"


def report_folder(profile: str, variant: str, runs: Path) -> Path:
    """Where a report goes: reports/ for what is committed, beside its run for any other."""
    committed = (profile, variant, os.path.abspath(runs)) == ("full", "source", str(RUNS))
    return REPORTS if committed else runs / profile / variant / "report"
