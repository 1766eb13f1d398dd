"""Answers to many raw items, faulty ones among them."""

from collections.abc import Sequence
from typing import Any

from tunesmith.artifacts.preparation import MidiPreparation
from tunesmith.errors import InputError
from tunesmith.inference.items import Item
from tunesmith.inference.model import ROWS_PER_RUN, Model
from tunesmith.inference.predictions import Prediction

__all__ = ["predict_each"]


def predict_each(model: Model, items: Sequence[Any]) -> list[Prediction | InputError]:
    """Return the answer about each raw item, or why it has none; without segments.

    Pieces are run one by one, as the server runs a request, and other items together.

    Parameters
    ----------
    model
        The model.
    items
        Raw items, as `Model.decode` takes them.

    Raises
    ------
    ModelError
        When the model cannot be run.
    """
    outcomes: list[Prediction | InputError | None] = []
    decoded: list[Item] = []
    for raw in items:
        try:
            decoded.append(model.decode(raw))
            outcomes.append(None)
        except InputError as error:
            outcomes.append(error)
    size = 1 if isinstance(model.preparation, MidiPreparation) else ROWS_PER_RUN
    answers: list[Prediction | InputError] = []
    for start in range(0, len(decoded), size):
        prepared = model.prepare(decoded[start : start + size], segments=False)
        answers += model.answers(prepared, model.run(prepared.inputs))
    rest = iter(answers)
    return [next(rest) if outcome is None else outcome for outcome in outcomes]
