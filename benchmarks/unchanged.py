"""Whether an edit of the science changed no result, bit by bit. Called by `make unchanged SINCE=revision`.

Trains the whole profile smoke twice on this machine, with the code of a revision and with that of the
checkout, and compares all that comes out. Where all is the same, the digest of the new code is written
down beside that of the old one, and what was trained by the old code is not trained again.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from torture import Place

from simclr import files
from simclr.experiment.cache import ABOUT, UNCHANGED

# What the profile smoke leaves out: pre-training with every kind of view, and other networks.
EVERY_VIEW = "pretrain: {flip: true, brightness: 0.4, erase: 0.4, shear: 0.2}\n"
NETWORK = "pretrain: {{network: {}}}\n"
# And the methods that only the grid of `make ablations` measures.
OTHERS = """
from simclr.experiment.stages import METHODS
from simclr.experiment.study import Study
study = Study("smoke", changes={"common": {"draws": [0], "n_labels": [20]}, "fixmatch": {"steps": 20}})
study.make([run.job for run in study.measurements(m for m in METHODS.values() if not m.stage)])
"""


def trained(place: Place) -> dict[str, dict]:
    """Train all; what was made (kind, inputs and content of its files) -> the record about it."""
    (place.folder / "params/variants/every_view.yaml").write_text(EVERY_VIEW)
    place.finish()
    place.finish("pretrain", "--variant", "every_view")
    for network in ("residual", "strided"):
        (place.folder / f"params/variants/{network}.yaml").write_text(NETWORK.format(network))
        place.finish("pretrain", "--variant", network)
    environment = {**os.environ, "PYTHONPATH": str(place.folder / "lib")}
    others = [sys.executable, "-W", "ignore", "-c", OTHERS]
    subprocess.run(others, cwd=place.folder, env=environment, stdout=subprocess.DEVNULL, check=True)
    contents: dict[Path, dict] = {}
    for name, digest in place.results().items():
        file = place.cache / name
        contents.setdefault(file.parent, {})[file.name] = digest
    found = {}
    for folder, content in contents.items():
        about = files.read_json(folder / ABOUT)
        found[json.dumps([about["kind"], about["inputs"], content], sort_keys=True)] = about
    return found


def main(since: str) -> None:
    """Compare, and write down."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        git = ["git", "-C", str(files.ROOT), "worktree"]
        if subprocess.run([*git, "add", "--quiet", "--detach", str(tree), since]).returncode:
            raise SystemExit(f"error: SINCE={since}: git knows no such revision")
        try:
            old, new = Place(Path(folder, "old"), tree), Place(Path(folder, "new"))
            (new.folder / UNCHANGED.relative_to(files.ROOT)).unlink(missing_ok=True)
            before, after = trained(old), trained(new)
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)
    lost = [about for made, about in before.items() if made not in after]
    changed = {about["code"] for about in lost}
    pairs = {(after[made]["code"], before[made]["code"]) for made in before.keys() & after.keys()}
    files.write_json(UNCHANGED, {a: b for a, b in sorted(pairs) if a != b and b not in changed})
    edited = sum(a != b for a, b in pairs)
    print(f"{len(before) - len(lost)} of {len(before)} results are those of {since}, bit by bit; "
          f"{edited} digests of code differ. Not compared: bf16, GPUs, one's own images.")  # fmt: skip
    if lost:
        kinds = ", ".join(sorted({about["kind"] for about in lost}))
        raise SystemExit(f"error: not the same, so to be trained anew: {kinds}")


if __name__ == "__main__":
    main(sys.argv[1])
