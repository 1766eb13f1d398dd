"""Predictions of a model for items that it never saw, by row and by item."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples, aggregate
from tunesmith.datasets.probabilities import temper
from tunesmith.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

    from tunesmith.inference.classifier import Classifier

__all__ = ["Predictions", "Rows", "batch_of", "predict", "predict_rows", "rows_of"]

_BATCH_ROWS = 512


@dataclass(frozen=True)
class Rows:
    """Inputs of a model, aligned: row i of every input belongs to item ``item[i]``."""

    inputs: Mapping[str, Any]
    item: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.item)


@dataclass(frozen=True)
class Predictions:
    """A model's predictions.

    Attributes
    ----------
    examples
        The items.
    item
        Item of each row, ``int [rows]``.
    by_row
        Probabilities for each row, ``float64 [rows, classes]``.
    by_item
        Mean probabilities of each item's rows, ``float64 [items, classes]``.
    starts_s
        Start of each row in its item in seconds, ``float [rows]``; None where rows are no chunks
        of a piece.
    """

    examples: Examples
    item: npt.NDArray[np.int64]
    by_row: npt.NDArray[np.float64]
    by_item: npt.NDArray[np.float64]
    starts_s: npt.NDArray[np.float64] | None = None

    @property
    def has_many_rows(self) -> bool:
        """Tell whether items have several rows, such as the chunks of a piece."""
        return len(self.item) != len(self.examples) or len(np.unique(self.item)) != len(self.item)

    def tempered(self, temperature: float) -> "Predictions":
        """Return the predictions of the same model calibrated with `temperature`."""
        rows = temper(self.by_row, temperature)
        means = aggregate(rows, self.item, len(self.examples))
        return Predictions(self.examples, self.item, rows, means, self.starts_s)

    def table(self) -> "pd.DataFrame":
        """Return a row per item: its true class, the prediction and its confidence."""
        import pandas as pd

        examples, p = self.examples, self.by_item
        return pd.DataFrame(
            {
                "id": list(examples.ids),
                "group": examples.groups,
                "label": [examples.classes[i] for i in examples.y],
                "answer": [examples.classes[i] for i in p.argmax(axis=1)],
                "confidence": p.max(axis=1),
                "rows": np.bincount(self.item, minlength=len(examples)),
                "probabilities": list(p),
            }
        )

    def row_table(self) -> "pd.DataFrame":
        """Return a row per chunk or other row: its item, its place in it and the prediction.

        Chunks also have a start in seconds: silent ones between them have no row.
        """
        import pandas as pd

        examples, p = self.examples, self.by_row
        frame = pd.DataFrame(
            {
                "id": [examples.ids[i] for i in self.item],
                "answer": [examples.classes[i] for i in p.argmax(axis=1)],
                "confidence": p.max(axis=1),
                "probabilities": list(p),
            }
        )
        frame.insert(1, "index", frame.groupby("id", sort=False).cumcount())
        if self.starts_s is not None:
            frame.insert(2, "start_s", self.starts_s)
        return frame


def rows_of(examples: Examples, names: Mapping[str, Any]) -> Rows:
    """Return the rows that a model with the inputs `names` reads.

    The view with the most rows gives the rows. A view with one row per item is repeated for each
    of them, so a model of chunks and features sees the piece's features with every chunk.

    Raises
    ------
    UsageError
        When an input is no view of the examples.
    ModelError
        When two views cut the items differently.
    """
    views = {name: examples.view(name) for name in names}
    widest = max(views.values(), key=len)
    inputs: dict[str, npt.NDArray[Any] | list[Any]] = {}
    for name, view in views.items():
        if view is widest or np.array_equal(view.item, widest.item):
            inputs[name] = view.x
        elif np.array_equal(view.item, np.arange(len(examples))):
            rows = widest.item
            inputs[name] = (
                view.x[rows] if isinstance(view.x, np.ndarray) else [view.x[i] for i in rows]
            )
        else:
            message = f"The views {', '.join(views)} cut the items into different rows."
            raise ModelError(message)
    return Rows(inputs, widest.item)


def predict_rows(classifier: "Classifier", rows: Rows) -> npt.NDArray[np.float64]:
    """Return the probabilities for each row, ``float64 [rows, classes]``, in bounded memory."""
    probabilities = np.empty((len(rows), len(classifier.classes)))
    for start in range(0, len(rows), _BATCH_ROWS):
        part = slice(start, start + _BATCH_ROWS)
        probabilities[part] = classifier.predict(batch_of(rows, classifier, part))
    return probabilities


def batch_of(rows: Rows, classifier: "Classifier", part: slice) -> dict[str, npt.NDArray[Any]]:
    """Return some rows in the element types of the inputs, which views may hold wider."""
    return {
        name: np.ascontiguousarray(x[part], dtype=classifier.inputs[name].dtype)
        for name, x in rows.inputs.items()
    }


def predict(classifier: "Classifier", examples: Examples) -> Predictions:
    """Predict every row of `examples`.

    Raises
    ------
    ModelError
        When the classes differ or an input does not fit.
    """
    if classifier.classes != examples.classes:
        message = (
            f"The model predicts {', '.join(classifier.classes)}; "
            f"the data has {', '.join(examples.classes)}."
        )
        raise ModelError(message)
    rows = rows_of(examples, classifier.inputs)
    by_row = predict_rows(classifier, rows)
    return Predictions(examples, rows.item, by_row, aggregate(by_row, rows.item, len(examples)))
