"""Tasks: data, target, honest split, families, metric and the published figure, one file each.

A task of your own is a file, too, which need not lie in this package: see docs/adding.md. This
package exports all that it needs: the contract (`Task`, `Request`, `TaskData`, `Reference`), and
helpers that split and group items (`split`, `groups_of`, `equal_rows`), hash data
(`content_version`), find files (`find_file`, `data_folder`), read tables (`read_table`, `Table`,
`table_examples`) and read the pieces of a MIDI dataset (`read_pieces`).
"""

from tunesmith.datasets.examples import Examples, View
from tunesmith.tasks.contract import (
    METRICS,
    PARTS,
    PIECE_OPTIONS,
    TABLE_OPTIONS,
    Reference,
    Request,
    SourceTable,
    Task,
    TaskData,
)
from tunesmith.tasks.registry import add_task, data_of_run, get_task, load_for_run, task_names
from tunesmith.tasks.support.pieces import PieceLabels, read_pieces
from tunesmith.tasks.support.splitting import (
    content_version,
    equal_rows,
    groups_of,
    row_grouping,
    split,
)
from tunesmith.tasks.support.tables import (
    Table,
    TableItems,
    data_folder,
    find_file,
    read_table,
    table_examples,
)

__all__ = [
    "METRICS",
    "PARTS",
    "PIECE_OPTIONS",
    "TABLE_OPTIONS",
    "Examples",
    "PieceLabels",
    "Reference",
    "Request",
    "SourceTable",
    "Table",
    "TableItems",
    "Task",
    "TaskData",
    "View",
    "add_task",
    "content_version",
    "data_folder",
    "data_of_run",
    "equal_rows",
    "find_file",
    "get_task",
    "groups_of",
    "load_for_run",
    "read_pieces",
    "read_table",
    "row_grouping",
    "split",
    "table_examples",
    "task_names",
]
