"""Packages that an installation may lack: naming the extra to install instead of a failed import.

The extras are those of the installed project's metadata, which setuptools writes from
pyproject.toml, so that there is one table of them.
"""

import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, requires

from tunesmith.errors import TunesmithError

__all__ = ["MissingPackageError", "missing_package"]

# In the order in which they are proposed; the others are for those who change the project.
_OFFERED = ("train", "serve", "demo", "watch")
# Modules whose package has another name, or that come with the package of an extra.
_PACKAGES = {
    "PIL": "pillow",
    "multipart": "python-multipart",
    "python_multipart": "python-multipart",
    "sklearn": "scikit-learn",
    "starlette": "fastapi",
    "tensorboardX": "ray",
}
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[(?P<extras>[\w, -]+)\])?")
_MARKER = re.compile(r"extra\s*==\s*['\"](?P<extra>[\w-]+)['\"]")


class MissingPackageError(TunesmithError):
    """A package is not installed that this step needs."""


def missing_package(
    error: ImportError, step: str = "This", extras: Sequence[str] = ()
) -> MissingPackageError | None:
    """Return the error that says what to install for a failed import.

    Parameters
    ----------
    error
        The import's error.
    step
        Subject of the sentence: what needs the package.
    extras
        Extras that the step needs together. They are proposed when one of them brings the package;
        otherwise the first extra that does.

    Returns
    -------
    MissingPackageError or None
        None where the module is the project's own or its name is not known: that is a bug, and its
        traceback is wanted.
    """
    module = (error.name or "").split(".")[0]
    if not isinstance(error, ModuleNotFoundError) or module in {"", "tunesmith"}:
        return None
    package = _PACKAGES.get(module, module)
    bringing = [extra for extra in _OFFERED if _normal(package) in packages_of(extra)]
    if not bringing:
        install = f"pip install {package}"
    elif set(bringing) & set(extras):
        install = f"pip install 'tunesmith[{','.join(extras)}]'"
    else:
        install = f"pip install 'tunesmith[{bringing[0]}]'"
    return MissingPackageError(f"{step} needs {package}, which is not installed. Run: {install}")


def packages_of(extra: str) -> frozenset[str]:
    """Return the names of the packages that an extra of the installed project brings."""
    try:
        lines = requires("tunesmith") or []
    except PackageNotFoundError:
        return frozenset()
    packages: set[str] = set()
    for line in lines:
        marker, requirement = _MARKER.search(line), _REQUIREMENT.match(line)
        if marker is None or requirement is None or marker["extra"] != extra:
            continue
        if requirement["name"] == "tunesmith":
            for other in (requirement["extras"] or "").split(","):
                packages |= packages_of(other.strip())
        else:
            packages.add(_normal(requirement["name"]))
    return frozenset(packages)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
