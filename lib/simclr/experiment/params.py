"""Typed parameters, a class for each section of params/*.yaml; what is wrong in them is said here.

The parameters of a build are those of params/full.yaml, then what params/<profile>.yaml,
params/variants/<variant>.yaml and the `changes` of a notebook put in their place.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

from simclr import files
from simclr.errors import UserError
from simclr.fetch import DATASETS

PROFILES = ("full", "quick", "smoke")
SOURCE = "source"  # the variant that changes nothing: the source's recipe

Count = Annotated[int, Field(ge=1, le=10_000)]
Steps = Annotated[int, Field(ge=1, le=100_000)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Rate = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """Values of one section. Types are strict: no text where a number belongs."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @property
    def hash(self) -> str:
        """Hexadecimal digits that stand for these values."""
        return files.digest(self.model_dump(mode="json"))


class Common(Section):
    """What all stages share."""

    dataset: Literal[*DATASETS]
    data_dir: str
    balanced: bool
    draws: Annotated[list[Annotated[int, Field(ge=0, le=9999)]], Field(min_length=1)]
    n_labels: Annotated[list[Annotated[int, Field(ge=2, le=1000)]], Field(min_length=1)]
    test_images: Annotated[int, Field(ge=100, le=10_000)]
    curve_test_images: Annotated[int, Field(ge=100, le=10_000)]
    probe_l2: Annotated[float, Field(gt=0, le=1000)]
    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["auto", "fp32", "bf16"]

    @model_validator(mode="after")
    def _lists(self) -> Self:
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


class Augmentation(Section):
    """The views of training images, see `augment.Views`."""

    rotation: Annotated[float, Field(ge=0, le=180)]
    crop_scale: Annotated[float, Field(gt=0, le=1)]
    crop_aspect: Annotated[float, Field(ge=1, le=4)]
    shear: Annotated[float, Field(ge=0, le=2)]


class Training(Augmentation):
    """What the stages share that train a network on few labels."""

    seed: Seed
    steps: Steps
    batch_size: Annotated[int, Field(ge=2, le=1000)]
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    dropout_conv: Share
    dropout_dense: Share


class Baseline(Training):
    augmented_steps: Steps
    learning_rate: Rate


class Pretrain(Augmentation):
    seeds: Annotated[list[Seed], Field(min_length=1)]
    unlabelled_images: Annotated[int, Field(ge=4, le=49_900)]
    validation_images: Annotated[int, Field(ge=4, le=10_000)]
    epochs: Count
    batch_size: Annotated[int, Field(ge=2, le=16_384)]
    temperature: Annotated[float, Field(ge=0.001, le=100)]
    learning_rate: Rate
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    warmup_epochs: Annotated[float, Field(ge=0)]
    projection_hidden: Count
    projection_size: Count
    blur: Annotated[float, Field(ge=0, le=2)]
    blur_least: Annotated[float, Field(gt=0, le=2)]

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        _increasing("seeds", self.seeds)
        smaller = min(self.unlabelled_images, self.validation_images)
        if self.batch_size > smaller:
            raise ValueError(
                f"batch_size: {self.batch_size} with only {smaller} images; use {smaller} or less"
            )
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs: {self.warmup_epochs} with epochs: {self.epochs}; use less"
            )
        if 0 < self.blur < self.blur_least:
            raise ValueError(
                f"blur: {self.blur} is below blur_least: {self.blur_least}; use as much or more, "
                "or 0 for none"
            )
        return self


class Probe(Section):
    map_images: Annotated[int, Field(ge=100, le=10_000)]


class Finetune(Training):
    encoder_learning_rate: Annotated[float, Field(ge=0, le=1)]
    head_learning_rate: Rate
    update_norm: bool


class Spread(Augmentation):
    views: Annotated[int, Field(ge=1, le=100)]
    neighbours: Annotated[int, Field(ge=1, le=1000)]
    exponent: Annotated[float, Field(ge=0, le=1000)]
    memory: Share
    surest: Annotated[float, Field(gt=0, le=1)]
    taught_images: Annotated[int, Field(ge=10, le=50_000)]
    taught_l2: Annotated[float, Field(gt=0, le=1000)]


class Comparison(Section):
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    mistakes: Annotated[int, Field(ge=1, le=100)]


