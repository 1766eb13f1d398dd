"""The dataset version that the tests of datasets read, and the house style of plots."""

import pytest

from tests.datasets.conftest import dataset
from tunesmith.reports.style import styled

__all__ = ["dataset"]


@pytest.fixture(autouse=True)
def house_style():
    with styled():
        yield
