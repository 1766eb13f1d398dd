"""Pitches of all notes: classes, degrees, register and estimated key."""

import math

import numpy as np

from tunesmith.midi.compiled import compiled
from tunesmith.midi.features.histograms import EPSILON, N_VALUES, PITCH_CLASS_OF, Floats, Ints

__all__ = ["PITCH_BLOCKS", "pitch_features"]

PITCH_BLOCKS = {
    "pitch_class": 12,
    "degree_by_duration": 12,
    "degree_by_count": 12,
    "fifths_distance": 7,
    "pitch_summary": 7,
    "register": 13,
    "key": 9,
}
_DURATION, _COUNT, _FIFTHS, _REGISTER, _KEY = 12, 24, 36, 50, 63

# Krumhansl and Kessler's probe-tone profiles (1982), centred, and their lengths.
_PROFILES = np.array(
    [
        [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
        [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
    ]
)
_PROFILES -= _PROFILES.mean(axis=1, keepdims=True)
_LENGTHS = np.sqrt((_PROFILES**2).sum(axis=1))
_SCALES = np.array(
    [[1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], [1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1]], dtype=np.bool_
)
_FIFTHS_OF = np.minimum(np.arange(12) * 7 % 12, -np.arange(12) * 7 % 12)
_REGISTER_OF = np.clip(np.arange(N_VALUES) // 6 - 4, 0, 12)


@compiled
def pitch_features(pitch: Ints, duration_s: Floats, pitches: Ints, out: Floats) -> int:
    """Write the blocks of pitch; count the pitches into `pitches`; return the estimated tonic.

    The summary of the pitches is left to `count_summary`.
    """
    n = pitch.size
    weights = np.zeros(N_VALUES)
    for i in range(n):
        pitches[pitch[i]] += 1
        weights[pitch[i]] += duration_s[i] + EPSILON
        out[PITCH_CLASS_OF[pitch[i]]] += duration_s[i] + EPSILON
    total = 0.0
    for c in range(12):
        total += out[c]
    for c in range(12):
        out[c] /= total
    correlations = np.empty(24)
    tonic, is_minor = _estimate_key(out[:12], correlations)
    counts = np.zeros(12, np.int64)
    for p in range(N_VALUES):
        counts[(PITCH_CLASS_OF[p] - tonic) % 12] += pitches[p]
        out[_REGISTER + _REGISTER_OF[p]] += pitches[p]
    for degree in range(12):
        out[_DURATION + degree] = out[(degree + tonic) % 12]
        out[_COUNT + degree] = counts[degree]
        out[_FIFTHS + _FIFTHS_OF[degree]] += counts[degree]
    for i in range(_COUNT, _KEY):
        out[i] /= n  # the part of the summary is 0 until then
    key = out[_KEY:]
    key[0] = is_minor
    _key_strength(correlations, tonic, is_minor, key)
    for degree in range(12):
        key[4] += 0 if _SCALES[is_minor, degree] else counts[degree]
        key[7] += counts[degree] / n > 0.02
    key[4] /= n
    key[5], key[6] = _entropy(out[:12]), _entropy(weights)
    key[7] /= 12.0
    key[8] = math.log1p(np.count_nonzero(pitches))
    return tonic


@compiled
def _key_strength(correlations: Floats, tonic: int, is_minor: int, key: Floats) -> None:
    """Write the largest correlation, its lead over the next one, and of major over minor."""
    best = tonic + 12 * is_minor
    second = -np.inf
    for other in range(24):
        if other != best:
            second = max(second, correlations[other])
    key[1] = correlations[best]
    key[2] = correlations[best] - second
    key[3] = correlations[tonic] - correlations[tonic + 12]


@compiled
def _entropy(weights: Floats) -> float:
    """Return the Shannon entropy of a histogram, in bits."""
    total, entropy = 0.0, 0.0
    for i in range(weights.size):
        total += weights[i]
    for i in range(weights.size):
        if weights[i] > 0:
            entropy -= weights[i] / total * math.log2(weights[i] / total)
    return entropy


@compiled
def _estimate_key(profile: Floats, correlations: Floats) -> tuple[int, int]:
    """Write the correlation with all 24 keys; return the best tonic, and 1 if it is minor."""
    best = 0
    rotated = np.empty(12)
    for tonic in range(12):
        mean, squares = 0.0, 0.0
        for degree in range(12):
            rotated[degree] = profile[(tonic + degree) % 12]
            mean += rotated[degree]
        mean /= 12
        for degree in range(12):
            rotated[degree] -= mean
            squares += rotated[degree] * rotated[degree]
        scale = math.sqrt(squares) + EPSILON
        for minor in range(2):
            product = 0.0
            for degree in range(12):
                product += rotated[degree] * _PROFILES[minor, degree]
            correlations[tonic + 12 * minor] = product / (scale * _LENGTHS[minor])
    for key in range(24):
        if correlations[key] > correlations[best]:
            best = key
    return best % 12, best // 12
