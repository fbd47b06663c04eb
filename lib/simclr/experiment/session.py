"""What a notebook opens with: its study, and one line that says what will happen."""

from collections.abc import Iterable, Mapping

from simclr import files
from simclr.errors import UserError
from simclr.experiment import params, plan
from simclr.experiment.study import Study, workers


def open_study(
    stage: str,
    profile: str = "auto",
    variant: str = params.SOURCE,
    changes: Mapping | None = None,
) -> Study:
    """The study of a notebook; prints whether it will read or train, and about how long that takes.

    Args:
        profile: `auto` is the largest profile whose results are there for this stage.

    Raises:
        UserError: a mistake in the parameters, or `auto` where nothing is built.
    """
    if profile == "auto":
        profile = _largest_built(stage, variant)
    study = Study(profile, variant, changes)
    print(f"{study.name}: {forecast(study, stage)}")
    return study


def forecast(study: Study, stage: str, after: Iterable[str] = ()) -> str:
    """What a stage will do, in words.

    Args:
        after: stages that will have been built before, whose work is not counted.
    """
    before = {job.key for other in after for job in study.missing(other)}
    missing = [job for job in study.missing(stage) if job.key not in before]
    if not missing:
        return "reads what is built."
    kinds = ", ".join(dict.fromkeys(job.kind for job in missing))
    took = plan.minutes(missing, workers(missing[0].inputs["device"], len(missing)))
    time = f"about {took:.0f} min" if took >= 1 else "less than a minute"
    kept = " What is built stays as it is." if study.changes else ""
    return f"trains {kinds}; {time} on this machine.{kept}"


def _largest_built(stage: str, variant: str) -> str:
    built = (files.RUNS / "cache").exists()  # else there is no need to fetch the data and look
    for profile in params.PROFILES if built else ():
        if not Study(profile, variant).missing(stage):
            return profile
    raise UserError(
        f"{stage} is not built yet. Run `make report PROFILE=quick` in a terminal (some minutes), or set "
        'profile = "quick" above to train here'
    )