def load(
    sections: Mapping[str, type[Section]],
    profile: str = "full",
    variant: str = SOURCE,
    changes: Mapping | None = None,
    folder: Path = files.PARAMS,
) -> tuple[dict[str, Section], pd.DataFrame]:
    """The checked parameters of every section, and a table of them with their reasons.

    Args:
        sections: name -> class; the sections that the files may hold.
        changes: section -> parameter -> value, put in the place of what the files say.
        folder: where the YAML files are.

    Returns:
        Section name -> values; and a row a parameter: section, parameter, value, reason, file.

    Raises:
        UserError: a line for each mistake, naming the file, the field, its value and what is allowed.
    """
    values: dict[str, object] = {}
    rows: dict[tuple[str, str], dict] = {}
    places: dict[object, str] = {}  # section, or section and parameter -> the file that gave it
    for place, content, reasons in _layers(profile, variant, changes or {}, folder):
        for section, given in content.items():
            places[section] = place
            if section not in sections:
                values[section] = given  # refused below
                continue
            if not isinstance(given, Mapping):
                raise UserError(f"{place}: {section}: must hold lines of the form name: value")
            values[section] = {**values.get(section, {}), **given}
            for name, value in given.items():
                places[section, name] = place
                reason = reasons.get((section, name), "")
                rows[section, name] = {"value": value, "reason": reason, "file": place}
    fields = {name: (kind, ...) for name, kind in sections.items()}
    try:
        checked = create_model("Parameters", __base__=Section, **fields)(**values)
    except ValidationError as error:
        base = files.shown(folder / "full.yaml")
        lines = [_line(mistake, sections, places, base) for mistake in error.errors()]
        raise UserError("\n".join(lines)) from None
    table = [{"section": s, "parameter": name, **row} for (s, name), row in rows.items()]
    return {name: getattr(checked, name) for name in sections}, pd.DataFrame(table)


def _layers(profile: str, variant: str, changes: Mapping, folder: Path):
    """What fills the parameters, the later over the earlier: (place, sections, reasons)."""
    if profile not in PROFILES:
        raise UserError(f"profile: {profile!r} is not one of {', '.join(PROFILES)}")
    chosen = [folder / "full.yaml"] + [folder / f"{profile}.yaml"] * (profile != "full")
    if variant != SOURCE:
        chosen.append(folder / "variants" / f"{variant}.yaml")
        if not chosen[-1].exists():
            known = ", ".join([SOURCE, *sorted(f.stem for f in chosen[-1].parent.glob("*.yaml"))])
            raise UserError(f"variant: {variant!r} unknown; known: {known}")
    if not isinstance(changes, Mapping):
        raise UserError(f"changes: {changes!r}: must look like {{'pretrain': {{'epochs': 5}}}}")
    for file in chosen:
        yield files.shown(file), *_read(file)
    yield "changes", changes, {}


def _read(file: Path) -> tuple[dict, dict[tuple[str, str], str]]:
    """The sections of a file, and the comment behind each value: its reason, which YAML skips."""
    try:
        text = file.read_text()
        content = yaml.safe_load(text) or {}
    except FileNotFoundError:
        raise UserError(f"{files.shown(file)}: no such file") from None
    except (yaml.YAMLError, ValueError) as error:  # of dates that are none, of bytes
        problem = " ".join(str(error).split())
        raise UserError(f"{files.shown(file)}: not valid YAML: {problem}") from None
    if not isinstance(content, dict):
        raise UserError(f"{files.shown(file)}: must hold sections of lines name: value")
    reasons, section = {}, ""
    for line in text.splitlines():
        if found := re.match(r"(\w+):", line):
            section = found[1]
        elif found := re.match(r"\s+(\w+):.*?\s#\s*(.*)", line):
            reasons[section, found[1]] = found[2]
    return content, reasons


def _line(error: Mapping, sections: Mapping, places: Mapping, base: str) -> str:
    """One mistake that pydantic found, in our words."""
    section, *inside = error["loc"]
    message, kind = error["msg"].removeprefix("Value error, "), error["type"]
    if kind == "extra_forbidden":
        known = sections[section].model_fields if inside else sections
        place = places[section, inside[0]] if inside else places[section]
        what, name = "parameter" if inside else "section", ".".join(error["loc"])
        return f"{place}: {name}: unknown {what}; known: {', '.join(known)}"
    if not inside:  # a rule over several fields, its text begins with the field's name
        return f"{places.get((section, message.split(':')[0]), base)}: {section}.{message}"
    if kind == "missing":
        return f"{base}: {section}.{inside[0]}: missing"
    given = error["input"]
    text = f"{section}.{inside[0]}: {given!r}: {message[0].lower()}{message[1:]}"
    if isinstance(given, str) and re.fullmatch(r"[-+.\d]+e[-+]?\d+", given):
        text += "; YAML reads 1e-3 as text, write 0.001 or 1.0e-3"
    return f"{places[section, inside[0]]}: {text}"


def _increasing(name: str, values: list[int]) -> None:
    if values != sorted(set(values)):
        raise ValueError(f"{name}: {values} must increase, without repeats")
