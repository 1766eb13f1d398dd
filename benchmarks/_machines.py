"""Nodes with a network of their own each, so that it can be cut. Needs root and `ip`."""

import subprocess
from pathlib import Path
from typing import Any

from _cluster import Cluster


class Machines(Cluster):
    """Nodes in network namespaces that a bridge joins; this process is on the bridge, too."""

    def __init__(self, folder: Path, **environment: str) -> None:
        super().__init__(folder, **environment)
        # The port is free, so no other of these has the same; names of links have 15 characters.
        self.tag = f"ts{self.port}"
        self.subnet = f"10.{200 + self.port % 50}.{self.port % 250}"
        self.host = f"{self.subnet}.1"
        self._rooms: dict[str, str] = {}
        _ip("link", "add", self.tag, "type", "bridge")
        _ip("addr", "add", f"{self.host}/24", "dev", self.tag)
        _ip("link", "set", self.tag, "up")

    @property
    def address(self) -> str:
        """URL of the dashboard."""
        return f"http://{self.subnet}.2:{self.dashboard_port}"

    def connect(self, name: str, *, connected: bool) -> None:
        """Plug a node's cable in, or pull it."""
        _ip("link", "set", self._rooms[name], "up" if connected else "down")

    def _inside(self, name: str) -> list[str]:
        return ["ip", "netns", "exec", self._rooms[name]]

    def _proxy_ports(self, name: str) -> dict[str, str]:  # noqa: ARG002
        return {}

    def _start(self, name: str, *options: str) -> None:
        if name not in self._rooms:
            number = len(self._rooms)
            room = f"{self.tag}-{number}"
            self.addresses[name] = f"{self.subnet}.{2 + number}"
            _ip("netns", "add", room)
            # The end outside has the room's name, too.
            _ip("link", "add", room, "type", "veth", "peer", "name", "eth0", "netns", room)
            _ip("link", "set", room, "master", self.tag, "up")
            _ip("-n", room, "addr", "add", f"{self.addresses[name]}/24", "dev", "eth0")
            _ip("-n", room, "link", "set", "eth0", "up")
            _ip("-n", room, "link", "set", "lo", "up")
            self._rooms[name] = room
        super()._start(name, *options)

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for room in self._rooms.values():
            _ip("link", "del", room)
            _ip("netns", "del", room)
        _ip("link", "del", self.tag)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
