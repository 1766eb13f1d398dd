"""The image's command in a container's place: its files, its user, and none of root's rights.

There is no container runtime here, so the root file system is put together from mounts: what the
Containerfile copies, the Python of this test in place of the base image's, and nothing else that
can be written but the home folder, the temporary one and shared memory. The command runs in
namespaces of its own as the user that the Containerfile names, without capabilities, and is asked
from outside. Needs root, and util-linux and iproute2.
"""

import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.nodes import carrying
from tests.packaging.conftest import ROOT
from tests.serving.conftest import write_bundle
from tunesmith.artifacts.api_keys import add_key
from tunesmith.artifacts.store import Store

PROGRAMS = ("unshare", "setpriv", "ip", "chroot")
pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)),
        reason=f"needs root, {', '.join(PROGRAMS)}",
    ),
]
_START_S = 180.0
_MARK = "TUNESMITH_TEST_IMAGE"
# Runs as root in mount and process namespaces of its own, and becomes the image's command.
ENTER = """
set -eu
mount -t tmpfs tmpfs "$ROOT"
cd "$ROOT"
mkdir -p proc sys dev/shm tmp home/ray store
# Before the environment, which may be below it.
mount -t tmpfs -o mode=1777 tmpfs tmp
for name in bin sbin lib lib64 lib32; do
  if [ -L "/$name" ]; then cp -a "/$name" .
  elif [ -d "/$name" ]; then mkdir "$name" && mount --bind -o ro "/$name" "$name"; fi
done
for place in /usr /etc /sys "$PYTHON" "$VENV"; do
  mkdir -p ".$place" && mount --bind "$place" ".$place" && mount -o remount,bind,ro ".$place"
done
mount -t proc proc proc
for name in null zero random urandom; do
  touch "dev/$name" && mount --bind "/dev/$name" "dev/$name"
done
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o "uid=${USER_ID%:*},gid=${USER_ID#*:}" tmpfs home/ray
mkdir -p ".$WORKDIR"
mount --bind -o ro "$CODE" ".$WORKDIR"
mount --bind -o ro "$STORE" store
mount --bind -o ro "$PASSWD" etc/passwd
mount -o remount,ro "$ROOT"
exec chroot . setpriv --reuid "${USER_ID%:*}" --regid "${USER_ID#*:}" --clear-groups \\
  --no-new-privs --bounding-set=-all --inh-caps=-all \\
  env -i HOME=/home/ray PATH="$VENV/bin:/usr/bin:/bin" TUNESMITH_STORE=/store "$MARK" \\
  $ENVIRONMENT \\
  sh -c 'cd "$0" && exec "$@"' "$WORKDIR" "$@"
"""


@dataclass(frozen=True)
class Image:
    """Instructions of the Containerfile."""

    workdir: str
    copies: tuple[str, ...]
    environment: tuple[str, ...]
    user: str
    command: tuple[str, ...]

    @classmethod
    def read(cls) -> "Image":
        """Return those that the file holds now."""
        text = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
        lines = [line.split(" ", 1) for line in text.splitlines() if line and line[0] != "#"]
        last = dict(lines)
        copied = [word for name, rest in lines if name == "COPY" for word in rest.split()[1:-1]]
        return cls(
            last["WORKDIR"], tuple(copied), tuple(last["ENV"].split()), last["USER"],
            tuple(json.loads(last["CMD"])),
        )  # fmt: skip


