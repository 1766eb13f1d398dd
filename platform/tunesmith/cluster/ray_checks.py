"""Checks of Ray on this machine: its version, tokens, leftovers and ports."""

import http.client
import json
import platform
import re
import stat
import textwrap
from importlib.metadata import PackageNotFoundError, requires, version
from urllib.parse import urlsplit

from tunesmith.cluster.findings import Finding, Target
from tunesmith.cluster.loopback import LOOPBACK, proxied
from tunesmith.cluster.machine import accepts

__all__ = [
    "ask_version",
    "authentication",
    "current_cluster",
    "leftovers",
    "ports",
    "proxies",
    "python",
    "ray_version",
    "token_mode",
]

# Ray's ports that a second cluster or another program collides with.
PORTS = {6379: "Ray's control store", 8265: "Ray's dashboard", 52365: "Ray's agent"}
_ANSWER_S = 5.0
# Characters of a command line that a finding shows.
_SHOWN = 80


def python(_: Target) -> Finding:
    """Check that no folder hides the standard library's `platform`."""
    # Ray asks the standard library's `platform` for the system; the checkout has a folder so named.
    if not hasattr(platform, "system"):
        where = getattr(platform, "__path__", ["an unknown place"])
        return Finding(
            "python",
            "fault",
            f"`import platform` finds {next(iter(where))}, not the standard library's module",
            "remove platform/__init__.py: platform/ is a source root, not a package",
        )
    return Finding("python", "ok", f"Python {platform.python_version()}")


def ray_version(target: Target) -> Finding:
    """Compare the installed Ray with what the project asks for and with the cluster's."""
    try:
        installed = version("ray")
    except PackageNotFoundError:
        return Finding("ray", "fault", "Ray is not installed", "pip install 'tunesmith[train]'")
    least = _least("ray")
    if _numbers(installed) < _numbers(least):
        what = f"Ray {installed}, the project needs {least} or later"
        return Finding("ray", "fault", what, "pip install --upgrade 'tunesmith[train]'")
    if target.address is None:
        return Finding("ray", "ok", f"Ray {installed}")
    return _cluster(target, installed)


def _cluster(target: Target, installed: str) -> Finding:
    """Ask the cluster for its version; it must be the client's, or jobs fail in odd ways."""
    address = str(target.address)
    try:
        status, _, body = ask_version(target)
    except (OSError, http.client.HTTPException) as error:
        return Finding(
            "ray",
            "fault",
            f"{address} does not answer: {error}",
            "start the cluster, or forward its port: `ray dashboard cluster.yaml`",
        )
    if status in {401, 403}:
        return Finding(
            "ray",
            "fault",
            f"{address} refuses the token" if status == 403 else f"{address} asks for a token",
            f"copy the cluster's token to {target.machine.token_file()}, set RAY_AUTH_MODE=token",
        )
    theirs = json.loads(body).get("ray_version", "unknown") if status == 200 else f"HTTP {status}"
    if theirs != installed:
        return Finding(
            "ray",
            "fault",
            f"Ray {installed} here, {theirs} at {address}",
            f"install the cluster's version here, or rebuild the cluster with {installed}",
        )
    return Finding("ray", "ok", f"Ray {installed}, the same at {address}")


