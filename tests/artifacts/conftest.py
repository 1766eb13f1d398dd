"""The dataset version that the tests of datasets read."""

from tests.datasets.conftest import dataset

__all__ = ["dataset"]
