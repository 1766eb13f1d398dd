"""Private names of Ray Serve, each in a function of this module alone.

Read in Ray 2.60.0 (`READ_IN`). They are not part of Ray's public interface and may move with any
release; ``tests/serving/test_ray_adapter.py`` fails then and says what to look for.
"""

import urllib.request
from pathlib import Path

__all__ = [
    "BUILD_ASGI_APP",
    "READ_IN",
    "exposition",
    "is_haproxy_mode",
    "logs_folder",
    "route_prefix",
]

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


def route_prefix() -> str:
    """Return the `route_prefix` of the application whose replica this process is, "" for the root.

    A replica learns it by asking Serve's controller; its own context does not have it.
    """
    from ray import serve
    from ray.serve.context import _get_global_client

    client = _get_global_client()
    if client is None:
        return ""
    details = client.get_serve_details()["applications"]
    application = details.get(serve.get_replica_context().app_name) or {}
    return str(application.get("route_prefix") or "").rstrip("/")


_EXPORTED = b"ray_tunesmith_"
_METRICS_TIMEOUT_S = 5.0


def exposition() -> bytes:
    """Return the metrics of this machine's replicas as Ray's agent exports them for Prometheus."""
    import ray

    own = ray.get_runtime_context().get_node_id()
    (node,) = (node for node in ray.nodes() if node["NodeID"] == own)
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    with urllib.request.urlopen(url, timeout=_METRICS_TIMEOUT_S) as answer:
        lines: list[bytes] = answer.read().splitlines(keepends=True)
    return b"".join(line for line in lines if _EXPORTED in line)
