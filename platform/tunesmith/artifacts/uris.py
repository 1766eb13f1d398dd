"""URIs of stores and sources, as the environment gives them and as people may see them."""

import os
import re
from pathlib import Path

__all__ = ["ENVIRONMENT_VARIABLE", "default_uri", "without_credentials"]

ENVIRONMENT_VARIABLE = "TUNESMITH_STORE"
_CREDENTIALS = re.compile(r"://[^/@]+@")


def without_credentials(uri: str) -> str:
    """Return a URI as people and logs may see it."""
    return _CREDENTIALS.sub("://…@", uri)


def default_uri() -> str:
    """Return the store's URI from the environment, or the folder in the user's home."""
    return os.environ.get(ENVIRONMENT_VARIABLE) or str(Path.home() / ".tunesmith" / "store")