def ask_version(target: Target) -> tuple[int, str | None, bytes]:
    """Return status, date and body of the dashboard's answer about its version."""
    parts = urlsplit(str(target.address))
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "127.0.0.1", parts.port or 8265, timeout=_ANSWER_S)
    machine = target.machine
    headers = {}
    if machine.has_token():
        token = machine.environment.get("RAY_AUTH_TOKEN") or machine.token_file().read_text()
        headers["Authorization"] = f"Bearer {token.strip()}"
    try:
        connection.request("GET", "/api/version", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Date"), answer.read()
    finally:
        connection.close()


def _least(package: str) -> str:
    for line in requires("tunesmith") or []:
        if match := re.match(rf"{package}(?:\[[^\]]*\])?>=([0-9.]+)", line):
            return match[1]
    return "0"


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def authentication(target: Target) -> Finding:
    """Compare Ray's authentication mode with the tokens there are."""
    machine = target.machine
    mode = machine.environment.get("RAY_AUTH_MODE")
    path = machine.token_file()
    if mode not in {None, "token", "disabled"}:
        what = f"RAY_AUTH_MODE is {mode!r}"
        return Finding("authentication", "fault", what, "set it to token or disabled")
    if mode == "token" and not machine.has_token():
        return Finding(
            "authentication",
            "fault",
            f"RAY_AUTH_MODE=token, but there is no token in {path} nor in RAY_AUTH_TOKEN",
            "run `ray get-auth-token --generate`, or copy the cluster's token there",
        )
    if mode is None and machine.has_token():
        return Finding(
            "authentication",
            "warning",
            f"a token is in {path} and RAY_AUTH_MODE is not set: the next `ray start` will "
            "demand it and clients without it are refused",
            "set RAY_AUTH_MODE=token for a cluster, or remove the file",
        )
    state = f"RAY_AUTH_MODE={mode}" if mode else "RAY_AUTH_MODE is not set and there is no token"
    return Finding("authentication", "ok", f"{state}; a Ray of a command has its own")


def token_mode(target: Target) -> Finding:
    """Check that only its owner can read the token."""
    path = target.machine.token_file()
    if not path.is_file():
        return Finding("token file", "ok", f"no {path}")
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        what = f"other users can read {path}"
        return Finding("token file", "warning", what, f"chmod 600 {path}")
    return Finding("token file", "ok", f"{path}, readable by its owner alone")


def leftovers(target: Target) -> Finding:
    """Find folders and sockets of ended Ray sessions."""
    sessions = target.machine.sessions()
    dead = [s for s in sessions if not s.is_live]
    state = f"{len(sessions) - len(dead)} running, {len(dead)} ended Ray sessions"
    with_sockets = [s for s in dead if any((s.path / "sockets").glob("*"))]
    if with_sockets:
        return Finding(
            "leftovers",
            "warning",
            f"{state} in {target.machine.ray_folder}; {len(with_sockets)} of them left sockets "
            f"without a listener, such as {with_sockets[0].path.name}",
            "remove the folders of ended sessions; their logs go with them",
        )
    return Finding("leftovers", "ok", state)


def current_cluster(target: Target) -> Finding:
    """Try the cluster that Ray's own commands join on this machine."""
    name, path = "current cluster", target.machine.ray_folder / "ray_current_cluster"
    address = target.machine.current_cluster()
    if address is None:
        return Finding(name, "ok", f"no {path}: Ray's own commands join no cluster by themselves")
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        what = f"{path} holds {address!r}, which is no HOST:PORT"
        return Finding(name, "warning", what, f"rm {path}")
    if accepts(host.strip("[]"), int(port)):
        state = f"a Ray runs at {address}; to search on it: --address {address}"
        return Finding(name, "ok", state)
    return Finding(
        name,
        "warning",
        f"{path} names {address}, where nothing listens: `ray status`, `serve run` and programs "
        "that call ray.init() wait for it for minutes",
        f"start that cluster again, or remove the file: rm {path}",
    )


def proxies(target: Target) -> Finding:
    """Check that a proxy is not asked for addresses of this machine."""
    hosts = proxied(target.machine.environment)
    if hosts:
        return Finding(
            "proxies",
            "warning",
            f"a proxy is set, and would also be asked for {', '.join(hosts)}; Tunesmith's own "
            "commands leave it out there, `ray job submit`, `serve` and curl do not",
            f"export NO_PROXY={','.join(LOOPBACK)} no_proxy={','.join(LOOPBACK)}",
        )
    return Finding("proxies", "ok", "no proxy stands between this machine and itself")


def ports(target: Target) -> Finding:
    """Find programs that listen on the ports of Ray and Serve."""
    known = {**PORTS, target.http_port: "the server"}
    owners = target.machine.owners(tuple(known))
    strangers = {port: who for port, who in owners.items() if not _is_ray(who)}
    if strangers:
        state = "; ".join(
            f"{port} ({known[port]}): {textwrap.shorten(who, _SHOWN)}"
            for port, who in strangers.items()
        )
        return Finding(
            "ports",
            "fault",
            f"taken by other programs: {state}",
            "stop them, or choose others: --port, --dashboard-port and "
            "--dashboard-agent-listen-port of `ray start`, http_options.port of serve/config.yaml",
        )
    if owners:
        state = ", ".join(str(port) for port in sorted(owners))
        return Finding(
            "ports", "ok", f"{state} held by the Ray that runs here; a second needs others"
        )
    return Finding("ports", "ok", f"{', '.join(map(str, sorted(known)))} are free")


def _is_ray(owner: str) -> bool:
    return bool(re.search(r"gcs_server|raylet|ray::|/ray/|ray start|haproxy", owner))
