"""MIDI bytes become music a model can read. Pure NumPy in, NumPy out; no Ray, no Keras.

The road of one file, one module a step::

    bytes ──reading──▶ Score ──rolls──▶ piano roll ──rolls.chunk_roll──▶ chunks for networks
                         ├──features──▶ musical statistics for boosting and linear models
                         ├──statistics──▶ the row a person reads: length, notes, keys, tempo
                         └──fingerprints──▶ which pieces are the same music

The step from MIDI to a roll, the one most people come here to change, is
`tunesmith.midi.rolls.velocity_roll`; transposition and tempo scaling are in
`tunesmith.midi.transforms`, composer names in `tunesmith.midi.composers`.

Examples
--------
>>> from tunesmith.midi import chunk_roll, read_score, velocity_roll
>>> from pathlib import Path
>>> score = read_score(Path("piece.mid").read_bytes())  # doctest: +SKIP
>>> chunks, padded_frames, starts = chunk_roll(velocity_roll(score, 10))  # doctest: +SKIP
"""

from tunesmith.midi.reading import Limits, read_score
from tunesmith.midi.rolls import chunk_roll, piano_roll, velocity_roll
from tunesmith.midi.score import NOTE_DTYPE, Instrument, Score

__all__ = [
    "NOTE_DTYPE",
    "Instrument",
    "Limits",
    "Score",
    "chunk_roll",
    "piano_roll",
    "read_score",
    "velocity_roll",
]
