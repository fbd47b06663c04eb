"""The jobs that link the images of the pool to their neighbours, and the one that compares them."""

from typing import TYPE_CHECKING

from simclr.experiment.cache import Job
from simclr.experiment.sections import Augmentation

if TYPE_CHECKING:
    from simclr.experiment.study import Study


def graph(study: "Study", kind: str, encoder: Job) -> Job:
    """The job that links every image of the pool to its neighbours; `kind` as `stages.Method.graph`."""
    values = study.params["spread"]
    inputs = study.environment | {"neighbours": values.neighbours}
    if kind == "encoder":
        inputs["feature_views"] = values.feature_views
        inputs["views"] = values.model_dump(include=set(Augmentation.model_fields))
        return study.job("graph", "link:link", inputs, encoder=encoder)
    if kind == "pixels":
        return study.job("graph_pixels", "link:link_pixels", inputs)
    if kind == "deformable":
        return study.job("graph_deformable", "link:link_deformable", inputs | study.merged(["deformable"]))
    inputs |= study.merged(["joined"]) | {"reach": study.params["deformable"].reach}
    inputs["exponent"] = study.params["selftrain"].exponent
    parts = {"encoder": graph(study, "encoder", encoder), "pixels": graph(study, "deformable", encoder)}
    return study.job("graph_joined", "link:join", inputs, **parts)


def rates(study: "Study") -> Job:
    """The job that says what share of the pool gets its true label, by what finds the neighbours."""
    common, values = study.params["common"], study.params["selftrain"]
    inputs = study.environment | {"exponent": values.exponent, "alpha": values.alpha}
    inputs |= {"number": study.dataset.number, "draws": common.draws}
    inputs["n_labels"] = sorted({min(common.n_labels), max(common.n_labels)})
    random, source, better = (
        study.encoder(key, study.seeds(key)[0]) for key in ("untrained", "pretrained", "neighbours")
    )
    reads = {
        "pixels": graph(study, "pixels", better),
        "random weights": graph(study, "encoder", random),
        "the source's encoder": graph(study, "encoder", source),
        "pixels that may move": graph(study, "deformable", better),
        "the better encoder": graph(study, "encoder", better),
        "both": graph(study, "joined", better),
    }
    return study.job("rates", "rate:rate", inputs, **reads)
