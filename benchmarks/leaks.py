"""Plant leaks into real data, one at a time, and see whether the audit finds each and nothing else.

python benchmarks/leaks.py composer --dataset big4

TASK's own honest split is audited as it is, then with one leak after the other put into the learned
side: some test pieces as they are, the same pieces in another key under other names and groups, a
number that names the file beside its chunks, and the label as a column of the table.
"""

import time
from collections.abc import Callable

import click
import numpy as np

from tunesmith.artifacts.reports import AuditFinding
from tunesmith.artifacts.store import Store
from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.reader import open_dataset
from tunesmith.evaluation.audit import audit
from tunesmith.evaluation.music import Pieces
from tunesmith.midi.fingerprints import fingerprint
from tunesmith.midi.transforms import transpose_chunks, transpose_notes
from tunesmith.tasks import Request, get_task

SEMITONES = 3


def joined(learned: Examples, more: Examples) -> Examples:
    """Return the items of both."""
    views = {}
    for name, view in learned.views.items():
        other = more.view(name)
        x = np.concatenate([view.x, other.x])
        views[name] = View(x, np.concatenate([view.item, other.item + len(learned)]))
    return Examples(
        np.concatenate([learned.y, more.y]), learned.classes,
        np.concatenate([learned.groups, more.groups]), [*learned.ids, *more.ids], views,
    )  # fmt: skip


def with_view(examples: Examples, name: str, view: View) -> Examples:
    """Return the same items with one more view, or another one."""
    return Examples(
        examples.y, examples.classes, examples.groups, examples.ids, {**examples.views, name: view}
    )


def in_another_key(copies: Examples) -> Examples:
    """Return pieces transposed, under names and groups that nothing else has."""
    chunks = copies.view("chunks")
    moved = View(transpose_chunks(chunks.x, SEMITONES), chunks.item)
    features = copies.view("features")
    # As if computed anew: no number stays the same.
    changed = View(features.x + np.float32(0.01), features.item)
    named = Examples(
        copies.y, copies.classes, np.arange(len(copies)) + 10_000_000,
        [f"copy-of-{name}" for name in copies.ids], copies.views,
    )  # fmt: skip
    return with_view(with_view(named, "chunks", moved), "features", changed)


def name_of_the_file(examples: Examples, seed: int) -> Examples:
    """Return items with a table a chunk whose second number is the same all through a file."""
    random = np.random.default_rng(seed)
    item = examples.view("chunks").item
    table = random.normal(size=(len(item), 3))
    table[:, 1] = random.normal(size=len(examples))[item]
    return with_view(examples, "table", View(table, item))


def label_as_column(examples: Examples, seed: int) -> Examples:
    """Return items with a table whose third number is the label, a little blurred."""
    random = np.random.default_rng(seed)
    table = random.normal(size=(len(examples), 4))
    table[:, 2] = examples.y + random.normal(size=len(examples)) / 50
    return with_view(examples, "table", View.one_row_each(table))


@click.command()
@click.argument("task")
@click.option("--dataset", metavar="NAME")
@click.option("--store", "uri", metavar="URI")
@click.option("--pieces", default=3, show_default=True, help="How many pieces leak.")
def main(task: str, dataset: str | None, uri: str | None, pieces: int) -> None:
    """Plant four leaks into the data of TASK."""
    store = Store(uri)
    data = get_task(task).read(store, Request(dataset=dataset))
    examples = data.examples
    # Notes are as telling as the rolls for this, and larger.
    few = {name: examples.view(name) for name in ("chunks", "features")}
    examples = Examples(examples.y, examples.classes, examples.groups, examples.ids, few)
    learned = examples.take(np.flatnonzero(data.parts != "test"))
    test = examples.take(np.flatnonzero(data.parts == "test"))
    source = Pieces(open_dataset(store, data.name, data.version), test.ids[:pieces])
    prints = dict(source.fingerprints)
    for name, notes in zip(source.ids, source.notes, strict=True):
        prints[f"copy-of-{name}"] = fingerprint(transpose_notes(notes, SEMITONES))
    leaking = test.take(range(pieces))
    plants: dict[str, Callable[[], tuple[Examples, Examples]]] = {
        "nothing": lambda: (learned, test),
        "pieces on both sides": lambda: (joined(learned, leaking), test),
        "copies in another key": lambda: (joined(learned, in_another_key(leaking)), test),
        "a number that names the file": lambda: (
            name_of_the_file(learned, 0), name_of_the_file(test, 1)
        ),
        "the label as a column": lambda: (label_as_column(learned, 0), label_as_column(test, 1)),
    }  # fmt: skip
    columns = {"table": ("first", "second", "third", "fourth")}
    clean: set[str] = set()
    for name, plant in plants.items():
        sides = plant()
        began = time.perf_counter()
        findings: list[AuditFinding] = audit(*sides, columns=columns, fingerprints=prints)
        leaks = {row.check: row.message for row in findings if row.result == "leak"}
        if name == "nothing":
            clean = set(leaks)
        click.echo(f"planted: {name} ({time.perf_counter() - began:.1f} s)")
        for check, message in leaks.items():
            mark = " (without the plant, too)" if name != "nothing" and check in clean else ""
            click.echo(f"  {check}: {message}{mark}")
        if not leaks:
            click.echo("  no leak")


if __name__ == "__main__":
    main()
