"""Lines of champions: models of one task that read the same columns and know the same classes.

Two tables with other columns, or other classes, ask different questions. A model of one cannot take
the place of a model of the other, so each has a champion, a history and a name of its own under
which it is served: the first one the task's name, each further one with the name of its table.
"""

import re
from pathlib import PurePath

from tunesmith.artifacts import layout
from tunesmith.artifacts.preparation import Preparation, TablePreparation
from tunesmith.artifacts.runs import Run
from tunesmith.artifacts.store import Store
from tunesmith.registry.bundles import bundles

__all__ = ["line_of"]

Schema = tuple[frozenset[tuple[str, str]], frozenset[str]]


def line_of(run: Run) -> str:
    """Return the name of the line of champions that a run belongs to; it may be a new one.

    Runs on anything but tables belong to the line that is called like their task.
    """
    own = _schema(run.record.preparation, run.classes)
    if own is None:
        return run.task
    names = {name for name in run.store.list(*layout.models()) if not name.startswith(".")}
    lines = {name: schema for name in names if (schema := _of_line(run.store, name, run.task))}
    for name in sorted(lines, key=lambda name: (name != run.task, name)):
        if lines[name] == own:
            return name
    if run.task not in names:
        return run.task
    stem = PurePath(run.record.dataset.name).name.split(".")[0]
    base = f"{run.task}_{re.sub(r'[^a-z0-9]+', '_', stem.casefold()).strip('_') or 'table'}"
    taken = names | set(run.store.list(*layout.searched_tasks()))
    return next(
        name for n in range(1, len(taken) + 2)
        if (name := base if n == 1 else f"{base}_{n}") not in taken
    )  # fmt: skip


def _of_line(store: Store, name: str, task: str) -> Schema | None:
    """Return the schema of the bundles under a name, None where they are not of the task."""
    known = bundles(store, name)
    if not known:
        return None
    card = known[-1].card
    return _schema(card.preparation, card.labels) if card.task == task else None


def _schema(preparation: Preparation | None, classes: tuple[str, ...]) -> Schema | None:
    if not isinstance(preparation, TablePreparation):
        return None
    columns = frozenset((column.name, column.kind) for column in preparation.columns)
    return columns, frozenset(classes)
