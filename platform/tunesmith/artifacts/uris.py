"""URIs of stores and sources, as the environment gives them and as people may see them."""

import os
import re
from pathlib import Path

__all__ = ["ENVIRONMENT_VARIABLE", "default_uri", "without_credentials", "without_userinfo"]

ENVIRONMENT_VARIABLE = "TUNESMITH_STORE"
# Up to the last @ before the path; a secret with a slash in it, which had to be quoted, as well.
_CREDENTIALS = re.compile(r"://(?:[^/?#\s]*@|[^/?#@\s]*:[^?#\s]*@)")
_SECRET_OPTION = re.compile(
    r"(?i)([?&;][^=&#\s]*(?:key|secret|token|password|signature)[^=&#\s]*=)[^&#\s]+"
)


def without_credentials(text: str) -> str:
    """Return a URI, or a text with URIs in it, as people and logs may see it."""
    return _SECRET_OPTION.sub(r"\1…", _CREDENTIALS.sub("://…@", text))


def without_userinfo(uri: str) -> str:
    """Return a URI that works without the user and password which may stand in it."""
    return _CREDENTIALS.sub("://", uri)


def default_uri() -> str:
    """Return the store's URI from the environment, or the folder in the user's home."""
    return os.environ.get(ENVIRONMENT_VARIABLE) or str(Path.home() / ".tunesmith" / "store")
