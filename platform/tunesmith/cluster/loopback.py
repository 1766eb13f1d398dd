"""Proxy settings that must not apply to this machine's own addresses."""

import os
from collections.abc import Mapping, MutableMapping

__all__ = ["LOOPBACK", "keep_direct", "proxied"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Names of this machine's own address."""
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_EXCEPTIONS = ("no_proxy", "NO_PROXY")


def proxied(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the addresses of this machine that programs would reach through a proxy.

    Parameters
    ----------
    environment
        Environment variables. Programs read either spelling, so each must name the exceptions.
    """
    if not any(environment.get(spelt) for name in _PROXIES for spelt in (name, name.upper())):
        return ()
    named = [set(_hosts(environment.get(name, ""))) for name in _EXCEPTIONS if name in environment]
    excepted = set.intersection(*named) if named else set()
    return () if "*" in excepted else tuple(host for host in LOOPBACK if host not in excepted)


def keep_direct(environment: MutableMapping[str, str] = os.environ) -> None:
    """Add this machine's own addresses to the exceptions of a proxy, where one is set.

    The Ray that runs here, the server and their pages are on loopback, which no proxy reaches.
    """
    if not proxied(environment):
        return
    named = [host for name in _EXCEPTIONS for host in _hosts(environment.get(name, ""))]
    together = ",".join(dict.fromkeys([*named, *LOOPBACK]))
    for name in _EXCEPTIONS:
        environment[name] = together


def _hosts(text: str) -> list[str]:
    return [host for part in text.split(",") if (host := part.strip())]
