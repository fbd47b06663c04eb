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
        colour: the same in every figure; see `report.style` for what it must satisfy.
        function: "module:name" of its training function, see `draws.measure`.
        encoder: the key of the encoder it starts from, if any.
        graph: what finds the neighbours along which labels spread, if any: `encoder`, its features; `pixels`,
            their cosine; `deformable`, pixels that may move; `joined`, the first and the last.
        stage: the stage that measures it; none where only `make ablations` does.
        sections: of its parameters, the later over the earlier; none for its stage's, or `selftrain`.
        teacher: the section of the parameters of what labels the pool, or finds neighbours in it, if any.
        chosen: whether the labelled images are chosen by the encoder; else they are drawn.
        curve: whether it is measured with fewer labels, too.
        overview: whether the figures that compare all methods show it; a step on the way is not.
    """

    key: str
    name: str
    colour: str
    function: str
    encoder: str = ""
    graph: str = ""
    stage: str = ""
    sections: tuple[str, ...] = ()
    teacher: str = ""
    chosen: bool = False
    curve: bool = False
    overview: bool = False

    @property
    def parameter_sections(self) -> tuple[str, ...]:
        """`sections`, or its stage's."""
        return self.sections or (self.stage or "selftrain",)


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
_PARTS = (
    Stage("baseline", sections.Baseline),
    Stage("pretrain", sections.Pretrain, encoder="pretrained"),
    Stage("probe", sections.Probe, ("pretrain",)),
    Stage("finetune", sections.Finetune, ("pretrain", "probe")),
    Stage("spread", sections.Spread, ("pretrain", "probe")),
    Stage("selftrain", sections.Selftrain, ("baseline", "pretrain", "probe", "finetune", "spread")),
)
_STAGES = (*_PARTS, Stage("comparison", sections.Comparison, tuple(part.name for part in _PARTS)))
CONTROL = "baseline_augmented"  # what pre-training is measured against
_PROBE, _FINETUNE = "simclr.probe:probe", "simclr.supervised:finetune"
_SPREAD, _SELFTRAIN = "simclr.spread:spread_probe", "simclr.selftrain:selftrain"
_RED, _SHOWN = "#B3261E", {"curve": True, "overview": True}
# fmt: off
_METHODS = (
    Method("baseline", "Baseline", "#5F5F5F", "simclr.supervised:baseline", stage="baseline", **_SHOWN),
    Method(CONTROL, "Augmented control", "#B35900", "simclr.supervised:baseline_augmented", stage="baseline",
           **_SHOWN),
    Method("probe_untrained", "Probe, untrained encoder", "#A3155B", _PROBE, "untrained", stage="probe",
           **_SHOWN),
    Method("probe", "Linear probe", "#157AA3", _PROBE, "pretrained", stage="probe", **_SHOWN),
    Method("finetune", "Fine-tuning", "#7526C4", _FINETUNE, "pretrained", stage="finetune", **_SHOWN),
    Method("spread", "Label spreading", "#1E6B1E", _SPREAD, "pretrained", "encoder", "spread", **_SHOWN),
    # Beyond the source, a step at a time. A step has the colour of the method that it improves on, unless one
    # figure shows both.
    Method("probe_views", "Probe, better views", "#157AA3", _PROBE, "views", stage="selftrain"),
    Method("probe_neighbours", "Probe, better encoder", "#157AA3", _PROBE, "neighbours", stage="selftrain",
           curve=True),
    Method("finetune_neighbours", "Fine-tuning, better encoder", "#7526C4", _FINETUNE, "neighbours",
           stage="selftrain", sections=("finetune", "gentle")),
    Method("spread_neighbours", "Spreading, better encoder", "#0B4F9E", _SPREAD, "neighbours", "encoder",
           "selftrain", curve=True),
    Method("spread_strict", "Spreading, published constants", "#1E6B1E", _SPREAD, "pretrained", "encoder",
           "selftrain", ("strict",)),
    # What less of contrastive learning, or none, leads to (`make ablations`), and then the last step.
    Method("selftrain_control", "Self-training, control's labels", _RED, "simclr.starts:selftrain_control",
           "untrained", teacher="baseline"),
    Method("fixmatch", "FixMatch", _RED, "simclr.fixmatch:fixmatch", "untrained",
           sections=("views", "fixmatch")),
    Method("selftrain_pixels", "Self-training, plain pixels", _RED, _SELFTRAIN, "untrained", "pixels"),
    Method("selftrain_source", "Self-training, source's encoder", _RED, _SELFTRAIN, "pretrained", "encoder"),
    Method("selftrain_scratch", "Self-training, source's graph", _RED, "simclr.starts:selftrain_scratch",
           "pretrained", "encoder"),
    Method("selftrain_deformable", "Self-training, pixels that may move", _RED, _SELFTRAIN, "untrained",
           "deformable"),
    Method("selftrain_twice", "Self-training, no pre-training", "#8A6A00", "simclr.rounds:selftrain_twice",
           "untrained", "deformable", sections=("deformable", "joined", "selftrain"), teacher="spread"),
    Method("selftrain_encoder", "Self-training, encoder only", _RED, _SELFTRAIN, "neighbours", "encoder"),
    Method("selftrain", "Self-training", _RED, _SELFTRAIN, "neighbours", "joined", "selftrain",
           overview=True),
    Method("spread_chosen", "Spreading, chosen labels", "#C2185B", _SPREAD, "neighbours", "encoder",
           "selftrain", chosen=True, curve=True),
    Method("selftrain_chosen", "Self-training, chosen labels", "#8A6A00", _SELFTRAIN, "neighbours", "joined",
           "selftrain", chosen=True),
    Method("selftrain_encoder_chosen", "Self-training, encoder only, chosen labels", _RED, _SELFTRAIN,
           "neighbours", "encoder", chosen=True),
    # Where the graph alone goes astray, as with clothes.
    Method("spread_both", "Spreading, graph and probe", "#0B4F9E", _SPREAD, "neighbours", "encoder",
           sections=("spread", "both")),
    Method("selftrain_both", "Self-training, graph and probe", _RED, _SELFTRAIN, "neighbours", "encoder",
           sections=("selftrain", "both")),
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
