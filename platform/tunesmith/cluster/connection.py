"""Starting Ray, or joining one that runs, the same way from every command.

Ray is imported inside the functions: a command's ``--help`` must not wait for it.
"""

import logging
import os
import secrets
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from tunesmith.cluster import embedded
from tunesmith.cluster.loopback import keep_direct
from tunesmith.errors import TunesmithError, UsageError

__all__ = ["GROWS_TO", "ClusterError", "connect", "endpoints", "session"]

GROWS_TO = "TUNESMITH_GROWS_TO"
"""Environment variable of a cluster's nodes: what it has when every machine is up, as in
``CPU=120,GPU=3``. Machines that come when they are asked for are not there when a search is
planned, and Ray does not tell a job about them."""

# Ray's switch for its single-machine mode on desktops, which picks 127.0.0.1 as the node's address,
# so that every port is bound to loopback; Ray reads it while it is imported.
_EMBEDDED = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
_AUTH_MODE, _TOKEN = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"
# Inherited by the processes of an embedded Ray: their progress bars and notices are not the user's.
_QUIET = {
    "PYTHONWARNINGS": "ignore",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # OpenMP threads that spin while they wait take the cores from every other trial.
    "OMP_WAIT_POLICY": "PASSIVE",
}


class ClusterError(TunesmithError):
    """Ray cannot be started or reached."""


def connect(
    address: str | None = None, *, say: Callable[[str], None] | None = None, **options: Any
) -> dict[str, float]:
    """Join the cluster at `address`, or start Ray on this machine.

    Inside a submitted job Ray sets ``RAY_ADDRESS`` itself, so the same command runs on a laptop and
    on a cluster. Unless an address is given, no cluster is joined, whatever runs on this machine.
    A Ray that starts here demands a token that its own processes alone know: every user of the
    machine reaches its ports. A program that has imported Ray before has no token, unless it sets
    ``RAY_AUTH_MODE`` itself. Left alone, Ray writes one into the home folder, which a later cluster
    then demands.

    Parameters
    ----------
    address
        ``ray://…`` or ``host:port`` of a running cluster, ``auto`` for the one of this machine;
        without one ``RAY_ADDRESS`` is followed, and where that is not set either Ray starts
        embedded, listening on loopback only.
    say
        Prints what is waited for, before Ray is imported: that alone takes a second.
    **options
        Passed on to `ray.init`, such as ``num_cpus``.

    Returns
    -------
    dict
        What the cluster has, or grows to (see `GROWS_TO`), by resource name.

    Raises
    ------
    ClusterError
        When the cluster does not answer or Ray does not start.
    """
    target = _target(address)
    _announce(target, say)
    if target is None:
        if options.setdefault("include_dashboard", False) and say and _TOKEN in os.environ:
            say(f"Ray's dashboard will ask for this token: {os.environ[_TOKEN]}")
    else:
        # These are for a Ray that starts here; a cluster that runs is as it is.
        for name in ("include_dashboard", "num_cpus"):
            options.pop(name, None)
    # In a notebook tqdm and Ray ask for ipywidgets; no bar of theirs is shown here.
    logging.getLogger("ray.widgets.util").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import ray
    if ray.is_initialized():
        return _with_what_comes(ray.cluster_resources())
    try:
        if target is None:
            embedded.start(say or (lambda _: None), options)
        else:
            embedded.initialise(target, options)
    except Exception as error:  # Ray raises the base class when a process starts too slowly
        cause = embedded.first_line(error)
        if target:
            message = f"Ray does not answer at {target}: {cause} Check it with: ray status"
        else:
            message = f"Ray did not start on this machine: {cause} Check it with: tunesmith doctor"
        raise ClusterError(message) from error
    return _with_what_comes(ray.cluster_resources())


def _with_what_comes(present: Mapping[str, float]) -> dict[str, float]:
    """Return what is there or comes when it is asked for, by resource name."""
    together = dict(present)
    for pair in filter(None, os.environ.get(GROWS_TO, "").split(",")):
        name, _, amount = pair.partition("=")
        try:
            together[name.strip()] = max(together.get(name.strip(), 0.0), float(amount))
        except ValueError:
            message = f"{GROWS_TO}: {pair!r} is not NAME=NUMBER. Write CPU=120,GPU=3."
            raise UsageError(message) from None
    return together


def endpoints() -> dict[str, Any]:
    """Return where the connected Ray shows itself.

    Returns
    -------
    dict
        ``dashboard``: its URL, None where there is none; ``metrics``: a URL a node, in Prometheus
        format.
    """
    import ray

    # Called again it only tells what it is connected to.
    with embedded.keeping_sigterm():
        context: Any = ray.init(
            ignore_reinit_error=True, logging_level=logging.WARNING, configure_logging=False
        )
    nodes = [node for node in ray.nodes() if node["Alive"]]
    return {
        "dashboard": f"http://{context.dashboard_url}" if context.dashboard_url else None,
        "metrics": [
            f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
            for node in nodes
        ],
    }


def _target(address: str | None) -> str | None:
    """Return the cluster to join; where there is none, set what an embedded Ray reads on import."""
    keep_direct()
    target = address or os.environ.get("RAY_ADDRESS") or None
    if target is None:
        for name, value in (_EMBEDDED | _QUIET).items():
            os.environ.setdefault(name, value)
        if "ray" in sys.modules:
            # It has read the mode already, and its processes must have the same.
            os.environ.setdefault(_AUTH_MODE, "disabled")
        elif _AUTH_MODE not in os.environ:
            os.environ |= {_AUTH_MODE: "token", _TOKEN: secrets.token_hex(32)}
    return target


def _announce(target: str | None, say: Callable[[str], None] | None) -> None:
    if say is not None:
        say(f"Connecting to Ray at {target} …" if target else "Starting Ray on this machine …")


@contextmanager
def session(
    address: str | None = None,
    *,
    meanwhile: Sequence[str] = (),
    say: Callable[[str], None] | None = None,
    **options: Any,
) -> Iterator[dict[str, float]]:
    """Connect for the length of a ``with`` block; what was running before stays.

    Parameters
    ----------
    address, say, **options
        As in `connect`.
    meanwhile
        Names of modules that the block will import: Ray's processes take seconds to start, in
        which this one would only wait.

    Yields
    ------
    dict
        What the cluster has, by resource name.
    """
    target = _target(address)
    _announce(target, say)
    import ray

    was_running = ray.is_initialized()
    with ThreadPoolExecutor(max_workers=1) as pool:
        imported = [pool.submit(import_module, name) for name in meanwhile]
        resources = connect(address, **options)
    try:
        for one in imported:
            one.result()
        yield resources
    finally:
        if not was_running:
            ray.shutdown()
