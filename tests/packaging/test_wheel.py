"""What is in the distributions: the whole package with its assets, and nothing beside it."""

import re
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.conftest import ROOT

PACKAGE = ROOT / "platform" / "tunesmith"


def source_files() -> set[str]:
    """Return every file of the package as a path from its source root."""
    return {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """Return the table ``project`` of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """Return the metadata that installers and indexes read."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return BytesParser().parsebytes(archive.read(name))


def test_the_wheel_holds_the_package_with_all_its_assets_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == source_files()
    assert {"tunesmith/py.typed", "tunesmith/serving/page/index.html"} <= names


def test_the_linked_configuration_is_there_by_content(distributions: Path, wheel: Path) -> None:
    content = (ROOT / "serve" / "config.yaml").read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("tunesmith/serving/config.yaml") == content
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        (name,) = (name for name in archive.getnames() if name.endswith("/serving/config.yaml"))
        assert archive.getmember(name).isfile()
        member = archive.extractfile(name)
        assert member is not None
        assert member.read() == content


def test_the_source_distribution_holds_what_a_build_needs(distributions: Path) -> None:
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE"} <= names
    assert {f"platform/{name}" for name in source_files()} <= names


def test_the_metadata_names_version_pythons_and_extras(
    metadata: Message, project: dict[str, Any]
) -> None:
    assert metadata["Version"] == project["version"]
    assert {"train", "gpu", "serve", "demo", "watch"} <= set(metadata.get_all("Provides-Extra", []))
    classifiers = metadata.get_all("Classifier", [])
    pythons = {c.split(" :: ")[-1] for c in classifiers if re.search(r"Python :: 3\.\d+$", c)}
    assert pythons == {"3.11", "3.12", "3.13"}


def test_the_metadata_names_no_host(metadata: Message) -> None:
    assert [key for key in metadata if key in {"Home-page", "Project-URL", "Download-URL"}] == []
    assert [line for line in metadata.get_all("Requires-Dist", []) if "://" in line] == []
