"""Families by name: every module of this package that holds a ``FAMILY``."""

import pkgutil
from functools import cache
from importlib import import_module

import tunesmith.models as package
from tunesmith.errors import unknown
from tunesmith.models.contract import Family

__all__ = ["family_names", "get_family"]

_NOT_FAMILIES = {"contract", "registry"}


@cache
def _families() -> dict[str, Family]:
    names = [module.name for module in pkgutil.iter_modules(package.__path__) if not module.ispkg]
    modules = [
        import_module(f"{package.__name__}.{name}")
        for name in names
        if not name.startswith("_") and name not in _NOT_FAMILIES
    ]
    return {module.FAMILY.name: module.FAMILY for module in modules}


def family_names() -> tuple[str, ...]:
    """Return the names of all families, sorted."""
    return tuple(sorted(_families()))


def get_family(name: str) -> Family:
    """Return the family called `name`.

    Raises
    ------
    UsageError
        When there is none; the message names the nearest ones.
    """
    families = _families()
    if name not in families:
        kind = "model family"
        raise unknown(kind, name, families)
    return families[name]
