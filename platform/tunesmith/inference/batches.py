"""Answers to many raw items, faulty ones among them."""

from collections.abc import Sequence
from typing import Any

from tunesmith.artifacts.preparation import MidiPreparation
from tunesmith.errors import InputError
from tunesmith.inference.items import Item
from tunesmith.inference.model import ROWS_PER_RUN, Model
from tunesmith.inference.predictions import Prediction

__all__ = ["decode_each", "predict_decoded", "predict_each"]


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
    return predict_decoded(model, decode_each(model, items))


def decode_each(model: Model, items: Sequence[Any]) -> list[Item | InputError]:
    """Return each raw item as the model reads it, or why it is none; see `predict_each`."""
    outcomes: list[Item | InputError] = []
    for raw in items:
        try:
            outcomes.append(model.decode(raw))
        except InputError as error:
            outcomes.append(error)
    return outcomes


def predict_decoded(
    model: Model, items: Sequence[Item | InputError]
) -> list[Prediction | InputError]:
    """Return the answer about each item of `decode_each`; errors stay as they are.

    Raises
    ------
    ModelError
        When the model cannot be run.
    """
    decoded = [item for item in items if not isinstance(item, InputError)]
    size = 1 if isinstance(model.preparation, MidiPreparation) else ROWS_PER_RUN
    answers: list[Prediction | InputError] = []
    for start in range(0, len(decoded), size):
        prepared = model.prepare(decoded[start : start + size], segments=False)
        answers += model.answers(prepared, model.run(prepared.inputs))
    rest = iter(answers)
    return [item if isinstance(item, InputError) else next(rest) for item in items]
