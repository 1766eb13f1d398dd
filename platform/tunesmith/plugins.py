"""Plugin files: tasks and model families of a user's own.

A plugin is Python that assigns ``TASK``, ``TASKS``, ``FAMILY`` or ``FAMILIES``, or YAML that
describes one task. Plugins are named by the option ``--plugin``, by the environment variable
``TUNESMITH_PLUGINS`` (paths with ``:`` between them), or by the key ``plugins`` of
``./tunesmith.yaml`` and ``~/.tunesmith/config.yaml``. Their content travels to Ray's workers
together with the work (`snapshot` and `restore`), so no other machine needs the files.
"""

import hashlib
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.abc import SourceLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

from tunesmith.errors import UsageError

__all__ = [
    "ENVIRONMENT_VARIABLE",
    "PluginFile",
    "Snapshot",
    "added_objects",
    "load_python",
    "plugin_files",
    "restore",
    "snapshot",
    "using",
]

ENVIRONMENT_VARIABLE = "TUNESMITH_PLUGINS"
"""Names plugin files, separated as in ``PATH``."""
CONFIGURATION_FILES = (Path("tunesmith.yaml"), Path("~/.tunesmith/config.yaml"))
"""Files whose key ``plugins`` is a list of plugin files, relative to the file's own folder."""

_ATTRIBUTES = ("TASK", "TASKS", "FAMILY", "FAMILIES", "REPLICATION", "REPLICATIONS")
_PYTHON, _YAML = (".py",), (".yaml", ".yml")


@dataclass(frozen=True)
class PluginFile:
    """A plugin file as it was read.

    Attributes
    ----------
    path
        Absolute path on the machine that read it.
    content
        Its bytes.
    named_by
        Option, variable or file that names it, for messages.
    """

    path: str
    content: bytes
    named_by: str

    @property
    def is_yaml(self) -> bool:
        """True for a YAML file, which describes a task without Python."""
        return self.path.endswith(_YAML)


@dataclass(frozen=True)
class Snapshot:
    """Every plugin of this process, to be restored in another one.

    Attributes
    ----------
    files
        The plugin files.
    added
        Objects that a program added, by kind and name.
    """

    files: tuple[PluginFile, ...]
    added: Mapping[str, Mapping[str, Any]]


# Files named by `using`, innermost last, and those that another process sent.
_named: list[tuple[Path, str]] = []
_restored: list[tuple[PluginFile, ...]] = []
# Objects that a program added, by kind and name.
_added: dict[str, dict[str, Any]] = {}


@contextmanager
def using(paths: Sequence[Path | str], named_by: str = "--plugin") -> Iterator[None]:
    """Use plugin files, besides those that the environment names, inside a ``with`` block.

    Parameters
    ----------
    paths
        The files.
    named_by
        Option that named them, for messages.

    Raises
    ------
    UsageError
        When a file does not exist or cannot be loaded.
    """
    added = [(Path(path).expanduser().resolve(), named_by) for path in paths]
    _named.extend(added)
    try:
        for file in plugin_files():
            if not file.is_yaml:  # YAML is checked when its registry reads it
                load_python(file)
        yield
    finally:
        del _named[len(_named) - len(added) :]


def plugin_files() -> tuple[PluginFile, ...]:
    """Return the plugin files that are in use, each once.

    Raises
    ------
    UsageError
        When one of them does not exist or is neither Python nor YAML.
    """
    if _restored:
        return _restored[-1]
    variable = os.environ.get(ENVIRONMENT_VARIABLE, "")
    return _files_named(variable, Path.cwd(), Path.home(), tuple(_named))


def added_objects(kind: str) -> dict[str, Any]:
    """Return the objects of a kind that this program added, by name; the mapping may be changed."""
    return _added.setdefault(kind, {})


def snapshot() -> Snapshot:
    """Return the plugins of this process, for `restore` in a worker."""
    return Snapshot(plugin_files(), {kind: dict(items) for kind, items in _added.items()})


