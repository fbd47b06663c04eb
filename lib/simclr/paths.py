"""Where things are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # lib/simclr is installed in place
DATA = ROOT / "data"
RUNS = ROOT / "runs"
REPORTS = ROOT / "reports"
PARAMS = ROOT / "params"
NOTEBOOKS = ROOT / "notebooks"