@dataclass(frozen=True)
class Running:
    """The command, running: its address as others see it, its processes, and a key."""

    address: str
    mark: str
    key: str

    def status(self, path: str, key: str | None = None, body: bytes | None = None) -> int:
        """Return the status of an answer, 0 without any."""
        request = urllib.request.Request(f"http://{self.address}:8000{path}", data=body)
        if key:
            request.add_header("Authorization", f"Bearer {key}")
        if body:
            request.add_header("Content-Type", "audio/midi")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def kill(self) -> None:
        """End what runs: a process that changed its user outlives the one that started it."""
        for pid in carrying(self.mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def processes(self) -> list[Path]:
        """Return the command's processes in /proc."""
        return [Path(f"/proc/{pid}") for pid in carrying(self.mark)]


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, midi_factory: Callable[..., bytes]
) -> Iterator[Running]:
    """Run the image's command until it answers."""
    folder, image = tmp_path_factory.mktemp("image"), Image.read()
    store = Store(folder / "store")
    write_bundle(store)
    key = add_key(store, "test")
    code = folder / "code"
    for name in image.copies:
        place = ROOT / name
        copy = shutil.copytree if place.is_dir() else shutil.copy2
        copy(place, _parent_made(code / name))
    passwd = folder / "passwd"
    passwd.write_text("ray:x:1000:100::/home/ray:/bin/sh\n")
    (folder / "root").mkdir()
    # Whoever the tests run as: the user of the image must be able to read them.
    for place in (folder, *folder.parents[:2]):
        place.chmod(0o755)
    name = f"ti{secrets.token_hex(3)}"
    host, address = f"10.{230 + os.getpid() % 20}.{os.getpid() % 250}.1", ""
    address = host[:-1] + "2"
    mark = f"{_MARK}={name}"
    with ExitStack() as stack:
        _ip("netns", "add", name)
        stack.callback(_ip, "netns", "del", name)
        _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("addr", "add", f"{host}/30", "dev", name)
        _ip("link", "set", name, "up")
        for command in (("addr", "add", f"{address}/30", "dev", "eth0"),
                        ("link", "set", "eth0", "up"), ("link", "set", "lo", "up")):  # fmt: skip
            _ip("-n", name, *command)
        process = stack.enter_context(
            subprocess.Popen(
                ["ip", "netns", "exec", name, "unshare", "--mount", "--pid", "--fork", "--ipc",
                 "--uts", "--kill-child", "sh", "-c", ENTER, "enter", *image.command],
                env={
                    "PATH": os.environ["PATH"], "ROOT": str(folder / "root"), "CODE": str(code),
                    "STORE": store.uri, "PASSWD": str(passwd), "PYTHON": sys.base_prefix,
                    "VENV": sys.prefix, "WORKDIR": image.workdir, "USER_ID": image.user,
                    "MARK": mark, "ENVIRONMENT": shlex.join(image.environment),
                },
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
        )  # fmt: skip
        begun = Running(address, mark, key)
        stack.callback(begun.kill)
        stack.callback(process.kill)
        deadline = time.monotonic() + _START_S
        while begun.status("/readyz") != 200:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                pytest.fail(f"the command does not answer: {process.communicate()[0][-3000:]}")
            time.sleep(0.5)
        yield begun


def _parent_made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def test_it_answers_others_with_a_key_and_no_one_without(
    running: Running, midi_factory: Callable[..., bytes]
) -> None:
    piece = midi_factory(n_notes=200)
    for path, body in (("/v1/models", None), ("/v1/composer", piece), ("/", None)):
        assert running.status(path, body=body) == 401
        assert running.status(path, key="ts_wrong", body=body) == 401
        assert running.status(path, key=running.key, body=body) == 200
    assert running.status("/healthz") == 200


def test_every_process_of_it_is_a_user_without_rights(running: Running) -> None:
    processes = running.processes()
    assert len(processes) > 3, "Ray's processes, and a replica"
    for process in processes:
        facts = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
        assert facts["Uid"].split() == ["1000"] * 4
        assert facts["Gid"].split() == ["100"] * 4
        assert {int(facts[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
        assert facts["NoNewPrivs"] == "1"


def test_it_writes_to_its_home_its_temporary_folder_and_shared_memory_alone(
    running: Running,
) -> None:
    (process, *_) = running.processes()
    writable = set()
    for line in (process / "mountinfo").read_text().splitlines():
        place, options = line.split()[4:6]
        kind = line.partition(" - ")[2].split()[0]
        if "rw" in options.split(",") and kind != "proc" and not place.startswith("/sys"):
            writable.add(place)
    devices = {f"/dev/{name}" for name in ("null", "zero", "random", "urandom")}
    assert writable - devices == {"/dev/shm", "/home/ray", "/tmp"}  # noqa: S108 - in its own root
    root = process / "root"
    for place in ("", "store", "etc", Image.read().workdir[1:], "usr"):
        with pytest.raises(OSError, match="Read-only file system"):
            (root / place / "written").touch()


def test_it_listens_on_every_interface_for_http_alone(running: Running) -> None:
    (process, *_) = running.processes()
    rows = [line.split() for line in (process / "net" / "tcp").read_text().splitlines()[1:]]
    listening = {tuple(row[1].split(":")) for row in rows if row[3] == "0A"}
    assert ("00000000", f"{8000:04X}") in listening
    elsewhere = {int(port, 16) for at, port in listening if at != "0100007F"} - {8000}
    assert not elsewhere, "only the server may be reached from outside"
