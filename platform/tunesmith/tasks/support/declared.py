"""Tasks described in YAML, without Python: of a table, or of MIDI files with labels of any kind."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tunesmith.artifacts.store import Store
from tunesmith.datasets.pieces import PIECE_VIEWS
from tunesmith.datasets.table_files import read_table, read_table_file
from tunesmith.datasets.text_ngrams import VIEW as TEXT_NGRAMS
from tunesmith.errors import DatasetError, UsageError, unknown
from tunesmith.inference.tables import FEATURES
from tunesmith.models import family_names, get_family
from tunesmith.plugins import PluginFile
from tunesmith.tasks.contract import PIECE_OPTIONS, Request, Task, TaskData
from tunesmith.tasks.support.pieces import LEAST_PIECES, PieceLabels, read_pieces
from tunesmith.tasks.support.splitting import row_grouping, split
from tunesmith.tasks.support.tables import (
    Table,
    data_folder,
    find_file,
    table_examples,
)
from tunesmith.yaml_files import read_yaml

__all__ = ["DeclaredTask", "Source", "task_from_yaml"]

_TABLE_FAMILIES = ("text_boosting", "boosting", "linear", "svm", "mlp")
_PIECE_FAMILIES = ("boosting", "ngrams_linear", "svm", "cnn1d", "linear")
_PATH = "path"
_SUFFIX = re.compile(r"\.(?:midi?|smf|kar|rmi)(?:\.gz)?$")


class Source(BaseModel):
    """The data of a task: a table, or pieces of a MIDI dataset of the store."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str | None = Field(
        default=None,
        description="A table (CSV, TSV, Parquet, Arrow, Excel or JSON lines, or a folder of "
        "Parquet files), beside the YAML file or in the data folder.",
    )
    dataset: str | None = Field(
        default=None,
        description="Dataset of the store; left out, `--dataset` names it, or it is the only one.",
    )
    labels: str | None = Field(
        default=None,
        description="A table with a row for each piece: the column `path` is the piece's file, "
        "`target` its class. Left out, the classes are the labels of the dataset.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.file is not None) == (self.dataset is not None or self.labels is not None):
            message = "give either `file` (a table), or `dataset`, `labels` or both (MIDI)"
            raise ValueError(message)
        return self


class DeclaredTask(BaseModel):
    """The content of a YAML file that describes a task."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name that users type.")
    title: str = Field(default="", description="One line for people.")
    source: Source = Field(description="The data.")
    target: str | None = Field(default=None, description="Column of the classes.")
    groups: tuple[str, ...] = Field(
        default=(),
        description="Columns, such as the artist: rows of one value stay on one side of a split.",
    )
    columns: tuple[str, ...] = Field(
        default=(), description="Columns of the table to learn from; all others if left out."
    )
    leave_out: tuple[str, ...] = Field(
        default=(), description="Columns of the table that are not learned from, such as an id."
    )
    missing: dict[str, float] = Field(
        default_factory=dict, description="By column, a number that stands for a missing value."
    )
    read_as: dict[
        str, Literal["comma", "point", "day-first", "month-first", "text", "words", "ngrams"]
    ] = Field(
        default_factory=dict,
        description="By column, how its texts are read where that is not plain: numbers such as "
        "1.234,5 (`comma`) or 1,234.5 (`point`), dates with the day or the month first, kinds "
        "(`text`), or by their words (`words`) or also by how they are written (`ngrams`), as a "
        "column of `groups` may be too.",
    )
    class_names: dict[str, str] = Field(
        default_factory=dict, description="Names of the classes by the value in `target`."
    )
    least: int = Field(
        default=LEAST_PIECES, ge=2, description="Classes with fewer items are left out."
    )
    families: tuple[str, ...] = Field(
        default=(), description="Model families to search over, the most promising first."
    )
    metric: Literal["accuracy", "balanced_accuracy", "macro_f1"] = Field(
        default="macro_f1", description="Metric that a search maximises."
    )
    folds: int = Field(
        default=0,
        ge=0,
        le=20,
        description="With 2 or more, a trial's score is the mean over so many folds.",
    )
    ensemble: bool = Field(
        default=True, description="Whether the best of each family may be combined in one model."
    )
    unit: str = Field(default="", description="Name of an item in the singular, such as `song`.")
    licence: str = Field(
        default="not stated by the source of the data", description="Licence of the data."
    )

    @property
    def is_table(self) -> bool:
        """True if the data is a table, false for MIDI."""
        return self.source.file is not None

    @field_validator("families")
    @classmethod
    def _families_exist(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            try:
                get_family(name)
            except UsageError as error:
                raise ValueError(str(error)) from error
        return names

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.is_table and self.target is None:
            message = "`target` is missing: name the column of the classes"
            raise ValueError(message)
        if not self.is_table:
            given = [
                name
                for name in ("columns", "leave_out", "missing", "read_as")
                if getattr(self, name)
            ]
            if given:
                message = f"`{given[0]}` belongs to a table; MIDI has the features of the platform"
                raise ValueError(message)
            if self.source.labels is None and (self.target or self.groups):
                message = "`target` and `groups` name columns of `source: labels`, which is missing"
                raise ValueError(message)
            if self.source.labels is not None and self.target is None:
                message = "`target` is missing: name the column of `labels` that holds the classes"
                raise ValueError(message)
        views = {FEATURES, TEXT_NGRAMS} if self.is_table else set(PIECE_VIEWS)
        for name in self.families:
            family = get_family(name)
            if not views.issuperset(family.views):
                able = [
                    other for other in family_names() if views.issuperset(get_family(other).views)
                ]
                message = (
                    f"the family {name} reads {family.view!r}, which this data does not have; "
                    f"families for it: {', '.join(able)}"
                )
                raise ValueError(message)
        return self


def task_from_yaml(file: PluginFile) -> Task:
    """Return the task that a YAML file describes.

    Raises
    ------
    UsageError
        When the file is not such a description; the message names the line and the near key.
    """
    declared = read_yaml(Path(file.path), DeclaredTask, file.content.decode("utf-8", "replace"))
    folder = Path(file.path).parent
    table = declared.is_table
    return Task(
        name=declared.name,
        title=declared.title or declared.name,
        kind="table" if table else "midi",
        families=declared.families or (_TABLE_FAMILIES if table else _PIECE_FAMILIES),
        metric=declared.metric,
        unit=declared.unit or ("row" if table else "piece"),
        read=partial(_read_table if table else _read_pieces, declared, folder),
        options=() if table else PIECE_OPTIONS,
        folds=declared.folds,
        ensemble=declared.ensemble,
        licence=declared.licence,
    )


def _read_table(declared: DeclaredTask, folder: Path, store: Store, request: Request) -> TaskData:
    del store
    path = _find(folder, str(declared.source.file))
    file = read_table_file(path)
    frame = file.frame
    _require(frame, [*declared.columns, *declared.missing, *declared.read_as])
    if declared.columns:
        # In the file's order, so that the order of the YAML file changes nothing.
        kept = {str(declared.target), *declared.groups, *declared.columns}
        frame = frame[[name for name in frame.columns if name in kept]]
    table = Table(
        target=str(declared.target),
        groups=declared.groups,
        leave_out=declared.leave_out,
        least_rows=declared.least,
        stands_for_missing=declared.missing,
        names=declared.class_names,
        read_as=declared.read_as,
        prefers_comma=file.has_semicolons,
    )
    items = table_examples(frame, table)
    return TaskData(
        items.examples,
        split(items.examples, request.seed),
        name=path.name,
        version=items.version,
        preparation=items.preparation,
        notes=(*file.notes, *items.notes),
        grouping=row_grouping(declared.groups),
        source=replace(
            items.source, group_option="`groups: [{}]`", leave_out_option="`leave_out: [{}]`"
        ),
    )


def _read_pieces(declared: DeclaredTask, folder: Path, store: Store, request: Request) -> TaskData:
    if request.dataset is None:
        request = replace(request, dataset=declared.source.dataset)
    if PIECE_OPTIONS[0] not in request.options and PIECE_OPTIONS[1] not in request.options:
        request = replace(request, options={**request.options, PIECE_OPTIONS[0]: declared.least})
    return read_pieces(store, request, partial(_labels, declared, folder))


def _labels(declared: DeclaredTask, folder: Path, pieces: pd.DataFrame) -> PieceLabels:
    """Return the labels of pieces, from the table that the task names or the dataset's own."""
    if declared.source.labels is None:
        return PieceLabels(_renamed(pieces["label"], declared), ())
    path = _find(folder, declared.source.labels)
    table = read_table(path)
    _require(table, [_PATH, str(declared.target), *declared.groups])
    first_row = next(iter(table[_PATH]), "")
    keys, targets = table[_PATH].astype(str).map(_key), table[str(declared.target)].astype(str)
    # Rows of one file that disagree give it no label.
    agreed = targets.groupby(keys).transform("nunique") == 1
    table = table[agreed].reset_index(drop=True)
    rows = _rows_of(pieces[_PATH].map(_key).tolist(), keys[agreed].tolist())
    if not any(row is not None for row in rows):
        message = (
            f"No piece of the dataset stands in {path}: the pieces are called "
            f"{pieces[_PATH].iloc[0]!r} and so on, the rows of its column {_PATH!r} "
            f"{first_row!r}."
        )
        raise DatasetError(message)

    def column(name: str) -> pd.Series:
        values = [None if row is None else table[name].iloc[row] for row in rows]
        return pd.Series(values, index=pieces.index, dtype=object)

    return PieceLabels(
        _renamed(column(str(declared.target)), declared),
        tuple(column(name) for name in declared.groups),
        grouping="".join(f"pieces of one {name}, " for name in declared.groups),
    )


def _renamed(labels: pd.Series, declared: DeclaredTask) -> pd.Series:
    """Return labels as text, by the names that the task gives them; None where there is none."""
    texts = labels.where(labels.notna(), None)
    names = declared.class_names
    return texts.map(
        lambda value: names.get(str(value).strip(), str(value).strip()) or None, na_action="ignore"
    )


def _key(path: str) -> str:
    """Return a path in the form in which rows and pieces are compared.

    Case, backslashes and the Unicode form do not matter, nor does a missing suffix of MIDI.
    """
    text = unicodedata.normalize("NFKC", path.replace("\\", "/")).casefold().strip()
    return _SUFFIX.sub("", text.removeprefix("./").lstrip("/"))


def _rows_of(paths: Sequence[str], keys: Sequence[str]) -> list[int | None]:
    """Return the row of each path: by the whole path, without its source, or by the file's name.

    A file's name decides only where no other piece and no other row has it.
    """
    row_of = {key: row for row, key in reversed(list(enumerate(keys)))}
    names = [key.rsplit("/", 1)[-1] for key in keys]
    own_names = [path.rsplit("/", 1)[-1] for path in paths]
    times, own_times = Counter(names), Counter(own_names)
    by_name = {name: row for row, name in enumerate(names) if times[name] == own_times[name] == 1}
    rows: list[int | None] = []
    for path, name in zip(paths, own_names, strict=True):
        rows.append(row_of.get(path, row_of.get(path.partition("/")[2], by_name.get(name))))
    return rows


def _find(folder: Path, name: str) -> Path:
    path = folder / Path(name).expanduser()
    if path.exists():
        return path
    data_file = find_file((name,))
    if data_file is None:
        message = f"There is no file {name} in {folder} or in the data folder {data_folder()}."
        raise DatasetError(message)
    return data_file


def _require(table: pd.DataFrame, names: Sequence[str]) -> None:
    for name in names:
        if name not in table.columns:
            kind = "column"
            raise unknown(kind, name, table.columns)
