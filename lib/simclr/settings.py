"""The settings that matter, a row each, side by side for all stages."""

from collections.abc import Mapping

import pandas as pd

# Column -> the stage whose parameters it shows.
COLUMNS = {
    "baseline": "baseline",
    "control": "baseline",
    "pre-training": "pretrain",
    "probe": "probe",
    "fine-tuning": "finetune",
}
_TRAINED = ("baseline", "control", "pre-training", "fine-tuning")
_ON_LABELS = ("baseline", "control", "fine-tuning")
_AUGMENTED = ("control", "pre-training", "fine-tuning")
_TESTED = ("baseline", "control", "probe", "fine-tuning")

# Setting -> the name of the parameter, and the columns where it has one.
ROWS: dict[str, tuple[str, tuple[str, ...]]] = {
    "unlabelled images": ("unlabelled_images", ("pre-training",)),
    "label draws": ("draws", _TESTED),
    "labels": ("n_labels", _TESTED),
    "epochs": ("epochs", _TRAINED),
    "steps, at least": ("min_steps", _ON_LABELS),
    "batch size, images": ("batch_size", _TRAINED),
    "learning rate, encoder": ("learning_rate", _TRAINED),
    "learning rate, head": ("learning_rate", _TRAINED),
    "weight decay": ("weight_decay", _TRAINED),
    "batch norm learns": ("update_norm", ("fine-tuning",)),
    "dropout after a block": ("dropout_conv", _ON_LABELS),
    "dropout after the dense layer": ("dropout_dense", _ON_LABELS),
    "rotation, up to (°)": ("rotation", _AUGMENTED),
    "crop, smallest share": ("crop_scale", _AUGMENTED),
    "crop, largest aspect": ("crop_aspect", _AUGMENTED),
    "shear, up to": ("shear", _AUGMENTED),
    "blur, largest σ (pixels)": ("blur", ("pre-training",)),
    "temperature": ("temperature", ("pre-training",)),
    "warm-up, epochs": ("warmup_epochs", ("pre-training",)),
    "projection, hidden units": ("projection_hidden", ("pre-training",)),
    "projection, outputs": ("projection_size", ("pre-training",)),
    "penalty of the probe": ("l2", ("probe", "fine-tuning")),
}
# Where a column has the setting under another name.
_OTHER_NAMES = {
    ("epochs", "control"): "augmented_epochs",
    ("steps, at least", "control"): "augmented_min_steps",
    ("learning rate, encoder", "fine-tuning"): "encoder_learning_rate",
    ("learning rate, head", "fine-tuning"): "head_learning_rate",
}


def table(stages: Mapping[str, Mapping]) -> pd.DataFrame:
    """A row a setting, a column a method or stage; text, and – where there is none.

    Args:
        stages: stage -> its stamp, which holds `params` (as `provenance.collect` gives them).
    """
    rows = []
    for setting, (name, where) in ROWS.items():
        row = {"setting": setting}
        for column, stage in COLUMNS.items():
            key = _OTHER_NAMES.get((setting, column), name)
            value = stages[stage]["params"].get(key) if column in where else None
            row[column] = "–" if value is None else _text(value)
        rows.append(row)
    return pd.DataFrame(rows)


def numbers(stages: Mapping[str, Mapping]) -> dict[str, int]:
    """What the prose asks of the recipe of fine-tuning, 1 for yes: the control's views? a live batch norm?"""
    control, finetune = (stages[stage]["params"] for stage in ("baseline", "finetune"))
    views = ("rotation", "crop_scale", "crop_aspect", "shear")
    return {
        "finetune_same_views": int(all(control[name] == finetune[name] for name in views)),
        "finetune_update_norm": int(finetune["update_norm"]),
    }


def _text(value: float | list) -> str:
    """A number without trailing zeros; a long list by its ends: "10, 20, … 100"."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        shown = map(str, value)
        return f"{value[0]}, {value[1]}, … {value[-1]}" if len(value) > 3 else ", ".join(shown)
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
