"""What stages hand each other: names, schemas, atomic writes and checked reads.

A run folder holds one folder a stage: runs/<profile>/<variant>/<stage>/. In it, `params.json` says
what it is made with, `stage.json` that it is complete; both are written by `pipeline.py`.
"""

import hashlib
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from simclr import paths
from simclr.errors import UserError
from simclr.files import read_json, write_atomically, write_json
from simclr.model import Classifier, Encoder
from simclr.params import Params

COLUMNS = [
    "dataset",
    "method",
    "variant",
    "pretrain_seed",
    "draw",
    "n_labels",
    "correct",
    "n_test",
    "accuracy",
    "seconds",
    "params_hash",
]
METHODS = {
    "baseline": "baseline",
    "baseline_augmented": "baseline",
    "probe_untrained": "probe",
    "probe": "probe",
    "finetune": "finetune",
}  # method -> the stage that makes it
PRETRAINED = ("probe", "finetune")  # those that rest on the pre-trained encoder
BEFORE = {
    "baseline": (),
    "pretrain": (),
    "probe": ("pretrain",),
    "finetune": ("pretrain",),
    "comparison": ("baseline", "pretrain", "probe", "finetune"),
}  # stage -> the stages that it reads
# The modules that shape a stage's numbers; the Makefile lists the same ones.
CODE = {
    "baseline": ("data", "augment", "model", "supervised", "measure", "device"),
    "pretrain": ("data", "augment", "model", "loss", "pretrain", "device"),
    "probe": ("data", "model", "probe", "measure", "device"),
    "finetune": ("data", "augment", "model", "supervised", "probe", "measure", "device"),
    "comparison": ("evaluate", "compare", "claims"),
}
# What NumPy raises for a damaged .npz file, by the kind of damage.
DAMAGED = (ValueError, KeyError, OSError, EOFError, BadZipFile, zlib.error)
EXPLORE = "explore"  # where a notebook run by hand with other parameters writes


@dataclass(frozen=True)
class Draw:
    """One method on one label draw.

    Attributes:
        rows: a row for each number of labels: n_labels, correct, n_test, accuracy, seconds.
        history: a row an epoch at the largest number of labels: epoch, loss, accuracy.
        probabilities: (n_test, 10) float16, of the classifier with the largest number of labels.
    """

    rows: pd.DataFrame
    history: pd.DataFrame
    probabilities: np.ndarray

    def save(self, file: Path) -> None:
        with write_atomically(file) as temporary:
            np.savez_compressed(
                temporary,
                probabilities=self.probabilities,
                **{f"rows_{name}": values for name, values in self.rows.items()},
                **{f"history_{name}": values for name, values in self.history.items()},
            )

    @classmethod
    def load(cls, file: Path) -> "Draw":
        try:
            with np.load(file) as saved:
                tables = {
                    part: pd.DataFrame(
                        {
                            name.removeprefix(f"{part}_"): saved[name]
                            for name in saved.files
                            if name.startswith(f"{part}_")
                        }
                    )
                    for part in ("rows", "history")
                }
                return cls(**tables, probabilities=saved["probabilities"])
        except DAMAGED as error:
            again = f"delete {file.parents[1]} and build the stage again"
            raise UserError(f"{file}: cannot be read ({error}); {again}") from None


def code_digests(stage: str) -> list[str]:
    """SHA-256 of each module that shapes the stage's numbers."""
    files = [Path(__file__).with_name(f"{name}.py") for name in CODE[stage]]
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


