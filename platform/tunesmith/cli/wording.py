"""Numbers, times and settings as people read them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = ["count", "duration", "interval", "local_time", "settings", "size"]


def local_time(moment: str | float) -> str:
    """Return a moment in this machine's time zone to the minute, as in ``2026-11-29 08:04``.

    Parameters
    ----------
    moment
        ISO 8601, taken as UTC where it names no zone, or seconds since 1970.
    """
    if isinstance(moment, str):
        at = datetime.fromisoformat(moment)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
    else:
        at = datetime.fromtimestamp(moment, UTC)
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


def duration(seconds: float) -> str:
    """Return a length of time in the unit that suits it: ``0.4 s``, ``41 s``, ``3:05 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, second = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{second:02d} min"
    return f"{minutes // 60}:{minutes % 60:02d} h"


def size(n_bytes: float) -> str:
    """Return a number of bytes in kB, MB or GB."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.1f} {unit}"
    return f"{n_bytes / 1e3:.1f} kB"


def count(number: int, noun: str) -> str:
    """Return a number with its noun in the right form, such as ``1 file`` and ``2,000 files``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def interval(metric: Mapping[str, float]) -> str:
    """Return a metric with its 95 % interval."""
    return f"{metric['value']:.3f} [{metric['low']:.3f}, {metric['high']:.3f}]"


def settings(text: str) -> str:
    """Return a trial's parameters, a JSON object, as ``name value`` pairs."""
    values: dict[str, Any] = json.loads(text)
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )
