"""The report's figures by name. Methods have one name and one colour everywhere (`figstyle`)."""

from simclr.charts import (
    confusion,
    costs,
    duration,
    embedding_map,
    method_dots,
    paired_differences,
    per_class,
)
from simclr.curves import (
    alignment_uniformity,
    gains,
    learning_curve,
    pretraining_losses,
    training_history,
)
from simclr.diagrams import architecture, simclr_diagram
from simclr.figstyle import name
from simclr.pictures import label_draw, mistakes, samples, views

__all__ = [
    "alignment_uniformity",
    "architecture",
    "confusion",
    "costs",
    "duration",
    "embedding_map",
    "gains",
    "label_draw",
    "learning_curve",
    "method_dots",
    "mistakes",
    "name",
    "paired_differences",
    "per_class",
    "pretraining_losses",
    "samples",
    "simclr_diagram",
    "training_history",
    "views",
]
