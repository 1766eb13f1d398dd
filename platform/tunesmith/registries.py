"""Registries: the tasks, and the model families, by name.

An object is found in one of these places:

- a module of the package, which has the object's name;
- an installed package, by an entry point;
- a plugin file (see `tunesmith.plugins`);
- the running program, which adds objects with `Registry.add`.
"""

import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata
from types import ModuleType
from typing import Any, Generic, TypeVar

from tunesmith.errors import UsageError, unknown
from tunesmith.plugins import PluginFile, added_objects, load_python, plugin_files

__all__ = ["Registry"]

T = TypeVar("T")
_PROGRAM = "this program (added with Registry.add)"


@dataclass(frozen=True)
class _Entry(Generic[T]):
    """An object that a registry knows: the place it comes from, in words, and how to load it."""

    place: str
    load: Callable[[], T]


class Registry(Generic[T]):
    """Objects of one kind by name, from the package, installed packages, plugins and programs.

    Modules of the package and entry points are imported when their object is asked for, so that
    listing names is fast.

    Parameters
    ----------
    kind
        Name of the kind, for messages: ``"task"``.
    of
        Class of the objects, which have an attribute ``name``.
    package
        Package whose modules each assign one object; a module has the name of its object.
    attributes
        Name that a module assigns one object to, and the name for several.
    entry_points
        Group of entry points.
    skip
        Modules of `package` that hold no object.
    from_yaml
        Makes an object of a YAML plugin; without it YAML files are passed over.
    """

    def __init__(
        self,
        kind: str,
        of: type[T],
        *,
        package: ModuleType,
        attributes: tuple[str, str],
        entry_points: str,
        skip: frozenset[str] = frozenset({"contract", "registry"}),
        from_yaml: Callable[[PluginFile], T] | None = None,
    ) -> None:
        self._kind = kind
        self._of = of
        self._package = package
        self._attribute, self._plural = attributes
        self._group = entry_points
        self._skip = skip
        self._from_yaml = from_yaml
        self._installed: dict[str, _Entry[T]] | None = None
        self._of_files: tuple[tuple[PluginFile, ...], dict[str, _Entry[T]]] | None = None

    def names(self) -> tuple[str, ...]:
        """Return all names, sorted.

        Raises
        ------
        UsageError
            When two objects share a name or a plugin cannot be loaded.
        """
        return tuple(sorted(self._entries()))

    def get(self, name: str) -> T:
        """Return the object called `name`.

        Raises
        ------
        UsageError
            When there is none; the message names the nearest ones. Also when two objects share a
            name or a plugin cannot be loaded.
        """
        entries = self._entries()
        if name not in entries:
            raise unknown(self._kind, name, entries)
        return entries[name].load()

    def place(self, name: str) -> str:
        """Return the place that the object called `name` comes from, in words."""
        self.get(name)
        return self._entries()[name].place

    def add(self, item: T) -> None:
        """Add an object of a program or notebook; a second one of the same name replaces it.

        Raises
        ------
        UsageError
            When it is of another class, or the name belongs to an object that was not added.
        """
        self._check_class(item, "The object")
        name = _name_of(item)
        others = self._found()
        if name in others:
            raise self._clash(name, others[name].place, _PROGRAM)
        added_objects(self._kind)[name] = item

    def _entries(self) -> dict[str, _Entry[T]]:
        added = added_objects(self._kind)
        if not added:
            return self._found()
        own = [(name, _Entry(_PROGRAM, _constant(item))) for name, item in added.items()]
        return self._collect([self._found().items(), own])

    def _found(self) -> dict[str, _Entry[T]]:
        """Return everything but what a program added."""
        files = plugin_files()
        if self._of_files is None or self._of_files[0] != files:
            if self._installed is None:
                self._installed = self._collect([self._of_package(), self._of_entry_points()])
            groups = [self._installed.items(), *map(self._of_file, files)]
            self._of_files = (files, self._collect(groups))
        return self._of_files[1]

    def _collect(self, groups: Sequence[Any]) -> dict[str, _Entry[T]]:
        entries: dict[str, _Entry[T]] = {}
        for group in groups:
            for name, entry in group:
                if name in entries:
                    raise self._clash(name, entries[name].place, entry.place)
                entries[name] = entry
        return entries

    def _clash(self, name: str, *places: str) -> UsageError:
        return UsageError(
            f"There are two objects of the kind {self._kind} named {name!r}: one in {places[0]}, "
            f"one in {places[1]}. Rename one of them."
        )

    def _of_package(self) -> Iterator[tuple[str, _Entry[T]]]:
        for module in pkgutil.iter_modules(self._package.__path__):
            if module.ispkg or module.name.startswith("_") or module.name in self._skip:
                continue
            path = f"{self._package.__name__}.{module.name}"
            yield module.name, _Entry(f"the module {path}", self._loader(path))

    def _loader(self, path: str) -> Callable[[], T]:
        return lambda: getattr(import_module(path), self._attribute)

    def _of_entry_points(self) -> Iterator[tuple[str, _Entry[T]]]:
        for point in metadata.entry_points(group=self._group):
            package = point.dist.name if point.dist is not None else "an unknown package"
            place = f"the installed package {package} (entry point {point.name} = {point.value})"
            yield point.name, _Entry(place, cache(self._point_loader(point, place)))

    def _point_loader(self, point: metadata.EntryPoint, place: str) -> Callable[[], T]:
        def load() -> T:
            try:
                item = point.load()
            except Exception as error:
                message = (
                    f"The {self._kind} {point.name!r} of {place} cannot be loaded: "
                    f"{type(error).__name__}: {error}. Update or uninstall that package."
                )
                raise UsageError(message) from error
            self._check_class(item, f"The entry point {point.name} of {place}")
            if (name := _name_of(item)) != point.name:
                message = (
                    f"The {self._kind} of {place} is named {name!r}. Give the entry point the "
                    "same name."
                )
                raise UsageError(message)
            return item  # type: ignore[no-any-return]

        return load

    def _of_file(self, file: PluginFile) -> Iterator[tuple[str, _Entry[T]]]:
        for item in self._items(file):
            self._check_class(item, f"{self._attribute} in {file.path}")
            yield _name_of(item), _Entry(file.path, _constant(item))

    def _items(self, file: PluginFile) -> list[T]:
        if file.is_yaml:
            return [self._from_yaml(file)] if self._from_yaml else []
        module = load_python(file)
        items = [getattr(module, self._attribute)] if hasattr(module, self._attribute) else []
        return [*items, *getattr(module, self._plural, ())]

    def _check_class(self, item: object, place: str) -> None:
        if not isinstance(item, self._of):
            message = (
                f"{place} is of the class {type(item).__name__}, not "
                f"{self._of.__module__.rpartition('.')[0]}.{self._of.__name__}."
            )
            raise UsageError(message)


def _name_of(item: Any) -> str:
    return str(item.name)


def _constant(item: T) -> Callable[[], T]:
    return lambda: item
