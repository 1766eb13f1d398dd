"""Values inside values, such as objects and lists of JSON, as plain columns."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["flat_row"]

_DEEPEST = 20


def flat_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row without values inside values.

    ``{"audio": {"tempo": 120}}`` becomes ``{"audio.tempo": 120}``; a list becomes its JSON text.
    """
    return dict(_cells(row, "", _DEEPEST))


def _cells(row: Mapping[Any, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, Mapping) and value and depth:
            yield from _cells(value, f"{prefix}{name}.", depth - 1)
        elif isinstance(value, Mapping | list):
            yield f"{prefix}{name}", json.dumps(value)
        else:
            yield f"{prefix}{name}", value
