"""Services that offline scores are compared with."""

from tests.serving.conftest import make_service

__all__ = ["make_service"]
