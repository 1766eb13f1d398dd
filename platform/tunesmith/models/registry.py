"""Families by name."""

import tunesmith.models as package
from tunesmith.models.contract import Family
from tunesmith.registries import Registry

__all__ = ["FAMILIES", "add_family", "family_names", "get_family"]

FAMILIES: Registry[Family] = Registry(
    "model family",
    Family,  # type: ignore[type-abstract]
    package=package,
    attributes=("FAMILY", "FAMILIES"),
    entry_points="tunesmith.families",
)
"""All families: those of this package (a module each), of installed packages and of plugins."""


def family_names() -> tuple[str, ...]:
    """Return the names of all families, sorted."""
    return FAMILIES.names()


def get_family(name: str) -> Family:
    """Return the family called `name`.

    Raises
    ------
    UsageError
        When there is none; the message names the nearest ones.
    """
    return FAMILIES.get(name)


def add_family(family: Family) -> None:
    """Make a family of a program or notebook known by its name.

    Raises
    ------
    UsageError
        When another family has that name.
    """
    FAMILIES.add(family)
