"""Private names of Ray Serve, each in a function of this module alone.

Read in Ray 2.60.0 (`READ_IN`). They are not part of Ray's public interface and may move with any
release; ``tests/serving/test_ray_adapter.py`` fails then and says what to look for.
"""

from pathlib import Path

__all__ = ["BUILD_ASGI_APP", "READ_IN", "is_haproxy_mode", "logs_folder"]

READ_IN = "2.60.0"
"""Version of Ray in which these names were read."""

BUILD_ASGI_APP = "__serve_build_asgi_app__"
"""Method that `ray.serve.ingress()` without an argument calls in the replica for its ASGI app.

An application that is passed to the decorator is built in the process that deploys, where neither
champions nor keys are.
"""


def logs_folder() -> Path:
    """Return the folder of this session in which Serve writes its logs; there is no public name."""
    from ray.serve._private.logging_utils import get_serve_logs_dir

    return Path(get_serve_logs_dir())


def is_haproxy_mode() -> bool:
    """Return whether Serve runs HAProxy, which listens on every interface.

    Serve reads it from RAY_SERVE_ENABLE_HA_PROXY; its own reading is asked, not the variable.
    """
    from ray.serve._private.constants import RAY_SERVE_ENABLE_HA_PROXY

    return bool(RAY_SERVE_ENABLE_HA_PROXY)
