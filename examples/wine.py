"""Three cultivars of wine by 13 chemical measurements."""

import numpy as np
from sklearn.datasets import load_wine

from tunesmith.artifacts.preparation import NumberColumn, TablePreparation
from tunesmith.artifacts.store import Store
from tunesmith.tasks import (
    Examples,
    Request,
    Task,
    TaskData,
    View,
    content_version,
    equal_rows,
    row_grouping,
    split,
)


def read(store: Store, request: Request) -> TaskData:
    """Return 178 wines; the store is for tasks on MIDI datasets."""
    del store
    table = load_wine()
    x = table.data.astype(np.float32)
    examples = Examples(
        y=table.target,
        classes=("barolo", "grignolino", "barbera"),
        groups=equal_rows(x),
        ids=[f"wine-{row:03d}" for row in range(len(x))],
        views={"features": View.one_row_each(x)},
    )
    return TaskData(
        examples,
        split(examples, request.seed),
        name="wine",
        version=content_version(x, table.target),
        preparation=TablePreparation(
            columns=[NumberColumn(name=name) for name in table.feature_names]
        ),
        grouping=row_grouping(()),
    )


TASK = Task(
    name="wine",
    title="Cultivar of a wine",
    kind="table",
    families=("linear", "boosting"),
    metric="macro_f1",
    unit="wine",
    licence="CC BY 4.0: Wine, UCI Machine Learning Repository",
    read=read,
    folds=5,
)
