"""Reads params/*.yaml; what is wrong in them is said here.

The parameters of a build are those of params/full.yaml, then what params/<profile>.yaml,
params/variants/<variant>.yaml and the `changes` of a notebook put in their place.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import yaml
from pydantic import ValidationError, create_model

from simclr import files
from simclr.errors import UserError
from simclr.experiment.sections import Section
from simclr.experiment.stages import SECTIONS

PROFILES = ("full", "quick", "smoke")
SOURCE = "source"  # the variant that changes nothing: the source's recipe


def load(
    profile: str = "full",
    variant: str = SOURCE,
    changes: Mapping | None = None,
    folder: Path = files.PARAMS,
) -> tuple[dict[str, Section], pd.DataFrame]:
    """The checked parameters of every section, and a table of them with their reasons.

    Args:
        changes: section -> parameter -> value, put in the place of what the files say.
        folder: where the YAML files are.

    Returns:
        Section name -> values; and a row a parameter: section, parameter, value, reason, file.

    Raises:
        UserError: a line for each mistake, naming the file, the field, its value and what is allowed; an
            unknown section comes alone.
    """
    values: dict[str, dict] = {name: {} for name in SECTIONS}
    rows: dict[tuple[str, str], dict] = {}
    for place, content, reasons in _layers(profile, variant, changes or {}, folder):
        for section, given in content.items():
            if section not in SECTIONS:
                known = ", ".join(SECTIONS)
                raise UserError(f"{place}: {section}: unknown section; known: {known}")
            if not isinstance(given, Mapping):
                raise UserError(f"{place}: {section}: must hold lines of the form name: value")
            for name, value in given.items():
                values[section][name] = value
                reason = reasons.get((section, name), "")
                rows[section, name] = {"value": value, "reason": reason, "file": place}
    fields = {name: (kind, ...) for name, kind in SECTIONS.items()}
    try:
        checked = create_model("Parameters", __base__=Section, **fields)(**values)
    except ValidationError as error:
        base = {"file": files.shown(folder / "full.yaml")}
        lines = [_line(mistake, rows, base) for mistake in error.errors()]
        raise UserError("\n".join(lines)) from None
    table = [{"section": s, "parameter": name, **row} for (s, name), row in rows.items()]
    return {name: getattr(checked, name) for name in SECTIONS}, pd.DataFrame(table)


def _layers(profile: str, variant: str, changes: Mapping, folder: Path):
    """What fills the parameters, the later over the earlier: (place, sections, reasons)."""
    if profile not in PROFILES:
        raise UserError(f"profile: {profile!r} is not one of {', '.join(PROFILES)}")
    chosen = [folder / "full.yaml"] + [folder / f"{profile}.yaml"] * (profile != "full")
    if variant != SOURCE:
        known = {file.stem: file for file in sorted((folder / "variants").glob("*.yaml"))}
        if variant not in known:
            raise UserError(f"variant: {variant!r} unknown; known: {', '.join([SOURCE, *known])}")
        chosen.append(known[variant])
    if not isinstance(changes, Mapping):
        raise UserError(f"changes: {changes!r}: must look like {{'pretrain': {{'epochs': 5}}}}")
    for file in chosen:
        yield files.shown(file), *read(file)
    yield "changes", changes, {}


def read(file: Path) -> tuple[dict, dict[tuple[str, str], str]]:
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


def _line(error: Mapping, rows: Mapping, base: Mapping) -> str:
    """One mistake that pydantic found, in our words."""
    section, *inside = error["loc"]
    message, kind = error["msg"].removeprefix("Value error, "), error["type"]
    name = inside[0] if inside else message.split(":")[0]  # a rule over several fields begins so
    place = rows.get((section, name), base)["file"]
    if not inside:
        return f"{place}: {section}.{message}"
    if kind == "missing":
        return f"{place}: {section}.{name}: missing"
    if kind == "extra_forbidden":
        known = ", ".join(SECTIONS[section].model_fields)
        return f"{place}: {section}.{name}: unknown parameter; known: {known}"
    given = error["input"]
    text = f"{section}.{name}: {given!r}: {message[0].lower()}{message[1:]}"
    if isinstance(given, str) and re.fullmatch(r"[-+.\d]+e[-+]?\d+", given):
        text += "; YAML reads 1e-3 as text, write 0.001 or 1.0e-3"
    return f"{place}: {text}"
