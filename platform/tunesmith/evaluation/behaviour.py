"""Robustness of a model to changes of the pieces: key, tempo, opening and loudness.

Each change is applied to the test pieces, and the predictions are compared with those for the
unchanged pieces. After Ribeiro et al. (2020), "Beyond accuracy: behavioral testing".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.reports import Behaviour, BehaviourChange
from tunesmith.datasets.copies import views_of_notes
from tunesmith.datasets.examples import Examples, View
from tunesmith.errors import ModelError
from tunesmith.evaluation.bootstrap import mean
from tunesmith.evaluation.music import Notes, Pieces, Rolls, rechunk
from tunesmith.evaluation.predictions import Predictions, predict
from tunesmith.inference.pieces import OF_WHOLE_PIECES
from tunesmith.midi.transforms import scale_tempo_notes, transpose_chunks, transpose_notes

if TYPE_CHECKING:
    from tunesmith.inference.classifier import Classifier

__all__ = ["CHANGEABLE", "CHANGES", "Change", "behaviour"]

CHANGEABLE = OF_WHOLE_PIECES | {"chunks"}
"""Views of pieces that can be changed."""
_FLAT_VELOCITY = 64
NEAR_KEYS = (-3, -2, -1, 1, 2, 3)
"""Transpositions, in semitones, within which a prediction should not change."""


@dataclass(frozen=True)
class Change:
    """One change of a piece, the same on notes and on rolls.

    Attributes
    ----------
    name
        Name of the change, for people.
    of_notes
        Changes notes.
    of_roll
        Changes a roll ``uint8 [frames, 128]``; gets the frames per second too.
    semitones
        Transposition; None for other changes.
    """

    name: str
    of_notes: Callable[[Notes], Notes]
    of_roll: Callable[[Rolls, float], Rolls]
    semitones: int | None = None


def _transposed(semitones: int) -> Change:
    def roll(whole: Rolls, rate: float) -> Rolls:
        del rate
        return transpose_chunks(whole, semitones)

    name = f"transposed by {semitones:+d} semitone{'s' if abs(semitones) > 1 else ''}"
    return Change(name, lambda notes: transpose_notes(notes, semitones), roll, semitones)


def _at_tempo(factor: float, name: str) -> Change:
    def roll(whole: Rolls, rate: float) -> Rolls:
        del rate
        frames = max(1, round(len(whole) / factor))
        source = np.floor((np.arange(frames) + 0.5) * factor).astype(np.int64)
        scaled: Rolls = whole[np.minimum(source, len(whole) - 1)]
        return scaled

    return Change(name, lambda notes: scale_tempo_notes(notes, factor), roll)


def _without_start(seconds: float) -> Change:
    def notes(whole: Notes) -> Notes:
        later = whole[whole["onset_s"] >= seconds].copy()
        # A piece that ends before is left as it is: nothing would remain of it.
        if not len(later):
            return whole
        later["onset_s"] -= seconds
        later["offset_s"] -= seconds
        return later

    def roll(whole: Rolls, rate: float) -> Rolls:
        later: Rolls = whole[round(seconds * rate) :]
        return later if later.any() else whole

    return Change(f"without the first {seconds:g} s", notes, roll)


def _flat() -> Change:
    def notes(whole: Notes) -> Notes:
        changed = whole.copy()
        changed["velocity"] = _FLAT_VELOCITY
        return changed

    def roll(whole: Rolls, rate: float) -> Rolls:
        del rate
        return np.where(whole > 0, np.uint8(_FLAT_VELOCITY), np.uint8(0))

    return Change("all notes equally loud", notes, roll)


CHANGES: tuple[Change, ...] = (
    *(_transposed(semitones) for semitones in (-6, *NEAR_KEYS, 6)),
    _at_tempo(1.2, "20 % faster"),
    _at_tempo(0.8, "20 % slower"),
    _without_start(5.0),
    _without_start(20.0),
    _flat(),
)


def behaviour(
    classifier: "Classifier",
    pieces: Pieces,
    predictions: Predictions,
    calibrate: Callable[[Predictions], npt.NDArray[np.float64]],
    changes: Sequence[Change] = CHANGES,
) -> Behaviour:
    """Return how often predictions stay the same when pieces are changed.

    Parameters
    ----------
    classifier
        A model of ``chunks``, ``features`` or both.
    pieces
        The test pieces.
    predictions
        Predictions for the unchanged pieces.
    calibrate
        Returns the probabilities that users get, ``float [pieces, classes]``.
    changes
        The changes that are applied.

    Returns
    -------
    Behaviour
        Its ``near_keys`` is the share of pieces with the same prediction in every key within three
        semitones.

    Raises
    ------
    ModelError
        When the model has other inputs.
    """
    examples = predictions.examples
    before = calibrate(predictions).argmax(axis=1)
    rows, near = [], np.ones(len(examples), dtype=bool)
    for change in changes:
        changed = predict(classifier, _changed(examples, pieces, change, set(classifier.inputs)))
        after = calibrate(changed).argmax(axis=1)
        same = after == before
        if change.semitones in NEAR_KEYS:
            near &= same
        rows.append(
            BehaviourChange(
                change=change.name,
                unchanged=mean(same, examples.groups),
                accuracy=mean(after == examples.y, examples.groups),
            )
        )
    return Behaviour(
        pieces=len(examples),
        changes=tuple(rows),
        near_keys=mean(near, examples.groups),
        accuracy=mean(before == examples.y, examples.groups),
    )


def _changed(examples: Examples, pieces: Pieces, change: Change, wanted: set[str]) -> Examples:
    """Return the examples with the views that the model reads made from changed pieces."""
    views: dict[str, View] = {}
    if "chunks" in wanted:
        rolls = [change.of_roll(roll, pieces.frames_per_second) for roll in pieces.rolls]
        views["chunks"] = rechunk(rolls, pieces.chunk_frames, pieces.hop_frames)
    if whole := sorted(wanted & OF_WHOLE_PIECES):
        changed = [change.of_notes(notes) for notes in pieces.notes]
        views |= views_of_notes(changed, whole, pieces.preparation)
    if missing := wanted - views.keys():
        kinds = ", ".join(sorted(CHANGEABLE))
        message = f"Pieces can be changed as {kinds}, not as {', '.join(sorted(missing))}."
        raise ModelError(message)
    return Examples(examples.y, examples.classes, examples.groups, examples.ids, views)
