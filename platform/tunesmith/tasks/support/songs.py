"""Data of the two song tasks: the table, or a generated sample in its place."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tunesmith.datasets.table_files import read_table_file
from tunesmith.errors import UsageError
from tunesmith.tasks.contract import Request, TaskData
from tunesmith.tasks.support.splitting import row_grouping
from tunesmith.tasks.support.tables import (
    Table,
    data_folder,
    find_file,
    table_examples,
)

__all__ = ["Songs", "song_table"]

_SAMPLE_ROWS_PER_CLASS = 300


@dataclass(frozen=True)
class Songs:
    """Source and columns of a song set.

    Attributes
    ----------
    files
        Names it goes by.
    source
        Where to get it, for a sentence.
    table
        How it is read.
    sample_classes, sample_features
        What a generated sample has in place of it.
    """

    files: Sequence[str]
    source: str
    table: Table
    sample_classes: Sequence[str]
    sample_features: Sequence[str]


def song_table(songs: Songs, request: Request) -> tuple[TaskData, pd.DataFrame]:
    """Read the user's own table, the real set, or else a generated sample.

    Returns
    -------
    tuple
        The data without parts, and the table it came from.

    Raises
    ------
    UsageError
        When a column is named but no table, or a table without a target.
    """
    options = dict(request.options)
    table, is_sample = songs.table, False
    notes: tuple[str, ...] = ()
    if options.get("csv"):
        path = Path(options["csv"]).expanduser()
        if not options.get("target"):
            message = f"Name the column of {path.name} that holds the classes: --target COLUMN."
            raise UsageError(message)
        table = Table(
            target=options["target"],
            groups=tuple(options.get("groups", ())),
            leave_out=tuple(options.get("leave_out", ())),
            read_as=dict(options.get("read_as", {})),
        )
        file = read_table_file(path)
        frame, name, notes = file.frame, path.name, file.notes
        table = replace(table, prefers_comma=file.has_semicolons)
    elif options.get("target"):
        message = "--target names a column of your own table: give it with --csv FILE."
        raise UsageError(message)
    else:
        published = find_file(songs.files)
        if published is None:
            frame, name, is_sample = _sample(songs, request.seed), "generated-sample", True
            table = replace(table, groups=(), leave_out=(), names={}, read_as={})
            absent = (
                f"{songs.files[0]} is not in {data_folder()}: get it from {songs.source}. "
                "A GENERATED SAMPLE stands in for it; its figures say nothing about music."
            )
            notes = (absent,)
        else:
            frame, name = read_table_file(published).frame, published.name
    items = table_examples(frame, table)
    data = TaskData(
        items.examples,
        np.full(len(items.examples), "train"),
        name=name,
        version=items.version,
        preparation=items.preparation,
        notes=(*notes, *items.notes),
        is_sample=is_sample,
        grouping=row_grouping(table.groups),
        source=items.source,
    )
    return data, frame


def _sample(songs: Songs, seed: int) -> pd.DataFrame:
    """Return rows of overlapping clouds, one a class."""
    rng = np.random.default_rng(seed)
    rows: list[pd.DataFrame] = []
    for label in songs.sample_classes:
        centre = rng.normal(0, 1.2, len(songs.sample_features))
        cloud: Any = rng.normal(centre, 1.0, (_SAMPLE_ROWS_PER_CLASS, len(centre)))
        frame = pd.DataFrame(cloud, columns=list(songs.sample_features))
        rows.append(frame.assign(**{songs.table.target: label}))
    return pd.concat(rows, ignore_index=True)
