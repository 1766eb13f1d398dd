"""The history of a task's champions: every move, with its time and its reason.

Each move of the champion is a record that never changes, ``models/<task>/records/<number>.json``,
and names the record before it. ``aliases.json`` names the last one. So the history is the chain
from there back, and a record that a killed promotion left behind belongs to no chain.
"""

import getpass
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from tunesmith.artifacts import layout
from tunesmith.artifacts.cards import Action, Aliases, ChampionRecord, Verdict, read_aliases
from tunesmith.artifacts.gaps import left_out
from tunesmith.artifacts.pointers import create, move
from tunesmith.artifacts.store import Store
from tunesmith.errors import PromotionError
from tunesmith.registry.bundles import open_bundle

__all__ = ["history", "move_champion", "name_challenger", "rollback", "withdraw_challenger"]


def history(store: Store, task: str) -> list[ChampionRecord]:
    """Return the moves of a task's champion, newest first.

    A record that cannot be read is left out, and a line says so. Which one came before it, it
    alone knew: the history goes on with the next lower number.
    """
    number = read_aliases(store, task).record
    numbers = record_numbers(store, task)
    records: list[ChampionRecord] = []
    while number > 0:
        parent = max((n for n in numbers if n < number), default=0)
        with left_out(f"Record {number} of the history of {task}"):
            record = ChampionRecord.read(store, *layout.champion_record(task, number))
            records.append(record)
            # A record that names itself or a later one would never end.
            parent = record.parent if record.parent < number else parent
        number = parent
    return records


def move_champion(
    store: Store,
    task: str,
    version: int,
    *,
    action: Action,
    since: Aliases | None = None,
    reason: str | None = None,
    verdicts: Sequence[Verdict] = (),
) -> ChampionRecord:
    """Point `champion` at a version and `previous` at the one it replaces.

    The last write is the only one that users notice, and it is one step: killed before it, the
    former champion answers; after it, the new one.

    Parameters
    ----------
    store, task, version
        The bundle.
    action, reason, verdicts
        Kept in the history.
    since
        The aliases that the move was decided on: it is refused if the champion has moved since.
        Without them the move holds whatever the present champion is.

    Raises
    ------
    PromotionError
        When the champion has moved since, or is that version already.
    StoreError
        When the version is missing or its model is damaged; nothing has moved then.
    """
    open_bundle(store, task, version).model_bytes()
    made: list[ChampionRecord] = []

    def moved(present: Aliases | None) -> Aliases:
        now = present or _lost(store, task)
        # Another process was faster: the record of this attempt belongs to no chain.
        while made:
            store.remove(*layout.champion_record(task, made.pop().number))
        if since is not None and now.record != since.record:
            raise PromotionError(_overtaken(task, version, action, since, now))
        if now.champion == version:
            message = f"Version {version} is the champion of {task!r} already."
            raise PromotionError(message)
        made.append(
            _recorded(store, task, now, version, action=action, reason=reason, verdicts=verdicts)
        )
        return Aliases(
            champion=version,
            previous=now.champion,
            challenger=None if now.challenger == version else now.challenger,
            record=made[0].number,
        )

    move(store, Aliases, layout.aliases(task), moved, mends=since is None)
    return made[0]


def withdraw_challenger(
    store: Store,
    task: str,
    version: int,
    *,
    action: Action,
    since: Aliases,
    reason: str,
    verdicts: Sequence[Verdict] = (),
) -> ChampionRecord:
    """End the contest of a challenger; the champion stays.

    Parameters
    ----------
    store, task, version
        The challenger.
    action, reason, verdicts
        Kept in the history.
    since
        The aliases that this was decided on: it is refused if one has moved since.

    Raises
    ------
    PromotionError
        When the champion or the challenger has moved since.
    """
    made: list[ChampionRecord] = []

    def moved(present: Aliases | None) -> Aliases:
        now = present or _lost(store, task)
        while made:
            store.remove(*layout.champion_record(task, made.pop().number))
        if now != since or now.champion is None:
            message = f"The challenger of {task!r} was changed meanwhile; none was withdrawn."
            raise PromotionError(message)
        made.append(
            _recorded(
                store, task, now, now.champion,
                action=action, reason=reason, verdicts=verdicts, withdrawn=version,
            )
        )  # fmt: skip
        return now.model_copy(update={"challenger": None, "record": made[0].number})

    move(store, Aliases, layout.aliases(task), moved)
    return made[0]


def _lost(store: Store, task: str) -> Aliases:
    """Return aliases in place of absent or damaged ones: those named the newest record there is."""
    is_damaged = store.exists(*layout.aliases(task))
    return Aliases(record=max(record_numbers(store, task), default=0) if is_damaged else 0)


def _overtaken(task: str, version: int, action: Action, since: Aliases, now: Aliases) -> str:
    """Return the message that the champion moved while a command was at work on its change."""
    return (
        f"The champion of {task!r} was changed by another command meanwhile: it was "
        f"{_named(since.champion)} and is {_named(now.champion)} (move {now.record}). Version "
        f"{version} was not made champion. See tunesmith history {task}, then run the {action} "
        "again."
    )


def _named(version: int | None) -> str:
    return "none" if version is None else f"version {version}"


def _recorded(
    store: Store,
    task: str,
    now: Aliases,
    version: int,
    *,
    action: Action,
    reason: str | None,
    verdicts: Sequence[Verdict],
    withdrawn: int | None = None,
) -> ChampionRecord:
    """Write the record of a move under the next free number.

    The numbers that are taken are not listed: a list grows with the history.
    """
    record = ChampionRecord(
        number=now.record + 1,
        parent=now.record,
        action=action,
        champion=version,
        replaced=None if withdrawn is not None else now.champion,
        withdrawn=withdrawn,
        who=_who(),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        reason=reason,
        verdicts=tuple(verdicts),
        nonce=secrets.token_hex(8),
    )
    while not create(
        store,
        store.encode_json(record.json_object()),
        *layout.champion_record(task, record.number),
    ):
        record = record.model_copy(update={"number": record.number + 1})
    return record


def record_numbers(store: Store, task: str) -> list[int]:
    """Return the numbers of all records of a task, ascending, with those that no chain holds."""
    stems = (name.removesuffix(".json") for name in store.list(*layout.champion_records(task)))
    return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdecimal())


def name_challenger(store: Store, task: str, version: int) -> None:
    """Point `challenger` at a version; the champion stays."""

    def named(present: Aliases | None) -> Aliases | None:
        now = present or Aliases()
        if now.champion == version:
            return None
        return now.model_copy(update={"challenger": version})

    move(store, Aliases, layout.aliases(task), named)


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
        When there is nothing to go back to, or another command moved the champion meanwhile.
    StoreError
        When that version is missing or damaged; the champion stays.
    """
    if to is not None:
        return move_champion(store, task, to, action="rollback", reason=reason)
    now = read_aliases(store, task)
    if now.previous is None:
        message = f"{task!r} has no previous champion to return to; name a version with --to."
        raise PromotionError(message)
    return move_champion(store, task, now.previous, action="rollback", since=now, reason=reason)


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