@dataclass(frozen=True)
class Stage:
    """The folder that a notebook works in, and the folders of the stages before it.

    Where `run_dir` holds this stage with the same parameters and code, what is there is used: nothing
    is trained twice. With others (a notebook opened by hand and played with) the work goes
    to runs/explore/<hash>/ and what `make` has built stays as it is; the hash stands for these
    parameters, for the code and for the stages read.

    Attributes:
        name: baseline, pretrain, ...
        run_dir: runs/<profile>/<variant>, absolute or relative to the project.
        params: the stage's parameters.
    """

    name: str
    run_dir: Path
    params: Params
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        run_dir = paths.ROOT / self.run_dir
        object.__setattr__(self, "run_dir", run_dir)
        built = run_dir / self.name
        made, mine = read_json(built / "params.json"), self.params.model_dump(mode="json")
        if (made.get("params"), made.get("code")) != (mine, code_digests(self.name)):
            read = [
                read_json(run_dir / name / "stage.json").get("key") for name in BEFORE[self.name]
            ]
            parts = f"{run_dir} {self.params.hash} {read} {code_digests(self.name)}"
            mark = hashlib.sha256(parts.encode()).hexdigest()[:8]
            built = paths.RUNS / EXPLORE / mark / self.name
        object.__setattr__(self, "folder", built)

    def draw_file(self, method: str, draw: int) -> Path:
        return self.folder / "draws" / draw_name(method, draw)

    def save_classifier(self, method: str, network: nn.Module, about: dict) -> None:
        """Write a trained classifier, and beside it a JSON that says how it was made."""
        made = {"params": self.params.model_dump(mode="json"), "params_hash": self.params.hash}
        what = {"input": "(N, 1, 28, 28) floats in [0, 1], ink is 1", "output": "logits (N, 10)"}
        save_network(self.folder / f"classifier-{method}.safetensors", network, about | what | made)

    def save_numbers(self, numbers: dict[str, float | int | str]) -> None:
        """Keep the numbers that the notebook's prose quotes; those that are not a number are left out."""
        there = {name: value for name, value in numbers.items() if value == value}
        write_json(self.folder / "numbers.json", there)

    def before(self, stage: str) -> Path:
        """The folder of an earlier stage.

        Raises:
            UserError: it is not built, or of other data; names the command that builds it.
        """
        folder = self.run_dir / stage
        made_with = read_json(folder / "stage.json").get("params")
        if made_with is None:
            raise UserError(
                f"{folder}: not built yet; run {paths.target(self.run_dir, stage)} first"
            )
        for name in Params.model_fields:
            here, there = getattr(self.params, name), made_with[name]
            if here != there:
                raise UserError(
                    f"{name}: {here!r} here, but {folder} was built with {there!r}; build a variant "
                    "with yours (see README.md) and set run_dir to its folder"
                )
        return folder


def read_results(folder: Path, variant: str) -> pd.DataFrame:
    """The tidy table of all methods in a run folder, `COLUMNS` in order."""
    tables = []
    for method, stage in METHODS.items():
        stamp = read_json(folder / stage / "stage.json")
        seed = read_json(folder / "pretrain" / "stage.json")["params"]["seed"]
        for draw, found in read_draws(folder, method).items():
            tables.append(
                found.rows.assign(
                    dataset=stamp["params"]["dataset"],
                    method=method,
                    variant=variant,
                    pretrain_seed=seed if method in PRETRAINED else None,
                    draw=draw,
                    params_hash=stamp["params_hash"],
                )
            )
    table = pd.concat(tables, ignore_index=True)[COLUMNS]
    return table.astype({"pretrain_seed": "Int64"})


def read_draws(folder: Path, method: str) -> dict[int, Draw]:
    """Draw number -> what `method` gave on it, for a run folder: every draw that its stage names.

    Raises:
        UserError: the stage is not built, or a draw is missing; names the command that builds it.
    """
    stage = METHODS[method]
    built, again = folder / stage, paths.target(folder, stage)
    stamp = read_json(built / "stage.json")
    if not stamp:
        raise UserError(f"{built}: no results of {method}; run {again} first")
    files = {k: built / "draws" / draw_name(method, k) for k in stamp["params"]["draws"]}
    for file in files.values():
        if not file.exists():
            raise UserError(f"{file}: missing; delete {built} and run {again}")
    return {k: Draw.load(file) for k, file in files.items()}


def draw_name(method: str, draw: int) -> str:
    return f"{method}-{draw:03d}.npz"


def save_network(file: Path, network: nn.Module, about: dict) -> None:
    """Write the weights as safetensors and, beside them, a JSON that says how they were made."""
    weights = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    with write_atomically(file) as temporary:
        temporary.write_bytes(save(weights))  # save_file would leave it to its owner alone
    write_json(file.with_suffix(".json"), about)


def load_encoder(file: Path) -> Encoder:
    """The pre-trained encoder, in eval mode."""
    return _load(file, Encoder())


def load_classifier(file: Path | str) -> Classifier:
    """A saved classifier, in eval mode: (N, 1, 28, 28) floats in [0, 1] -> logits (N, 10)."""
    return _load(Path(file), Classifier(Encoder()))


def _load(file: Path, network: nn.Module):
    try:
        network.load_state_dict(load_file(file))
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; `make report` builds it") from None
    except (RuntimeError, ValueError, OSError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{file}: not weights of this network ({reason}); make it again") from None
    return network.eval().to(memory_format=torch.channels_last)
