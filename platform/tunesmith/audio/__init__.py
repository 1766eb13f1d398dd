"""Recordings as scores: WAV, FLAC, MP3, OGG and M4A, transcribed to notes.

`read_music` is the one place that decides by content whether a file is MIDI, a written score or a
recording, and reads it. A recording passes these modules::

    bytes ──decoding──▶ sound ──model──▶ probabilities of notes ──notes──▶ notes ──▶ Score

Everything after it is what happens to a MIDI file. Decoding and resampling come with the extra
`audio`; the model of 230 kB comes with the package (see basic_pitch.NOTICE).

Examples
--------
>>> from pathlib import Path
>>> from tunesmith.audio import read_music
>>> score = read_music(Path("piece.mp3").read_bytes())  # doctest: +SKIP
>>> score.transcription.certainty  # doctest: +SKIP
0.71
"""

from tunesmith.audio.formats import RECORDING_SUFFIXES, is_recording
from tunesmith.audio.reading import read_music

__all__ = ["RECORDING_SUFFIXES", "is_recording", "read_music"]
