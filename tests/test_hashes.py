"""hashes-cpu.txt and hashes-gpu.txt: the packages of constraints.txt that nodes and images need."""

import re
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
# What is said of a node: the image that kuberay/hashes.py names.
NODE = {
    "python_version": "3.11", "python_full_version": "3.11.9", "sys_platform": "linux",
    "platform_machine": "x86_64", "platform_system": "Linux", "os_name": "posix",
    "implementation_name": "cpython", "platform_python_implementation": "CPython",
}  # fmt: skip
BUILDS = {"cpu": "train", "gpu": "gpu"}
# constraints.txt pins the trainers of machines without a GPU; the others have the same versions.
OTHER_BUILD = {"tensorflow": "tensorflow-cpu", "xgboost": "xgboost-cpu"}


@cache
def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {canonicalize_name(name): version for name, version in (x.split("==") for x in lines)}


@cache
def hashed(build: str) -> dict[str, tuple[str, list[str]]]:
    """Return version and hashes of each package of a build; every line must be understood."""
    text = (ROOT / f"hashes-{build}.txt").read_text()
    packages = {}
    for entry in re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace(" \\\n", " ").splitlines():
        pinned, *options = entry.split()
        name, version = pinned.split("==")
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", option) for option in options)
        packages[canonicalize_name(name)] = (version, options)
    return packages


def needed(extras: frozenset[str]) -> set[str]:
    """Return the packages that these extras need, as far as their pinned versions are here."""
    names: set[str] = set()
    waiting = [("tunesmith", extras)]
    seen = set()
    while waiting:
        package, wanted = waiting.pop()
        if (package, wanted) in seen:
            continue
        seen.add((package, wanted))
        for requirement in _requirements(package, wanted):
            name = canonicalize_name(requirement.name)
            names.add(name)
            waiting.append((name, frozenset(requirement.extras)))
    return names - {"tunesmith"}


def _requirements(package: str, extras: frozenset[str]) -> Iterator[Requirement]:
    try:
        lines = metadata.requires(package) or []
        installed = metadata.version(package)
    except metadata.PackageNotFoundError:
        return
    # An environment of the lowest versions needs other packages than a node.
    if package != "tunesmith" and pins().get(package) != installed:
        return
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        if marker is None or any(marker.evaluate(NODE | {"extra": e}) for e in {"", *extras}):
            yield requirement


@pytest.mark.parametrize("build", BUILDS)
def test_every_package_that_a_node_needs_has_a_hash_and_the_pinned_version(build: str) -> None:
    packages = hashed(build)
    assert needed(frozenset({"serve", "audio", BUILDS[build]})) <= packages.keys()
    assert "setuptools" in packages, "builds the package itself"
    for name, (version, hashes) in packages.items():
        assert hashes, name
        pinned = pins().get(OTHER_BUILD.get(name, name))
        if pinned is None:
            assert build == "gpu", f"{name}: constraints.txt does not pin it"
            assert name.startswith("nvidia-"), f"{name}: constraints.txt does not pin it"
        else:
            assert version == pinned, "constraints.txt has changed: run python kuberay/hashes.py"


def test_each_build_has_its_own_trainers() -> None:
    assert {"tensorflow-cpu", "xgboost-cpu"} <= hashed("cpu").keys()
    assert {"tensorflow", "xgboost"} <= hashed("gpu").keys()
    assert not {"tensorflow", "xgboost"} & hashed("cpu").keys()


@pytest.mark.parametrize("build", BUILDS)
def test_no_host_is_named(build: str) -> None:
    text = (ROOT / f"hashes-{build}.txt").read_text()
    assert "://" not in text
    assert "index" not in text
