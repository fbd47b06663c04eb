"""Work."""

from simclr import SIZE, tools
from simclr.sub.inner import Thing


@tools.decorated
def work(job, progress, many=0):
    """Do it."""
    values = [0, 1.0, None, "a text"]  # a comment
    if many:
        return values
    return Thing(values)
