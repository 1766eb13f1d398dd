"""MIDI files as arrays that models can read. Works on NumPy arrays, without Ray or Keras.

One file passes these modules::

    bytes ──reading──▶ Score ──rolls──▶ piano roll ──rolls.chunk_roll──▶ chunks for networks
                         ├──features──▶ musical statistics for boosting and linear models
                         ├──statistics──▶ summary of a piece: length, notes, keys, tempo
                         └──fingerprints──▶ hashes that reveal duplicate pieces

`tunesmith.midi.rolls.velocity_roll` turns a score into a piano roll: change it to try another
representation. `tunesmith.midi.transforms` transposes and changes the tempo, and
`tunesmith.midi.composers` normalises the names of composers.

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
