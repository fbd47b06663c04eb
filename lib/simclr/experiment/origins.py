"""What self-training owes to pre-training: its results by what tells the network which images are alike."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from simclr.experiment import statistics

_OWN, _RANDOM, _OTHER = "ablation_own_answers", "ablation_without_pre_training", "ablation_other_starts"
_NONE, _TEN = "ablation_nothing_learned", "__ten_labels"
# What finds the neighbours -> the numbers that prose has of it, with ten labels and with all: of the labels
# that spread, and of self-training.
# fmt: off
NUMBERS = {
    "nothing (the control)": ["", f"{_OWN}{_TEN}_selftrain_control", "", f"{_OWN}_selftrain_control"],
    "nothing (FixMatch)": ["", f"{_OWN}{_TEN}_fixmatch", "", f"{_OWN}_fixmatch"],
    "plain pixels": ["right_pixels_fewest", f"{_OTHER}{_TEN}_selftrain_pixels",
        "right_pixels", f"{_OTHER}_selftrain_pixels"],
    "random weights": ["right_random_weights_fewest", f"{_RANDOM}{_TEN}_selftrain_encoder",
        "right_random_weights", f"{_RANDOM}_selftrain_encoder"],
    "the source's encoder": ["right_the_sources_encoder_fewest", f"{_OTHER}{_TEN}_selftrain_source",
        "right_the_sources_encoder", f"{_OTHER}_selftrain_source"],
    "pixels that may move": ["right_pixels_that_may_move_fewest", f"{_NONE}{_TEN}",
        "right_pixels_that_may_move", _NONE],
    "pixels that may move, two rounds": ["", f"{_NONE}__twice{_TEN}", "", f"{_NONE}__twice"],
    "the better encoder": ["right_the_better_encoder_fewest", "ablation_ten_labels_selftrain_encoder",
        "right_the_better_encoder", "ablation_encoder_alone_selftrain_encoder"],
    "better encoder and pixels that may move": ["right_both_fewest", f"ablation_both_graphs{_TEN}_selftrain",
        "right_both", "selftrain"],
}
# fmt: on


def table(numbers: Mapping[str, float]) -> pd.DataFrame:
    """Accuracies by what finds the neighbours, a row each; a column for each of the steps of `NUMBERS`."""
    rows = {origin: [numbers.get(name, np.nan) for name in names] for origin, names in NUMBERS.items()}
    steps = [f"{n}: {step}" for n in ("10", "100") for step in ("labels", "test")]
    return pd.DataFrame.from_dict(rows, "index", columns=steps).rename_axis("neighbours by").reset_index()


def parted(tried: pd.DataFrame, island: pd.DataFrame) -> dict[str, float]:
    """How self-training on the source's encoder ends in draws with and without an island (alpha 0.99).

    Args:
        tried: as `ablations.measure` returns it.
        island: as `Findings.island` returns it; its draws are parted halfway between fewest and most errors.

    Returns:
        `held` and `free`, how many draws the island holds and how many are free of it; their accuracies
        `held_mean`, `held_most`, `free_mean`, `free_least`; and `held_island`, the fewest
        errors of the former there.
    """
    errors = island.set_index("draw").errors
    reached = tried[tried.point == "less far"].set_index("draw").accuracy.reindex(errors.index)
    held = errors > (errors.min() + errors.max()) / 2
    found = {"held": held.sum(), "held_mean": reached[held].mean(), "held_most": reached[held].max()}
    found |= {"free": (~held).sum(), "free_mean": reached[~held].mean(), "free_least": reached[~held].min()}
    return found | {"held_island": errors[held].min()}


_SOURCE = "other starts", "selftrain_source"  # a point of the grid, and a method
_TEN_SOURCE = "other starts, ten labels", "selftrain_source"
_LEADS = {  # who is ahead of whom
    "pixels_over_source": (("other starts", "selftrain_pixels"), _SOURCE),
    "encoder_over_twice": (("report", "selftrain"), ("nothing learned, twice", "selftrain_twice")),
    "ten_source_over_random": (_TEN_SOURCE, ("without pre-training, ten labels", "selftrain_encoder")),
    "ten_better_over_source": (("ten labels", "selftrain_encoder"), _TEN_SOURCE),
    "ten_both_over_moving": (
        ("both graphs, ten labels", "selftrain"),
        ("nothing learned, ten labels", "selftrain_deformable"),
    ),
}


def leads(tried: pd.DataFrame, confidence: float) -> dict[str, float]:
    """How far self-training from one start is ahead of that from another on the same draws, in points.

    Args:
        tried: as `ablations.measure` returns it, and the report's own results as a point `report`.

    Returns:
        `a_over_b` with 100 labels and `ten_a_over_b` with ten, and each with `_low` and `_high`.
    """
    measured, found = tried.set_index(["point", "method", "draw"]).accuracy.sort_index(), {}
    for name, (one, other) in _LEADS.items():
        lead = (measured[one] - measured[other]).dropna()
        over = statistics.estimate(100 * lead.to_numpy()[None], confidence)
        found |= {name: over.mean, f"{name}_low": over.low, f"{name}_high": over.high}
    return found
