"""Whether an edit of the science changed no result, bit by bit. Called by `make unchanged SINCE=revision`.

Trains the whole profile smoke twice on this machine, with the code of a revision and with that of the
checkout, and compares all that comes out. Where all is the same, the digest of the new code is written
down beside that of the old one, and what was trained by the old code is not trained again.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from torture import Place

from simclr import files
from simclr.experiment.cache import ABOUT, UNCHANGED


def trained(place: Place) -> dict[str, dict]:
    """Train all; what was made (kind, inputs and content of its files) -> the record about it."""
    place.finish()
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
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), since], check=True)
        try:
            old, new = Place(Path(folder, "old"), tree), Place(Path(folder, "new"))
            (new.folder / UNCHANGED.relative_to(files.ROOT)).unlink(missing_ok=True)
            before, after = trained(old), trained(new)
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)
    if before.keys() != after.keys():
        kinds = sorted({json.loads(made)[0] for made in before.keys() ^ after.keys()})
        raise SystemExit(f"not the same since {since}: {', '.join(kinds)}; it must be trained anew")
    same = {after[made]["code"]: before[made]["code"] for made in before}
    files.write_json(UNCHANGED, {new: old for new, old in same.items() if new != old})
    print(f"{len(before)} results are the same as those of {since}, bit by bit: {UNCHANGED.name}")


if __name__ == "__main__":
    main(sys.argv[1])
