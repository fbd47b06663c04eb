"""What all tests share."""

import pytest

from simclr.report import show


@pytest.fixture(scope="session", autouse=True)
def report_style() -> None:
    """Figures in the report's style, as every notebook sets it."""
    show.setup()