def restore(plugins: Snapshot) -> None:
    """Make a worker's plugins those of `plugins`, whatever its own environment names."""
    _restored[:] = [plugins.files]
    _added.clear()
    _added.update({kind: dict(items) for kind, items in plugins.added.items()})


@cache
def _files_named(
    variable: str, folder: Path, home: Path, named: tuple[tuple[Path, str], ...]
) -> tuple[PluginFile, ...]:
    """Return the files that all sources name, in the order option, variable, configuration."""
    paths = list(named)
    for text in filter(None, variable.split(os.pathsep)):
        path = folder / text.replace("~", str(home), 1) if text.startswith("~") else folder / text
        paths.append((path.resolve(), ENVIRONMENT_VARIABLE))
    for name in CONFIGURATION_FILES:
        configuration = Path(str(name).replace("~", str(home), 1))
        configuration = (folder / configuration).resolve()
        if configuration.is_file():
            paths += [(path, str(configuration)) for path in _configured(configuration)]
    files: dict[Path, PluginFile] = {}
    for path, named_by in paths:
        if path not in files:
            files[path] = _read(path, named_by)
    return tuple(files.values())


def _configured(path: Path) -> list[Path]:
    """Return the plugin files that a configuration file names."""
    from pydantic import BaseModel, ConfigDict

    from tunesmith.yaml_files import read_yaml

    class Configuration(BaseModel):
        """Settings of a user or a project."""

        model_config = ConfigDict(extra="forbid")

        plugins: list[str] = []

    names = read_yaml(path, Configuration).plugins
    return [(path.parent / Path(name).expanduser()).resolve() for name in names]


def _read(path: Path, named_by: str) -> PluginFile:
    if path.suffix not in {*_PYTHON, *_YAML}:
        message = f"{path}, which {named_by} names, is no plugin: it must end in .py or .yaml."
        raise UsageError(message)
    try:
        return PluginFile(str(path), path.read_bytes(), named_by)
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else str(error)
        message = f"The plugin {path}, which {named_by} names, cannot be read: {reason}."
        raise UsageError(message) from error


class _ContentLoader(SourceLoader):
    """Loads a module from bytes, so that a worker needs no file."""

    def __init__(self, file: PluginFile) -> None:
        self._file = file

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002
        return self._file.path

    def get_data(self, path: str) -> bytes:  # noqa: ARG002
        return self._file.content


@cache
def load_python(file: PluginFile) -> ModuleType:
    """Return the module of a Python plugin, loaded once a process.

    Raises
    ------
    UsageError
        When the file cannot be loaded, or assigns no task and no family.
    """
    digest = hashlib.sha256(file.path.encode() + file.content).hexdigest()[:12]
    name = f"tunesmith_plugin_{Path(file.path).stem}_{digest}"
    spec = spec_from_loader(name, _ContentLoader(file), origin=file.path)
    assert spec is not None  # noqa: S101 - it is None for a missing loader only
    module = module_from_spec(spec)
    module.__file__ = file.path
    # Dataclasses and pickle look a class's module up there.
    sys.modules[name] = module
    try:
        _ContentLoader(file).exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _broken(file, error) from error
    if not any(hasattr(module, attribute) for attribute in _ATTRIBUTES):
        message = (
            f"The plugin {file.path}, which {file.named_by} names, assigns none of "
            f"{', '.join(_ATTRIBUTES)}. Assign the task or family to one of these names."
        )
        raise UsageError(message)
    return module


def _broken(file: PluginFile, error: Exception) -> UsageError:
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == file.path
    ]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    place = f"{file.path}, line {line}" if line else file.path
    reason = error.msg if isinstance(error, SyntaxError) else str(error)
    return UsageError(
        f"{place}: {type(error).__name__}: {reason}. Correct this plugin, or remove it from "
        f"{file.named_by}."
    )
