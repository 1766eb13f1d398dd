"""The history of a task's champions: every move, with its time and its reason.

Each move of the champion is a record that never changes, ``models/<task>/records/<number>.json``,
and names the record before it. ``aliases.json`` names the last one. So the history is the chain
from there back, and a record that a killed promotion left behind belongs to no chain.
"""

import getpass
from collections.abc import Sequence
from datetime import UTC, datetime

from tunesmith.artifacts import layout
from tunesmith.artifacts.cards import Action, Aliases, ChampionRecord, Verdict, read_aliases
from tunesmith.artifacts.store import Store
from tunesmith.errors import PromotionError
from tunesmith.registry.bundles import open_bundle

__all__ = ["history", "move_champion", "name_challenger", "rollback"]


def history(store: Store, task: str) -> list[ChampionRecord]:
    """Return the moves of a task's champion, newest first."""
    number = read_aliases(store, task).record
    records = []
    while number:
        record = ChampionRecord.read(store, *layout.champion_record(task, number))
        records.append(record)
        number = record.parent
    return records


def move_champion(
    store: Store,
    task: str,
    version: int,
    *,
    action: Action,
    reason: str | None = None,
    verdicts: Sequence[Verdict] = (),
) -> ChampionRecord:
    """Point `champion` at a version and `previous` at the one it replaces.

    The last write is the only one that users notice, and it is one step: killed before it, the
    former champion answers; after it, the new one.

    Raises
    ------
    StoreError
        When the version is missing or its model is damaged; nothing has moved then.
    """
    open_bundle(store, task, version).model_bytes()
    now = read_aliases(store, task)
    names = store.list(*layout.champion_records(task))
    numbers = [int(name.removesuffix(".json")) for name in names]
    record = ChampionRecord(
        number=max([*numbers, now.record], default=0) + 1,
        parent=now.record,
        action=action,
        champion=version,
        replaced=now.champion,
        who=_who(),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        reason=reason,
        verdicts=tuple(verdicts),
    )
    record.write(store, *layout.champion_record(task, record.number))
    aliases = Aliases(
        champion=version,
        previous=now.champion,
        challenger=None if now.challenger == version else now.challenger,
        record=record.number,
    )
    aliases.write(store, *layout.aliases(task))
    return record


def name_challenger(store: Store, task: str, version: int) -> None:
    """Point `challenger` at a version; the champion stays."""
    aliases = read_aliases(store, task).model_copy(update={"challenger": version})
    aliases.write(store, *layout.aliases(task))


def rollback(
    store: Store, task: str, to: int | None = None, *, reason: str | None = None
) -> ChampionRecord:
    """Make an earlier version the champion again.

    Parameters
    ----------
    store, task
        The task, and the store of its bundles.
    to
        The version; by default the one that the present champion replaced.
    reason
        Kept in the history.

    Raises
    ------
    PromotionError
        When there is nothing to go back to.
    StoreError
        When that version is missing or damaged; the champion stays.
    """
    now = read_aliases(store, task)
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
