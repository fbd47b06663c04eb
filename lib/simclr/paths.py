"""Where things are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # lib/simclr is installed in place
DATA = ROOT / "data"
RUNS = ROOT / "runs"
REPORTS = ROOT / "reports"
PARAMS = ROOT / "params"
NOTEBOOKS = ROOT / "notebooks"


def report_folder(profile: str, variant: str, runs: Path) -> Path:
    """Where a report goes: reports/ for what is committed, beside its run for any other."""
    committed = (profile, variant, runs.resolve()) == ("full", "source", RUNS)
    return REPORTS if committed else runs / profile / variant / "report"
