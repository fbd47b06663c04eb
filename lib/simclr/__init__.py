"""SimCLR on digits with 100 labels: the small library behind the notebooks and the report."""

__version__ = "0.1.0"
