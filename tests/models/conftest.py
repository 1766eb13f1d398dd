"""Small data for every view a family may read."""

import pytest

from tunesmith.datasets.examples import Examples
from tunesmith.testing import small_examples as made


@pytest.fixture(scope="session")
def small_examples() -> Examples:
    """Return 60 items of three classes that can be told apart in every view."""
    return made()
