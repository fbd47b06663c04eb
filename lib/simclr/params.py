"""Typed parameters of the stages, one class a stage; what is wrong with a YAML is said here.

A stage's parameters are those of params/<profile>/common.yaml that its class names, then those of
params/<profile>/<stage>.yaml, then what params/variants/<variant>.yaml changes.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from simclr import paths
from simclr.errors import UserError

PROFILES = ("full", "quick", "smoke")
DATASET_NAMES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "kmnist": "KMNIST"}
THINGS = {
    "mnist": "digits",
    "fashion-mnist": "articles of clothing",
    "kmnist": "Kuzushiji characters",
}
SOURCE = "source"  # the variant that changes nothing: the source's recipe

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0)]


class Params(BaseModel):
    """What every stage has. Types are strict: no text where a number belongs."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    dataset: Literal["mnist", "fashion-mnist", "kmnist"]
    data_dir: str
    balanced: bool

    @property
    def hash(self) -> str:
        """12 hexadecimal digits that stand for these values."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


class Evaluated(Params):
    """What every stage has that trains classifiers on few labels and tests them."""

    draws: Annotated[list[Annotated[int, Field(ge=0, le=9999)]], Field(min_length=1)]
    n_labels: Annotated[list[Annotated[int, Field(ge=2, le=1000)]], Field(min_length=1)]
    test_images: Annotated[int, Field(ge=100, le=10_000)]
    curve_test_images: Annotated[int, Field(ge=100, le=10_000)]
    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["auto", "fp32", "bf16"]

    @model_validator(mode="after")
    def _lists(self):
        _increasing("draws", self.draws)
        _increasing("n_labels", self.n_labels)
        if self.curve_test_images > self.test_images:
            raise ValueError(
                f"curve_test_images: {self.curve_test_images} with test_images: {self.test_images}; "
                "use as many or fewer"
            )
        odd = [n for n in self.n_labels if n % 10]
        if self.balanced and odd:
            raise ValueError(
                f"n_labels: {odd[0]} with balanced draws; use multiples of 10, or balanced: false"
            )
        return self


class Training(Evaluated):
    """What the stages share that train a network on few labels."""

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    min_steps: Annotated[int, Field(ge=1, le=100_000)]
    batch_size: Annotated[int, Field(ge=2, le=1000)]
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    dropout_conv: Share
    dropout_dense: Share
    rotation: Annotated[float, Field(ge=0, le=180)]
    crop_scale: Annotated[float, Field(gt=0, le=1)]
    crop_aspect: Annotated[float, Field(ge=1, le=4)]
    shear: Annotated[float, Field(ge=0, le=2)]


class BaselineParams(Training):
    epochs: Count
    augmented_epochs: Count
    augmented_min_steps: Annotated[int, Field(ge=1, le=100_000)]
    learning_rate: Rate


class PretrainParams(Params):
    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["auto", "fp32", "bf16"]
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    unlabelled_images: Annotated[int, Field(ge=4, le=49_900)]
    validation_images: Annotated[int, Field(ge=4, le=10_000)]
    epochs: Count
    batch_size: Annotated[int, Field(ge=2, le=16_384)]
    temperature: Annotated[float, Field(ge=0.001, le=100)]
    learning_rate: Rate
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    warmup_epochs: NonNegative
    projection_hidden: Count
    projection_size: Count
    rotation: Annotated[float, Field(ge=0, le=180)]
    crop_scale: Annotated[float, Field(gt=0, le=1)]
    crop_aspect: Annotated[float, Field(ge=1, le=4)]
    shear: Annotated[float, Field(ge=0, le=2)]
    blur: Annotated[float, Field(ge=0, le=2)]

    @model_validator(mode="after")
    def _sizes(self):
        smaller = min(self.unlabelled_images, self.validation_images)
        if self.batch_size > smaller:
            raise ValueError(
                f"batch_size: {self.batch_size} with only {smaller} images; use {smaller} or less"
            )
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs: {self.warmup_epochs} with epochs: {self.epochs}; use less"
            )
        return self


class ProbeParams(Evaluated):
    l2: Annotated[float, Field(gt=0, le=1000)]
    map_images: Annotated[int, Field(ge=100, le=10_000)]


class FinetuneParams(Training):
    epochs: Count
    encoder_learning_rate: Annotated[float, Field(ge=0, le=1)]
    head_learning_rate: Rate
    l2: Annotated[float, Field(gt=0, le=1000)]
    update_norm: bool


class ComparisonParams(Params):
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    mistakes: Annotated[int, Field(ge=1, le=100)]


STAGES: dict[str, type[Params]] = {
    "baseline": BaselineParams,
    "pretrain": PretrainParams,
    "probe": ProbeParams,
    "finetune": FinetuneParams,
    "comparison": ComparisonParams,
}


def load(stage: str, profile: str = "full", variant: str = SOURCE, folder: Path | None = None):
    """The checked parameters of one stage.

    Args:
        folder: where the YAML files are; params/ of the project if left out.

    Raises:
        UserError: naming the file, the field, its value and what is allowed.
    """
    folder = folder or paths.PARAMS
    if profile not in PROFILES:
        raise UserError(f"profile: {profile!r} is not one of {', '.join(PROFILES)}")
    common, own = folder / profile / "common.yaml", folder / profile / f"{stage}.yaml"
    changes, variant_file = _variant(variant, folder), folder / "variants" / f"{variant}.yaml"
    fields, everywhere = STAGES[stage].model_fields, _all_fields()
    values, origin = {}, {}
    for file, section, known in [
        (common, _read(common), everywhere),
        (own, _read(own), fields),
        (variant_file, changes.get("common", {}), everywhere),
        (variant_file, changes.get(stage, {}), fields),
    ]:
        for name, value in section.items():
            if name not in known:
                near = ", ".join(sorted(known))
                raise UserError(f"{_short(file)}: {name}: unknown parameter; known: {near}")
            if name in fields:
                values[name], origin[name] = value, file
    missing = {name: common if name in Evaluated.model_fields else own for name in fields}
    return check(stage, values, lambda name: _short((missing | origin)[name]))


def gather(stage: str, namespace: dict) -> Params:
    """A stage's parameters from the variables of a notebook's parameters cell (`globals()`)."""
    fields = STAGES[stage].model_fields
    return check(stage, {name: namespace[name] for name in fields if name in namespace})


def check(stage: str, values: dict, origin=lambda name: "parameters cell") -> Params:
    """Turn plain values into a stage's parameters, or say what is wrong with them.

    Args:
        origin: names the file that a field came from, for the message.
    """
    try:
        return STAGES[stage](**values)
    except ValidationError as error:
        raise UserError("\n".join(_line(e, values, origin) for e in error.errors())) from None


def check_all(profile: str, variant: str, folder: Path | None = None) -> dict[str, Params]:
    """The parameters of every stage; all that is wrong in one error."""
    found, wrong = {}, []
    for stage in STAGES:
        try:
            found[stage] = load(stage, profile, variant, folder)
        except UserError as error:
            wrong += [line for line in str(error).splitlines() if line not in wrong]
    wrong = wrong or _disagreements(found)
    if wrong:
        raise UserError("\n".join(wrong))
    return found


def _disagreements(stages: dict[str, Params]) -> list[str]:
    """A line for each parameter that two stages must share and do not."""
    lines = []
    for name in set(Evaluated.model_fields) - {"device", "precision"}:
        values = {stage: getattr(p, name) for stage, p in stages.items() if hasattr(p, name)}
        if len(set(map(str, values.values()))) > 1:
            told = ", ".join(f"{value} in {stage}" for stage, value in values.items())
            lines.append(f"{name}: {told}; every stage needs the same, so set it in common")
    return sorted(lines)


def _line(error: dict, values: dict, origin) -> str:
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:  # a rule over several fields, its text begins with the field's name
        return f"{origin(message.split(':')[0])}: {message}"
    name = str(error["loc"][0])
    if error["type"] == "missing":
        return f"{origin(name)}: {name}: missing"
    hint = "" if not isinstance(values.get(name), str) else _number_hint(values[name])
    return f"{origin(name)}: {name}: {error['input']!r}: {message[0].lower()}{message[1:]}{hint}"


def _number_hint(text: str) -> str:
    try:
        float(text)
    except ValueError:
        return ""
    return "; YAML reads 1e-3 as text, write 0.001 or 1.0e-3"


def _read(file: Path) -> dict:
    try:
        content = yaml.safe_load(file.read_text())
    except FileNotFoundError:
        raise UserError(f"{_short(file)}: no such file") from None
    except (yaml.YAMLError, ValueError) as error:  # of dates that are none, of bytes
        problem = " ".join(str(error).split())
        raise UserError(f"{_short(file)}: not valid YAML: {problem}") from None
    if not isinstance(content or {}, dict):
        raise UserError(f"{_short(file)}: must hold lines of the form name: value")
    return content or {}


def _variant(variant: str, folder: Path) -> dict[str, dict]:
    if variant == SOURCE:
        return {}
    file = folder / "variants" / f"{variant}.yaml"
    if not file.exists():
        known = sorted(f.stem for f in file.parent.glob("*.yaml"))
        raise UserError(f"variant: {variant!r} unknown; known: {', '.join([SOURCE, *known])}")
    sections = _read(file)
    for name, section in sections.items():
        if name not in ("common", *STAGES):
            raise UserError(
                f"{_short(file)}: {name}: unknown section; known: common, {', '.join(STAGES)}"
            )
        if not isinstance(section, dict):
            raise UserError(f"{_short(file)}: {name}: must hold lines of the form name: value")
    return sections


def _all_fields() -> set[str]:
    return {name for params in STAGES.values() for name in params.model_fields}


def _increasing(name: str, values: list[int]) -> None:
    if values != sorted(set(values)):
        raise ValueError(f"{name}: {values} must increase, without repeats")


def _short(file: Path) -> str:
    return str(file.relative_to(paths.ROOT)) if file.is_relative_to(paths.ROOT) else str(file)
