"""Made-up probabilities of notes, for comparisons with stored results."""

import numpy as np

__all__ = ["posteriors_of"]


def posteriors_of(seed, frames=600):
    """Return notes and onsets, float32 [frames, 88]: sounding keys that decay, above some noise."""
    rng = np.random.default_rng(seed)
    notes = rng.random((frames, 88)) * 0.25
    onsets = rng.random((frames, 88)) * 0.3
    for _ in range(150):
        start, key = rng.integers(0, frames), rng.integers(0, 88)
        length = int(rng.integers(3, 90))
        end = min(frames, start + length)
        sound = rng.uniform(0.3, 1.0) * np.exp(-np.arange(end - start) / rng.uniform(20, 200))
        notes[start:end, key] = np.maximum(notes[start:end, key], sound)
        if rng.random() < 0.7:
            onsets[start, key] = rng.uniform(0.4, 1.0)
        if key < 87:
            notes[start:end, key + 1] = np.maximum(notes[start:end, key + 1], 0.4 * sound)
    # Rounded, so that the stored results do not hang on the last bit.
    return (np.round(each, 4).astype(np.float32) for each in (notes, onsets))
