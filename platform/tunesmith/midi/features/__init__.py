"""Musical statistics of a piece, as one vector of fixed length.

In the spirit of jSymbolic (McKay, Cumming and Fujinaga, ISMIR 2018): pitch, melody, harmony,
rhythm, texture and dynamics, both as written and relative to an estimated tonic. No feature
depends on tracks, programs, resolution or names. Those of loudness and of places in a quarter note
do depend on how a file was made: in most collections they tell who entered the notes, so models
also learn from the copies of `tunesmith.midi.augmentation`. Every value is finite for any slice of
notes, an empty one included.

Modules
-------
``vector`` puts the blocks of the themes together; ``pitch``, ``melody``, ``chords``, ``texture``
and ``rhythm`` compute them; ``histograms`` holds the arithmetic they share.
"""

from tunesmith.midi.features.vector import FEATURE_NAMES, feature_rows, musical_features

__all__ = ["FEATURE_NAMES", "feature_rows", "musical_features"]
