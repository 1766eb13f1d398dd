"""The model that is evaluated, with its test items and its predictions for them."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.runs import Run
from tunesmith.evaluation.parts import Parts
from tunesmith.evaluation.predictions import Predictions, Rows, predict, predict_rows
from tunesmith.inference.pieces import OF_WHOLE_PIECES
from tunesmith.inference.runs import load_open_set, load_run

if TYPE_CHECKING:
    from tunesmith.evaluation.music import Pieces

__all__ = ["Subject"]


class Subject:
    """A run's best model and its predictions for the test items.

    Parameters
    ----------
    run
        The run.
    parts
        Its items: those learned from and those of the test.
    pieces
        The test pieces of a task on music, None for other tasks.
    say
        Called with a line for each step.

    Attributes
    ----------
    classifier
        The model.
    open_set
        Its detector of items of no class; None where it has none.
    temperature
        The temperature that the search fitted, None where it fitted none.
    uncalibrated
        Predictions of the model as it was trained.
    predictions
        Predictions scaled by the temperature: those that users of the promoted model get.
    """

    def __init__(
        self, run: Run, parts: Parts, pieces: "Pieces | None", say: Callable[[str], None]
    ) -> None:
        self.run, self.parts, self.pieces, self.say = run, parts, pieces, say
        self.open_set = load_open_set(run, threads=0)
        self.classifier = load_run(run, threads=0)
        self.temperature = run.temperature()
        say(f"Predicting {len(parts.test):,} test {self.unit}s")
        predictions = predict(self.classifier, parts.test)
        if pieces is not None and predictions.has_many_rows:
            predictions = replace(predictions, starts_s=pieces.chunk_starts_s)
        self.uncalibrated = predictions
        self.predictions = self._calibrated(self.uncalibrated)

    @property
    def unit(self) -> str:
        """Name of an item, such as ``piece``."""
        return self.run.record.unit

    @property
    def inputs(self) -> set[str]:
        """Names of the model's inputs."""
        return set(self.classifier.inputs)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns of the view ``features``."""
        return self.run.record.features or ()

    def _calibrated(self, predictions: Predictions) -> Predictions:
        return predictions.tempered(self.temperature) if self.temperature else predictions

    def calibrate(self, predictions: Predictions) -> npt.NDArray[np.float64]:
        """Return the probabilities that users get, ``float64 [items, classes]``."""
        return self._calibrated(predictions).by_item

    @cached_property
    def by_chunk(self) -> Predictions | None:
        """Predictions for the chunks of the pieces, None where the model cannot give any.

        A model of whole pieces is given the notes that begin inside each chunk as a piece.
        """
        if self.predictions.has_many_rows:
            return self.predictions
        if self.pieces is None or not self.inputs <= OF_WHOLE_PIECES:
            return None
        views, starts_s = self.pieces.windows(self.inputs)
        item = next(iter(views.values())).item
        rows = predict_rows(
            self.classifier, Rows({name: view.x for name, view in views.items()}, item)
        )
        means = np.zeros((0, rows.shape[1]))
        return self._calibrated(Predictions(self.parts.test, item, rows, means, starts_s))
