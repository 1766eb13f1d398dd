"""Items as a model reads them: rows of its inputs, made as its preparation says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.preparation import (
    ImagePreparation,
    MidiPreparation,
    Preparation,
    TablePreparation,
    TextPreparation,
)
from tunesmith.datasets.text_ngrams import VIEW as TEXT_NGRAMS
from tunesmith.errors import InputError, ModelError
from tunesmith.inference.classifier import InputSchema
from tunesmith.inference.images import image_rows
from tunesmith.inference.items import Item
from tunesmith.inference.pieces import Cut, Piece, cut, whole_features
from tunesmith.inference.tables import RowReader
from tunesmith.inference.texts import Vocabulary

__all__ = ["Inputs", "Prepared", "Preparer"]

Inputs = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Prepared:
    """Items as a model reads them.

    Attributes
    ----------
    inputs
        Rows of each of the model's inputs, those of all items one after another; empty where no
        item could be prepared.
    items
        For each item its rows: their number, or how a piece was cut, or why there are none.
    known_rows
        What the detector of items of no class reads, ``float32 [prepared items, columns]``; None
        without a detector.
    """

    inputs: Inputs
    items: Sequence[Cut | InputError | None]
    known_rows: npt.NDArray[np.float32] | None = None


class Preparer:
    """Turns items into the inputs of a model.

    Parameters
    ----------
    inputs
        The model's inputs.
    preparation
        How raw items become them.
    task
        Name of the model's task; for messages.
    detector_input
        Name of what the detector of items of no class reads; None without a detector.
    """

    def __init__(
        self,
        inputs: Mapping[str, InputSchema],
        preparation: Preparation,
        task: str,
        detector_input: str | None,
    ) -> None:
        self._inputs = inputs
        self._preparation = preparation
        self._task = task
        self._detector_input = detector_input
        self._rows = (
            RowReader(preparation, with_ngrams=TEXT_NGRAMS in inputs)
            if isinstance(preparation, TablePreparation)
            else None
        )
        self._vocabulary = (
            Vocabulary(preparation) if isinstance(preparation, TextPreparation) else None
        )

    def prepare(self, items: Sequence[Item], *, segments: bool) -> Prepared:
        """Return items as the model reads them; see `tunesmith.inference.model.Model.prepare`."""
        if isinstance(self._preparation, MidiPreparation):
            return self._prepare_pieces(items, self._preparation, segments)
        rows: list[Mapping[str, npt.NDArray[Any]]] = []
        faults: list[InputError | None] = []
        for item in items:
            try:
                rows.append(self._row(item))
                faults.append(None)
            except InputError as error:
                faults.append(error)
        if not rows:
            return Prepared({}, faults)
        views = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        # What is one view alone is read under any name.
        first = next(iter(views.values()))
        inputs = {
            name: self._shaped(views.get(name, first), schema)
            for name, schema in self._inputs.items()
        }
        known = None
        if self._detector_input is not None:
            # The detector reads rows of numbers, whatever the model reads of the same items.
            known = inputs.get(self._detector_input)
            if known is None:
                view = views.get(self._detector_input, first)
                known = view.reshape(len(view), -1).astype(np.float32)
        return Prepared(inputs, faults, known)

    def _shaped(self, rows: npt.NDArray[Any], schema: InputSchema) -> npt.NDArray[Any]:
        """Return prepared rows in the shape and the type of one of the model's inputs."""
        sizes = [size for size in schema.shape[1:] if size is not None]
        if len(sizes) == len(schema.shape) - 1 and rows.shape[1:] != tuple(sizes):
            if rows[0].size != int(np.prod(sizes)):
                message = (
                    f"The model {self._task} reads {sizes} numbers of an item; its preparation "
                    f"gives {list(rows.shape[1:])}. Search and promote again."
                )
                raise ModelError(message)
            rows = rows.reshape(len(rows), *sizes)
        return rows.astype(schema.dtype, copy=False)

    def _row(self, item: Item) -> Mapping[str, npt.NDArray[Any]]:
        """Return the row of an item in each view."""
        preparation = self._preparation
        if self._rows is not None and isinstance(item, Mapping):
            return self._rows.views(item)
        if isinstance(preparation, ImagePreparation) and isinstance(item, np.ndarray):
            return {preparation.kind: image_rows(item[None], preparation)[0]}
        if self._vocabulary is not None and isinstance(item, str):
            return {preparation.kind: self._vocabulary.row(item)}
        message = f"The model {self._task} reads {preparation.kind}, not {type(item).__name__}."
        raise ModelError(message)

    def _prepare_pieces(
        self, items: Sequence[Item], preparation: MidiPreparation, segments: bool
    ) -> Prepared:
        cuts: list[Cut | InputError] = []
        known: list[npt.NDArray[np.float32]] = []
        for item in items:
            if not isinstance(item, Piece):
                message = f"The model {self._task} reads MIDI, not {type(item).__name__}."
                raise ModelError(message)
            own = cut(item, preparation, self._inputs, segments=segments)
            if own.rows:
                cuts.append(own)
                if self._detector_input is not None:
                    known.append(whole_features(item, preparation))
                continue
            frame_s = 1 / preparation.frames_per_second
            message = (
                f"The piece is silent for the model {self._task}: no note lasts from one of its "
                f"frames, {frame_s:g} s long, to the next."
            )
            cuts.append(InputError(message, "no-notes"))
        good = [own for own in cuts if isinstance(own, Cut)]
        if not good:
            return Prepared({}, cuts)
        inputs = {
            name: good[0].inputs[name]
            if len(good) == 1
            else np.concatenate([own.inputs[name] for own in good])
            for name in self._inputs
        }
        return Prepared(inputs, cuts, np.stack(known) if known else None)
