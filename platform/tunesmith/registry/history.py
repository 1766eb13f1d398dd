"""Who replaced whom, when and why.

Each move of the champion is a record that never changes, ``models/<task>/records/<number>.json``,
and names the record before it. ``aliases.json`` names the last one. So the history is the chain
from there back, and a record that a killed promotion left behind belongs to no chain.
"""

import getpass
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tunesmith.artifacts.store import Store
from tunesmith.errors import PromotionError
from tunesmith.registry.bundles import ALIASES, FOLDER, Aliases, aliases, folder_name, open_bundle

__all__ = ["Record", "history", "move_champion", "rollback"]

_RECORDS = "records"


@dataclass(frozen=True)
class Record:
    """One move of the champion.

    Attributes
    ----------
    number
        1, 2, …
    parent
        Number of the record before it, 0 for the first.
    action
        ``promote``, ``force`` or ``rollback``.
    champion
        Version that answers from then on.
    replaced
        Version that answered until then; None when there was none.
    who, when, reason
        User, time (ISO 8601, UTC) and what was given as the reason.
    verdicts
        What each rule of the gate said.
    """

    number: int
    parent: int
    action: str
    champion: int
    replaced: int | None
    who: str
    when: str
    reason: str | None
    verdicts: tuple[dict[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON holds it."""
        return asdict(self) | {"verdicts": list(self.verdicts)}


def history(store: Store, task: str) -> list[Record]:
    """Return the moves of a task's champion, newest first."""
    number = aliases(store, task).record
    found = []
    while number:
        facts = store.read_json(FOLDER, task, _RECORDS, f"{folder_name(number)}.json")
        record = Record(**{**facts, "verdicts": tuple(facts["verdicts"])})
        found.append(record)
        number = record.parent
    return found


def move_champion(
    store: Store,
    task: str,
    version: int,
    *,
    action: str,
    reason: str | None = None,
    verdicts: tuple[dict[str, Any], ...] = (),
) -> Record:
    """Point `champion` at a version and `previous` at the one it replaces.

    The last write is the only one that users notice, and it is one step: killed before it, the
    former champion answers; after it, the new one.

    Raises
    ------
    StoreError
        When the version is missing or its model is damaged; nothing has moved then.
    """
    open_bundle(store, task, version).model_bytes()
    now = aliases(store, task)
    stem = (FOLDER, task, _RECORDS)
    numbers = [int(name.removesuffix(".json")) for name in store.list(*stem)]
    record = Record(
        number=max([*numbers, now.record], default=0) + 1,
        parent=now.record,
        action=action,
        champion=version,
        replaced=now.champion,
        who=_who(),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        reason=reason,
        verdicts=verdicts,
    )
    store.write_json(record.as_dict(), *stem, f"{folder_name(record.number)}.json")
    challenger = None if now.challenger == version else now.challenger
    write_aliases(store, task, Aliases(version, now.champion, challenger, record.number))
    return record


def name_challenger(store: Store, task: str, version: int) -> None:
    """Point `challenger` at a version; the champion stays."""
    write_aliases(store, task, replace(aliases(store, task), challenger=version))


def write_aliases(store: Store, task: str, value: Aliases) -> None:
    """Write the aliases in one step."""
    store.write_json(asdict(value), FOLDER, task, ALIASES)


def rollback(
    store: Store, task: str, to: int | None = None, *, reason: str | None = None
) -> Record:
    """Make an earlier version the champion again.

    Parameters
    ----------
    store, task
        Whose champion.
    to
        Which version; the one that the present champion replaced by default.
    reason
        Kept in the history.

    Raises
    ------
    PromotionError
        When there is nothing to go back to.
    StoreError
        When that version is missing or damaged; the champion stays.
    """
    now = aliases(store, task)
    target = now.previous if to is None else to
    if target is None:
        message = f"{task!r} has no previous champion to return to; name a version with --to."
        raise PromotionError(message)
    if target == now.champion:
        message = f"Version {target} is the champion of {task!r} already."
        raise PromotionError(message)
    return move_champion(store, task, target, action="rollback", reason=reason)


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
