"""The stages and methods of the report, each declared once; everything else follows from here.

A new method is one record here, the function that it names, and the notebook that shows it.
Functions are named as text, so that this module is quick to import.
"""

from dataclasses import dataclass

from simclr.experiment import sections


@dataclass(frozen=True)
class Method:
    """A way to get a classifier from a few labelled images.

    Attributes:
        key: its name in tables and files.
        name: what figures and tables call it.
        spoken: what a sentence calls it.
        colour: the same in every figure; see `report.style` for what it must satisfy.
        stage: the stage that measures it.
        function: "module:name" of its training function, see `draws.measure`.
        encoder: "module:name" of the function that makes the encoder it starts from, if any.
        steps: the parameter that says how many optimiser steps it takes, if any.
        pool: whether it gets the unlabelled images and the graph of their neighbours.
    """

    key: str
    name: str
    spoken: str
    colour: str
    stage: str
    function: str
    encoder: str = ""
    steps: str = ""
    pool: bool = False


@dataclass(frozen=True)
class Stage:
    """A step of the report, with a notebook of its own.

    Attributes:
        name: as in `make NAME` and in `notebooks/NN_NAME.ipynb`; its section of params/*.yaml, too.
        params: the class of its parameters.
        reads: stages whose results it uses.
        encoder: "module:name" of the function that makes an encoder, if it makes one.
    """

    name: str
    params: type[sections.Section]
    reads: tuple[str, ...] = ()
    encoder: str = ""

    @property
    def methods(self) -> list[Method]:
        return [method for method in METHODS.values() if method.stage == self.name]


PRETRAINED = "simclr.pretrain:pretrained"
UNTRAINED = "simclr.pretrain:untrained"
PROBE = "simclr.probe:probe"
CONTROL = "baseline_augmented"  # what pre-training is measured against

_STAGES = (
    Stage("baseline", sections.Baseline),
    Stage("pretrain", sections.Pretrain, encoder=PRETRAINED),
    Stage("probe", sections.Probe, ("pretrain",)),
    Stage("finetune", sections.Finetune, ("pretrain",)),
    Stage("spread", sections.Spread, ("pretrain", "probe")),
    Stage(
        "comparison", sections.Comparison, ("baseline", "pretrain", "probe", "finetune", "spread")
    ),
)
# fmt: off
_METHODS = (
    Method("baseline", "Baseline", "the baseline", "#5F5F5F",
           "baseline", "simclr.supervised:baseline", steps="steps"),
    Method(CONTROL, "Baseline + augmentation", "the augmented control", "#CC6600",
           "baseline", "simclr.supervised:baseline_augmented", steps="augmented_steps"),
    Method("probe_untrained", "Probe, untrained encoder", "the probe of the untrained encoder",
           "#A3155B", "probe", PROBE, UNTRAINED),
    Method("probe", "Linear probe", "the linear probe", "#1787B5",
           "probe", PROBE, PRETRAINED),
    Method("finetune", "Fine-tuning", "fine-tuning", "#7526C4",
           "finetune", "simclr.supervised:finetune", PRETRAINED, steps="steps"),
    Method("spread", "Label spreading", "label spreading", "#1E6B1E",
           "spread", "simclr.spread:spread_probe", PRETRAINED, pool=True),
)
# fmt: on
STAGES = {stage.name: stage for stage in _STAGES}
METHODS = {method.key: method for method in _METHODS}
SECTIONS = {"common": sections.Common} | {stage.name: stage.params for stage in _STAGES}
