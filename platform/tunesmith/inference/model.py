"""A loaded model that answers raw items: decoded, prepared, predicted, and put in words."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.open_set import LabelSets
from tunesmith.artifacts.preparation import ImagePreparation, MidiPreparation, Preparation
from tunesmith.errors import InputError, ModelError
from tunesmith.inference.classifier import Classifier
from tunesmith.inference.items import Item, decode
from tunesmith.inference.open_set import OpenSet, label_set
from tunesmith.inference.pieces import Cut
from tunesmith.inference.predictions import Prediction, Probabilities, Segments
from tunesmith.inference.prepared import Inputs, Prepared, Preparer
from tunesmith.inference.tables import records_of

__all__ = ["ROWS_PER_RUN", "Model"]

ROWS_PER_RUN = 256
"""Most rows of one run of a model: bounds memory, and a deadline is looked at between runs."""


class Model:
    """A loaded model and the preparation of what it reads.

    Parameters
    ----------
    classifier
        The ONNX model, loaded.
    preparation
        How raw items become its inputs.
    task, version
        Names of the bundle; for messages.
    open_set
        The detector of items of no class.
    label_sets
        The limits of sets of labels.

    Examples
    --------
    >>> model.predict("piece.mid").label  # doctest: +SKIP
    'Bach'
    """

    def __init__(
        self,
        classifier: Classifier,
        preparation: Preparation,
        task: str = "",
        version: int = 0,
        *,
        open_set: OpenSet | None = None,
        label_sets: LabelSets | None = None,
    ) -> None:
        self.classifier = classifier
        self.preparation = preparation
        self.task = task
        self.version = version
        self.open_set = open_set
        self.label_sets = label_sets
        detector_input = None if open_set is None else open_set.facts.input
        self._preparer = Preparer(classifier.inputs, preparation, task, detector_input)

    def __repr__(self) -> str:
        return (
            f"Model({self.task or 'unnamed'}, version {self.version}, reads "
            f"{self.preparation.kind}, {len(self.classes)} classes)"
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.classifier.classes

    # --- raw items

    def decode(self, raw: Any) -> Item:
        """Return an item from raw content; a path is read first.

        Parameters
        ----------
        raw
            As in `tunesmith.inference.items.decode`. The path of a MIDI or PNG file also does.

        Raises
        ------
        InputError
            When the content is not what the model reads.
        """
        kinds = (MidiPreparation, ImagePreparation)
        if isinstance(raw, str | Path) and isinstance(self.preparation, kinds):
            try:
                raw = Path(raw).expanduser().read_bytes()
            except OSError as error:
                message = f"{raw} cannot be read: {error.strerror}."
                raise InputError(message, "unreadable") from error
        return decode(raw, self.preparation)

    def predict(self, items: Any) -> Any:
        """Return the answer about an item, or a list of answers about several.

        Parameters
        ----------
        items
            One item or a list of them: MIDI files as paths or bytes, rows as mappings, pictures as
            paths, bytes or arrays, texts as strings. A data frame is a list of its rows.

        Returns
        -------
        Prediction or list of Prediction

        Raises
        ------
        InputError
            When an item is not what the model reads; of a list the message says which.
        ModelError
            When the model cannot be run.
        """
        if hasattr(items, "to_dict") and hasattr(items, "columns"):
            return self.predict_all(records_of(items))
        if isinstance(items, list | tuple):
            return self.predict_all(items)
        return self.predict_all([items])[0]

    def predict_all(self, items: Iterable[Any]) -> list[Prediction]:
        """Return the answer about each raw item; see `predict`."""
        decoded = []
        for index, raw in enumerate(items):
            try:
                decoded.append(self.decode(raw))
            except InputError as error:
                raise _located(error, index) from error
        prepared = self.prepare(decoded)
        answers = self.answers(prepared, self.run(prepared.inputs))
        for index, answer in enumerate(answers):
            if isinstance(answer, InputError):
                raise _located(answer, index)
        return [answer for answer in answers if isinstance(answer, Prediction)]

    # --- the steps of a prediction

    def prepare(self, items: Sequence[Item], *, segments: bool = True) -> Prepared:
        """Return items as the model reads them; one that does not fit is left out with its error.

        Parameters
        ----------
        items
            The items.
        segments
            Whether a model of musical features alone also gets those of each segment of a piece,
            which take most of the time.

        Raises
        ------
        ModelError
            When the model has inputs that such items do not give.
        """
        return self._preparer.prepare(items, segments=segments)

    def run(self, inputs: Inputs, between: Callable[[], None] | None = None) -> Probabilities:
        """Return the probabilities of each row, ``float32 [rows, classes]``.

        Parameters
        ----------
        inputs
            Rows of each input.
        between
            Called before each run over some of the rows; may raise to stop.
        """
        n_rows = len(next(iter(inputs.values()))) if inputs else 0
        parts = []
        for start in range(0, n_rows, ROWS_PER_RUN):
            if between is not None:
                between()
            part = {name: array[start : start + ROWS_PER_RUN] for name, array in inputs.items()}
            parts.append(self.classifier.predict(part))
        if not parts:
            return np.zeros((0, len(self.classes)), dtype=np.float32)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def answers(
        self, prepared: Prepared, probabilities: Probabilities
    ) -> list[Prediction | InputError]:
        """Return the answer about each prepared item, or why there is none.

        A model of chunks answers each chunk, and the piece is the mean of its chunks, as it was
        judged in evaluation. A model of musical features alone answers the whole piece, and the
        notes of each segment.

        Raises
        ------
        ModelError
            When the model returned NaN or infinity for a piece, which no input justifies.
        """
        answers: list[Prediction | InputError] = []
        # Rows of the detector, by place among the answers.
        of_answer: dict[int, int] = {}
        end = 0
        for item in prepared.items:
            if isinstance(item, InputError):
                answers.append(item)
                continue
            of_answer[len(answers)] = len(of_answer)
            start, end = end, end + (1 if item is None else item.rows)
            rows = probabilities[start:end]
            is_finite = bool(np.isfinite(rows).all())
            if item is not None:
                if not is_finite:
                    message = f"The model {self.task} returned NaN or infinity."
                    raise ModelError(message)
                answers.append(self._of_piece(item, rows))
            elif is_finite:
                answers.append(Prediction(self.classes, rows[0]))
            else:
                message = (
                    "The model has no answer to this: a value that it needs is missing, or is far "
                    "too large."
                )
                answers.append(InputError(message))
        self._add_open_set(answers, prepared.known_rows, of_answer)
        return answers

    def _add_open_set(
        self,
        answers: list[Prediction | InputError],
        rows: npt.NDArray[np.float32] | None,
        of_answer: Mapping[int, int],
    ) -> None:
        """Say of each answer whether its item is of no class, and which labels it may have."""
        places = [place for place in of_answer if isinstance(answers[place], Prediction)]
        predictions = [of for of in answers if isinstance(of, Prediction)]
        if self.label_sets is not None:
            predictions = [
                replace(of, labels_90=label_set(of.probabilities, self.classes, self.label_sets))
                for of in predictions
            ]
        if self.open_set is not None and rows is not None and predictions:
            judgement = self.open_set.judge(
                rows[[of_answer[place] for place in places]],
                np.stack([of.probabilities for of in predictions]),
            )
            predictions = [
                replace(
                    of,
                    known=float(judgement.known[number]),
                    none_of_these=bool(judgement.is_unknown[number]),
                    of_a_class=float(judgement.of_a_class[number]),
                )
                for number, of in enumerate(predictions)
            ]
        for place, prediction in zip(places, predictions, strict=True):
            answers[place] = prediction

    def _of_piece(self, piece: Cut, rows: Probabilities) -> Prediction:
        whole = rows.mean(axis=0) if piece.by_chunks else rows[0]
        by_segment = rows if piece.by_chunks else rows[1:]
        segments = Segments(piece.starts_s, piece.length_s, by_segment)
        return Prediction(self.classes, whole, segments, transcription=piece.transcription)

    def warm(self) -> None:
        """Predict once, so that the first request does not pay for memory and compiled code."""
        self.classifier.predict(
            {
                name: np.zeros([1, *(size or 1 for size in schema.shape[1:])], dtype=schema.dtype)
                for name, schema in self.classifier.inputs.items()
            }
        )
        if isinstance(self.preparation, MidiPreparation):
            # The loops over a MIDI file become machine code once per machine, which takes seconds.
            _ = self.predict(_ONE_NOTE)


# Middle C for a quarter note.
_ONE_NOTE = bytes.fromhex(
    "4d546864 00000006 0000 0001 0060 4d54726b 0000000c 00903c40 60803c00 00ff2f00"
)


def _located(error: InputError, index: int) -> InputError:
    return InputError(f"Item {index}: {error}", error.reason, **error.facts)
