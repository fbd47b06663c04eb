"""The stages and methods of the report, each declared once; everything else follows from here.

A new method is one record here, the function that it names, and the notebook that shows it.
Functions are named as text, so that this module is quick to import.
"""

from dataclasses import dataclass

from simclr.experiment import sections


@dataclass(frozen=True)
class Pretraining:
    """How an encoder is made, without labels.

    Attributes:
        key: its name in the cache.
        function: "module:name", see `pretrain.pretrained`.
        sections: of its parameters, the later over the earlier.
        start: the key of the encoder that it goes on from, if any.
        kept: epochs after which the encoder is kept, too, to show how it learns.
    """

    key: str
    function: str
    sections: tuple[str, ...]
    start: str = ""
    kept: tuple[int, ...] = ()


@dataclass(frozen=True)
class Method:
    """A way to get a classifier from a few labelled images.

    Attributes:
        key: its name in tables and files.
        name: what figures and tables call it.
        spoken: what a sentence calls it.
        colour: the same in every figure; see `report.style` for what it must satisfy.
        stage: the stage that measures it; none where only `make ablations` does.
        function: "module:name" of its training function, see `draws.measure`.
        encoder: the key of the encoder it starts from, if any.
        sections: of its parameters, the later over the earlier; none for its stage's.
        teacher: the section of the parameters of what labels the pool, or finds neighbours in it, if any.
        steps: the parameter that says how many optimiser steps it takes, if any.
        graph: what finds the neighbours along which labels spread, if any: `encoder`, its features; `pixels`,
            their cosine; `deformable`, pixels that may move; `joined`, the first and the last.
        chosen: whether the labelled images are chosen by the encoder; else they are drawn.
        curve: whether it is measured with fewer labels, too.
        overview: whether the figures that compare all methods show it; a step on the way is not.
    """

    key: str
    name: str
    spoken: str
    colour: str
    stage: str
    function: str
    encoder: str = ""
    sections: tuple[str, ...] = ()
    teacher: str = ""
    steps: str = ""
    graph: str = ""
    chosen: bool = False
    curve: bool = True
    overview: bool = True

    @property
    def parameter_sections(self) -> tuple[str, ...]:
        """`sections`, or its stage's."""
        return self.sections or (self.stage,)


@dataclass(frozen=True)
class Stage:
    """A step of the report, with a notebook of its own.

    Attributes:
        name: as in `make NAME` and in `notebooks/NN_NAME.ipynb`; its section of params/*.yaml, too.
        section: the class of its parameters.
        reads: stages whose results it uses.
        encoder: the key of an encoder that it is about, if any.
    """

    name: str
    section: type[sections.Section]
    reads: tuple[str, ...] = ()
    encoder: str = ""

    @property
    def methods(self) -> list[Method]:
        return [method for method in METHODS.values() if method.stage == self.name]


