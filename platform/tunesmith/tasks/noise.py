"""Labels without any relation to the features: the platform's own honesty check."""

import numpy as np

from tunesmith.artifacts.preparation import NumberColumn, TablePreparation
from tunesmith.artifacts.store import Store
from tunesmith.datasets.examples import Examples, View
from tunesmith.tasks.contract import PARTS, Reference, Request, Task, TaskData
from tunesmith.tasks.support.splitting import content_version

__all__ = ["TASK"]

_ROWS = {"train": 1000, "validation": 1000, "test": 2000}
_FEATURES = 100
_CLASSES = 10
_PREPARATION = TablePreparation(
    columns=tuple(
        NumberColumn(name=f"noise_{index}", low=0, usual=0.5, high=1) for index in range(_FEATURES)
    )
)


def _read(store: Store, request: Request) -> TaskData:
    """Return 100 uniform features and a random label a row; the test rows are drawn last."""
    del store
    rng = np.random.default_rng(request.seed)
    rows = sum(_ROWS.values())
    x = rng.random((rows, _FEATURES), dtype=np.float32)
    y = rng.integers(0, _CLASSES, rows)
    examples = Examples(
        y=y,
        classes=tuple(f"class {number}" for number in range(_CLASSES)),
        groups=np.arange(rows),
        ids=[f"row-{index:04d}" for index in range(rows)],
        views={"features": View.one_row_each(x)},
    )
    return TaskData(
        examples,
        np.repeat(PARTS, [_ROWS[part] for part in PARTS]),
        name="noise",
        version=content_version(x, y),
        held_out="drawn after all others",
        preparation=_PREPARATION,
    )


TASK = Task(
    name="noise",
    title="Random labels: nothing may come out above chance",
    kind="synthetic",
    families=("ann", "boosting", "linear"),
    metric="accuracy",
    unit="row",
    licence="none needed: generated numbers",
    read=_read,
    is_noise_check=True,
    reference=Reference(
        "experiment notebook: best of 20 epochs on validation",
        0.1183,
        family="ann",
        params={
            "layers": 2,
            "units_0": 128,
            "units_1": 64,
            "dropout": 0.5,
            "dropout_after": "first",
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "batch": 32,
            "scaling": "minmax",
        },
    ),
)
