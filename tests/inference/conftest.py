"""The runs that the tests of the registry judge."""

from tests.registry.conftest import add_run, examples

__all__ = ["add_run", "examples"]