_SIMCLR = "simclr.pretrain:pretrained"
_ENCODERS = (
    Pretraining("untrained", "simclr.pretrain:untrained", ("pretrain",)),
    Pretraining("pretrained", _SIMCLR, ("pretrain",), kept=(1, 2, 5)),
    Pretraining("views", _SIMCLR, ("pretrain", "views")),
    Pretraining("neighbours", _SIMCLR, ("pretrain", "views", "neighbours"), start="views"),
)
_STAGES = (
    Stage("baseline", sections.Baseline),
    Stage("pretrain", sections.Pretrain, encoder="pretrained"),
    Stage("probe", sections.Probe, ("pretrain",)),
    Stage("finetune", sections.Finetune, ("pretrain", "probe")),
    Stage("spread", sections.Spread, ("pretrain", "probe")),
    Stage("selftrain", sections.Selftrain, ("baseline", "pretrain", "probe", "finetune", "spread")),
    Stage(
        "comparison",
        sections.Comparison,
        ("baseline", "pretrain", "probe", "finetune", "spread", "selftrain"),
    ),
)
CONTROL = "baseline_augmented"  # what pre-training is measured against
_PROBE, _FINETUNE = "simclr.probe:probe", "simclr.supervised:finetune"
_SPREAD, _SELFTRAIN = "simclr.spread:spread_probe", "simclr.selftrain:selftrain"
# fmt: off
_METHODS = (
    Method("baseline", "Baseline", "the baseline", "#5F5F5F",
           "baseline", "simclr.supervised:baseline", steps="steps"),
    Method(CONTROL, "Augmented control", "the augmented control", "#B35900",
           "baseline", "simclr.supervised:baseline_augmented", steps="augmented_steps"),
    Method("probe_untrained", "Probe, untrained encoder", "the probe of the untrained encoder",
           "#A3155B", "probe", _PROBE, "untrained"),
    Method("probe", "Linear probe", "the linear probe", "#157AA3",
           "probe", _PROBE, "pretrained"),
    Method("finetune", "Fine-tuning", "fine-tuning", "#7526C4",
           "finetune", _FINETUNE, "pretrained", steps="steps"),
    Method("spread", "Label spreading", "label spreading", "#1E6B1E",
           "spread", _SPREAD, "pretrained", graph="encoder"),
    # Beyond the source, a step at a time. A step has the colour of the method that it improves on, unless one
    # figure shows both.
    Method("probe_views", "Probe, better views", "the probe with better views", "#157AA3",
           "selftrain", _PROBE, "views", overview=False, curve=False),
    Method("probe_neighbours", "Probe, better encoder", "the probe of the better encoder",
           "#157AA3", "selftrain", _PROBE, "neighbours", overview=False),
    Method("finetune_neighbours", "Fine-tuning, better encoder",
           "fine-tuning of the better encoder", "#7526C4", "selftrain", _FINETUNE, "neighbours",
           sections=("finetune", "gentle"), steps="steps", overview=False, curve=False),
    Method("spread_neighbours", "Spreading, better encoder",
           "label spreading on the better encoder", "#0B4F9E", "selftrain", _SPREAD, "neighbours",
           graph="encoder", overview=False),
    Method("spread_strict", "Spreading, published constants",
           "label spreading with published constants", "#1E6B1E", "selftrain", _SPREAD, "pretrained",
           sections=("strict",), graph="encoder", curve=False, overview=False),
    # What less of contrastive learning, or none, leads to, and then the last step.
    Method("selftrain_control", "Self-training, control's labels", "self-training from the control's answers",
           "#B3261E", "", "simclr.starts:selftrain_control", "untrained", sections=("selftrain",),
           teacher="baseline", steps="steps", curve=False, overview=False),
    Method("fixmatch", "FixMatch", "FixMatch", "#B3261E", "", "simclr.fixmatch:fixmatch", "untrained",
           sections=("views", "fixmatch"), steps="steps", curve=False, overview=False),
    Method("selftrain_pixels", "Self-training, plain pixels", "self-training from plain pixels",
           "#B3261E", "", _SELFTRAIN, "untrained", sections=("selftrain",), steps="steps", graph="pixels",
           curve=False, overview=False),
    Method("selftrain_source", "Self-training, source's encoder", "self-training on the source's encoder",
           "#B3261E", "", _SELFTRAIN, "pretrained", sections=("selftrain",), steps="steps", graph="encoder",
           curve=False, overview=False),
    Method("selftrain_scratch", "Self-training, source's graph", "self-training on the source's graph",
           "#B3261E", "", "simclr.starts:selftrain_scratch", "pretrained", sections=("selftrain",),
           steps="steps", graph="encoder", curve=False, overview=False),
    Method("selftrain_deformable", "Self-training, pixels that may move",
           "self-training from pixels that may move", "#B3261E", "", _SELFTRAIN, "untrained",
           sections=("selftrain",), steps="steps", graph="deformable", curve=False, overview=False),
    Method("selftrain_twice", "Self-training, no pre-training", "self-training without any pre-training",
           "#8A6A00", "", "simclr.rounds:selftrain_twice", "untrained",
           sections=("deformable", "joined", "selftrain"), teacher="spread", steps="steps",
           graph="deformable", curve=False, overview=False),
    Method("selftrain_encoder", "Self-training, encoder only", "self-training by the encoder alone",
           "#B3261E", "", _SELFTRAIN, "neighbours", sections=("selftrain",), steps="steps", graph="encoder",
           curve=False, overview=False),
    Method("selftrain", "Self-training", "self-training", "#B3261E",
           "selftrain", _SELFTRAIN, "neighbours", steps="steps", graph="joined", curve=False),
    Method("spread_chosen", "Spreading, chosen labels", "label spreading from chosen labels",
           "#C2185B", "selftrain", _SPREAD, "neighbours", graph="encoder", chosen=True, overview=False),
    Method("selftrain_chosen", "Self-training, chosen labels", "self-training from chosen labels",
           "#8A6A00", "selftrain", _SELFTRAIN, "neighbours", steps="steps", graph="joined", chosen=True,
           curve=False, overview=False),
    # Where the graph alone goes astray, as with clothes.
    Method("spread_both", "Spreading, graph and probe", "label spreading by graph and probe", "#0B4F9E",
           "", _SPREAD, "neighbours", sections=("spread", "both"), graph="encoder", curve=False,
           overview=False),
    Method("selftrain_both", "Self-training, graph and probe", "self-training by graph and probe",
           "#B3261E", "", _SELFTRAIN, "neighbours", sections=("selftrain", "both"), steps="steps",
           graph="encoder", curve=False, overview=False),
    Method("selftrain_encoder_chosen", "Self-training, encoder only, chosen labels",
           "self-training by the encoder alone from chosen labels", "#B3261E", "", _SELFTRAIN, "neighbours",
           sections=("selftrain",), steps="steps", graph="encoder", chosen=True, curve=False,
           overview=False),
)
# fmt: on
ENCODERS = {encoder.key: encoder for encoder in _ENCODERS}
STAGES = {stage.name: stage for stage in _STAGES}
METHODS = {method.key: method for method in _METHODS}
SECTIONS = (
    {"common": sections.Common}
    | {stage.name: stage.section for stage in _STAGES}
    | {
        "views": sections.BetterViews,
        "neighbours": sections.Neighbours,
        "gentle": sections.Gentle,
        "strict": sections.Teaching,
        "deformable": sections.Deformable,
        "joined": sections.Joined,
        "both": sections.Both,
        "fixmatch": sections.FixMatch,
        "own": sections.Own,
    }
)
