"""Per-piece musical statistics: what a listener could count, as one vector.

In the spirit of jSymbolic (McKay, Cumming and Fujinaga, ISMIR 2018): pitch, melody, harmony,
rhythm, texture and dynamics, both as written and relative to an estimated tonic. Nothing here
depends on how a file was made (tracks, programs, resolution, names), so that a classifier learns
composers and not transcribers. Every number is finite for any slice of notes, an empty one
included.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEATURE_NAMES", "musical_features"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Group = tuple[str, Floats]

CHORD_SPREAD_S = 0.035
"""Onsets this close belong to one chord."""

_EPSILON = 1e-9

# Krumhansl and Kessler's probe-tone profiles (1982).
_MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
_MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])
_MAJOR_SCALE = np.array([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], dtype=bool)
_MINOR_SCALE = np.array([1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1], dtype=bool)

_CHORD_TYPES: dict[str, tuple[int, ...]] = {
    "major": (0, 4, 7),
    "minor": (0, 3, 7),
    "diminished": (0, 3, 6),
    "augmented": (0, 4, 8),
    "dominant7": (0, 4, 7, 10),
    "minor7": (0, 3, 7, 10),
    "major7": (0, 4, 7, 11),
    "half_diminished7": (0, 3, 6, 10),
    "diminished7": (0, 3, 6, 9),
    "dominant7_no5": (0, 4, 10),
    "suspended4": (0, 5, 7),
    "third": (0, 4),
    "minor_third": (0, 3),
    "fifth": (0, 7),
    "tritone": (0, 6),
    "second": (0, 2),
    "minor_second": (0, 1),
    "unison": (0,),
}
_CHORD_NAMES = (*_CHORD_TYPES, "other", "silence")

_LENGTH_EDGES_QUARTERS = np.array(
    [0.09, 0.14, 0.2, 0.29, 0.35, 0.43, 0.58, 0.7, 0.85, 1.2, 1.7, 2.5, 3.5]
)
"""Between 32nd, sextuplet, 16th, triplet, dotted 16th, ... and whole notes."""

_LENGTH_EDGES_S = np.geomspace(0.04, 4.0, 12)
_STEP_EDGES = np.array([-4.5, -2.5, -0.5, 0.5, 2.5, 4.5])
"""Melodic steps in seven kinds: leap, third and step down, repetition, step, third and leap up."""

N_STEPS = 7


def _chord_tables() -> tuple[Ints, Ints]:
    """Type and root of every set of pitch classes, as tables over the 4,096 bit masks."""
    types = np.full(4096, _CHORD_NAMES.index("other"), dtype=np.int64)
    roots = np.zeros(4096, dtype=np.int64)
    types[0] = _CHORD_NAMES.index("silence")
    for number, name in reversed(list(enumerate(_CHORD_TYPES))):
        for root in range(12):
            mask = sum(1 << ((root + step) % 12) for step in _CHORD_TYPES[name])
            types[mask], roots[mask] = number, root
    return types, roots


_CHORD_TYPE_OF, _CHORD_ROOT_OF = _chord_tables()


def musical_features(notes: NDArray[np.void]) -> NDArray[np.float32]:
    """Summarise notes as one vector, in the order of `FEATURE_NAMES`.

    Parameters
    ----------
    notes
        `NOTE_DTYPE` [notes] in order of onset, a whole piece or any slice. Drums are ignored.

    Returns
    -------
    NDArray[np.float32]
        Vector [features], finite; all zeros where no pitched note sounds.
    """
    pitched = notes[~notes["is_drum"]] if notes["is_drum"].any() else notes
    if pitched.size == 0:
        return np.zeros(len(FEATURE_NAMES), dtype=np.float32)
    return np.concatenate([values for _, values in _groups(pitched)]).astype(np.float32)


def _groups(notes: NDArray[np.void]) -> Iterator[Group]:
    """Compute the named blocks of the vector; every block has a fixed length."""
    onset_s, offset_s = notes["onset_s"], notes["offset_s"]
    onset_q = notes["onset_quarters"].astype(np.float64)
    duration_q = notes["duration_quarters"].astype(np.float64)
    pitch = notes["pitch"].astype(np.int64)
    velocity = notes["velocity"].astype(np.float64)
    duration_s = np.maximum(offset_s - onset_s, 0.0)

    starts = np.flatnonzero(np.concatenate([[True], np.diff(onset_s) > CHORD_SPREAD_S]))
    sizes = np.diff(np.append(starts, pitch.size))
    group = np.repeat(np.arange(starts.size), sizes)
    top = np.maximum.reduceat(pitch, starts)
    bottom = np.minimum.reduceat(pitch, starts)
    group_s, group_q = onset_s[starts], onset_q[starts]

    by_duration = _normal(_weighted(pitch % 12, duration_s + _EPSILON, 12))
    tonic, is_minor, correlations = _key(by_duration)
    degree = (pitch - tonic) % 12

    yield from _pitch(
        pitch,
        duration_s,
        degree,
        by_duration,
        tonic=tonic,
        is_minor=is_minor,
        correlations=correlations,
    )
    yield from _melody("top", top, tonic)
    yield from _melody("bottom", bottom, tonic)
    yield from _outer_voices(top, bottom)
    yield from _harmony(pitch, offset_s, group, group_s, tonic)
    yield from _texture(pitch, onset_s, offset_s, starts, sizes)
    yield from _rhythm(group_s, group_q, onset_q, duration_s, duration_q, n_notes=pitch.size)
    yield from _dynamics(velocity, starts, pitch)


def _key(profile: Floats) -> tuple[int, bool, Floats]:
    """Estimated tonic and mode, and the correlation with each of the 24 keys."""
    rotations = (np.arange(12)[:, None] + np.arange(12)) % 12
    rotated = profile[rotations]  # [tonic, degree]
    rotated = rotated - rotated.mean(axis=1, keepdims=True)
    scale = np.sqrt((rotated**2).sum(axis=1)) + _EPSILON
    scores = np.concatenate(
        [
            rotated @ (p - p.mean()) / (scale * np.sqrt(((p - p.mean()) ** 2).sum()))
            for p in (_MAJOR, _MINOR)
        ]
    )
    best = int(np.argmax(scores))
    return best % 12, best >= 12, scores


def _pitch(
    pitch: Ints,
    duration_s: Floats,
    degree: Ints,
    by_duration: Floats,
    *,
    tonic: int,
    is_minor: bool,
    correlations: Floats,
) -> Iterator[Group]:
    yield "pitch_class", by_duration
    yield "degree_by_duration", np.roll(by_duration, -tonic)
    degrees = _shares(degree, 12)
    yield "degree_by_count", degrees
    yield "fifths_distance", _shares(np.minimum(degree * 7 % 12, -degree * 7 % 12), 7)
    yield "pitch_summary", _summary(pitch)
    yield "register", _shares(np.clip(pitch // 6 - 4, 0, 12), 13)
    ranked = np.sort(correlations)[::-1]
    scale = _MINOR_SCALE if is_minor else _MAJOR_SCALE
    yield (
        "key",
        np.array(
            [
                float(is_minor),
                ranked[0],
                ranked[0] - ranked[1],
                correlations[tonic] - correlations[tonic + 12],
                degrees[~scale].sum(),
                _entropy(by_duration),
                _entropy(_weighted(pitch, duration_s + _EPSILON, 128)),
                np.count_nonzero(degrees > 0.02) / 12.0,
                np.log1p(np.count_nonzero(np.bincount(pitch))),
            ]
        ),
    )


def _melody(voice: str, line: Ints, tonic: int) -> Iterator[Group]:
    """Top or bottom line: degrees, intervals, bigrams and shape."""
    steps = np.diff(line)
    kind = np.searchsorted(_STEP_EDGES, steps)
    yield f"{voice}_degree", _shares((line - tonic) % 12, 12)
    yield f"{voice}_interval", _shares(np.clip(steps, -13, 13) + 13, 27)
    yield f"{voice}_bigram", _shares(kind[:-1] * N_STEPS + kind[1:], N_STEPS**2)
    moving = steps[steps != 0]
    turns = np.sign(moving[1:]) != np.sign(moving[:-1])
    same = np.count_nonzero(steps[:-1] == steps[1:])
    yield (
        f"{voice}_shape",
        np.array(
            [
                _mean(np.abs(steps)),
                _std(steps),
                _mean(turns),
                _mean(steps > 0),
                same / max(1, steps.size - 1),
                _mean((line[2:] == line[:-2]) & (steps[1:] != 0)),
                _mean(np.abs(line[4:] - line[:-4])),
                _mean(line[4:] == line[:-4]),
                _std(line),
            ]
        ),
    )


def _outer_voices(top: Ints, bottom: Ints) -> Iterator[Group]:
    """Interval and relative motion of the top and the bottom line."""
    span = top - bottom
    both = span > 0
    yield "outer_interval", _shares(span[both] % 12, 12)
    yield "outer_span", _shares(np.clip(span // 6, 0, 8), 9)
    up, low = np.sign(np.diff(top)), np.sign(np.diff(bottom))
    voiced = both[1:] & both[:-1]
    up, low, change = up[voiced], low[voiced], np.diff(span)[voiced]
    classes = (span[1:][voiced]) % 12
    parallel = (up == low) & (up != 0) & (change == 0)
    yield (
        "outer_motion",
        np.array(
            [
                _mean(parallel),
                _mean((up == low) & (up != 0) & (change != 0)),
                _mean(up * low < 0),
                _mean((up == 0) != (low == 0)),
                _mean(parallel & ((classes == 3) | (classes == 4))),
                _mean(parallel & ((classes == 8) | (classes == 9))),
                _mean(parallel & ((classes == 7) | (classes == 0))),
                _mean(voiced),
            ]
        ),
    )


def _harmony(
    pitch: Ints, offset_s: Floats, group: Ints, group_s: Floats, tonic: int
) -> Iterator[Group]:
    """Chords of everything that sounds at each onset."""
    n_groups = group_s.size
    last = np.searchsorted(group_s, offset_s - CHORD_SPREAD_S, side="left")
    last = np.maximum(last, group + 1)
    pitch_class = pitch % 12
    change = np.bincount(group * 12 + pitch_class, minlength=(n_groups + 1) * 12)
    change -= np.bincount(last * 12 + pitch_class, minlength=(n_groups + 1) * 12)
    sounding = np.cumsum(change.reshape(-1, 12), axis=0)[:n_groups] > 0
    masks = sounding @ (1 << np.arange(12))
    types, roots = _CHORD_TYPE_OF[masks], _CHORD_ROOT_OF[masks]
    yield "chord_type", _shares(types, len(_CHORD_NAMES))
    yield "chord_classes", _shares(np.minimum(sounding.sum(axis=1), 7), 8)
    root_degree = (roots - tonic) % 12
    yield "major_chord_degree", _shares(root_degree[(types == 0) | (types == 4)], 12)
    yield "minor_chord_degree", _shares(root_degree[(types == 1) | (types == 5)], 12)
    clear = types < 10
    clear_masks = masks[clear]
    changed = np.concatenate([[True], clear_masks[1:] != clear_masks[:-1]])[: clear_masks.size]
    motion = np.diff(roots[clear][changed]) % 12
    yield "root_motion", _shares(motion, 12)
    yield (
        "harmony_summary",
        np.array([_mean(clear), _mean(changed), _mean(masks[1:] != masks[:-1])]),
    )
    same_chord = group[1:] == group[:-1]
    vertical = np.abs(np.diff(pitch))[same_chord]
    yield "chord_interval", _shares(np.clip(vertical, 0, 16), 17)


def _texture(
    pitch: Ints, onset_s: Floats, offset_s: Floats, starts: Ints, sizes: Ints
) -> Iterator[Group]:
    """How many notes begin and sound together, and how they are spread."""
    yield "chord_size", _shares(np.minimum(sizes, 8) - 1, 8)
    times = np.concatenate([onset_s, offset_s])
    change = np.repeat(np.array([1, -1]), onset_s.size)
    order = np.argsort(times)  # ties have no span between them
    level = np.cumsum(change[order])[:-1]
    spans = np.diff(times[order])
    yield (
        "polyphony",
        _normal(_weighted(np.clip(level, 0, 9), spans, 10)),
    )
    centre = np.add.reduceat(pitch, starts) / sizes
    yield (
        "texture_summary",
        np.array(
            [
                _mean(sizes),
                _std(sizes),
                _mean(sizes[1:] == sizes[:-1]),
                _std(centre),
                _mean(np.abs(np.diff(centre))),
                _std(pitch - np.repeat(centre, sizes)),
            ]
        ),
    )


def _rhythm(
    group_s: Floats,
    group_q: Floats,
    onset_q: Floats,
    duration_s: Floats,
    duration_q: Floats,
    *,
    n_notes: int,
) -> Iterator[Group]:
    """Lengths and gaps in quarter notes and in seconds, place in the beat, regularity."""
    gap_s, gap_q = np.diff(group_s), np.diff(group_q)
    n_quarter_bins = _LENGTH_EDGES_QUARTERS.size + 1
    n_second_bins = _LENGTH_EDGES_S.size + 1
    gap_kind = np.searchsorted(_LENGTH_EDGES_QUARTERS, gap_q)
    yield "gap_quarters", _shares(gap_kind, n_quarter_bins)
    yield (
        "duration_quarters",
        _shares(np.searchsorted(_LENGTH_EDGES_QUARTERS, duration_q), n_quarter_bins),
    )
    yield "gap_seconds", _shares(np.searchsorted(_LENGTH_EDGES_S, gap_s), n_second_bins)
    yield "duration_seconds", _shares(np.searchsorted(_LENGTH_EDGES_S, duration_s), n_second_bins)
    ratio = np.log2((gap_s[1:] + 0.01) / (gap_s[:-1] + 0.01))
    yield "gap_ratio", _shares(np.clip(np.rint(ratio * 2), -5, 5).astype(np.int64) + 5, 11)
    place = np.rint(onset_q * 12).astype(np.int64)
    yield "place_in_quarter", _shares(place % 12, 12)
    articulation = duration_s.size and _mean(duration_q) / (_mean(gap_q) + _EPSILON)
    span_s = group_s[-1] - group_s[0]
    span_q = group_q[-1] - group_q[0]
    n = group_s.size
    yield (
        "rhythm_summary",
        np.array(
            [
                np.log(_mean(gap_s) + 0.01),
                np.log(_mean(gap_q) + 0.01),
                np.log(_mean(duration_s) + 0.01),
                np.log(_mean(duration_q) + 0.01),
                _std(np.log(gap_s + 0.01)),
                _std(np.log(np.maximum(gap_q, 0) + 0.01)),
                _std(np.log(duration_s + 0.01)),
                np.log(articulation + 0.01),
                _mean(np.abs(ratio) < 0.1),
                _mean(gap_kind[1:] == gap_kind[:-1]),
                _mean(gap_kind[2:] == gap_kind[:-2]),
                _mean(gap_kind[4:] == gap_kind[:-4]),
                np.log(n / (span_s + 1.0)),
                np.log(n_notes / (span_s + 1.0)),
                np.log(n / (span_q + 1.0)),
                np.log((span_q + 0.1) / (span_s + 0.1)),
                np.count_nonzero(np.bincount(gap_kind, minlength=1) > 0.02 * n),
                _mean(place % 12 == 0),
                _mean((place % 3 != 0) & (place % 4 == 0)),
            ]
        ),
    )


def _dynamics(velocity: Floats, starts: Ints, pitch: Ints) -> Iterator[Group]:
    """How loud, how varied, and whether high notes are louder."""
    loudest = np.maximum.reduceat(velocity, starts)
    spread = _std(velocity) * _std(pitch)
    covariance = _mean((velocity - velocity.mean()) * (pitch - pitch.mean()))
    yield "velocity_summary", _summary(velocity)
    yield (
        "dynamics_summary",
        np.array(
            [
                _mean(np.abs(np.diff(loudest))),
                _mean(np.diff(loudest) != 0),
                covariance / (spread + 1.0),
            ]
        ),
    )


def _summary(values: Ints | Floats) -> Floats:
    """Mean, deviation, extremes and quartiles."""
    ordered = np.sort(values)
    at = (np.array([0.0, 0.25, 0.5, 0.75, 1.0]) * (ordered.size - 1)).astype(np.int64)
    return np.concatenate([[values.mean(), values.std()], ordered[at]])


def _shares(values: Ints, bins: int) -> Floats:
    """Histogram of small integers, summing to 1, or to 0 for no values."""
    return _normal(np.bincount(values, minlength=bins).astype(np.float64))


def _weighted(values: Ints, weights: Floats, bins: int) -> Floats:
    return np.bincount(values, weights=weights, minlength=bins).astype(np.float64)


def _normal(counts: Floats) -> Floats:
    total = counts.sum()
    return counts / total if total > 0 else counts


def _entropy(weights: Floats) -> float:
    shares = weights[weights > 0] / weights.sum()
    return float(-(shares * np.log2(shares)).sum())


def _mean(values: NDArray[np.generic]) -> float:
    return float(np.add.reduce(values, dtype=np.float64)) / values.size if values.size else 0.0


def _std(values: Ints | Floats) -> float:
    return float(values.std()) if values.size else 0.0


def _names() -> tuple[str, ...]:
    from tunesmith.midi.score import NOTE_DTYPE

    example = np.zeros(1, dtype=NOTE_DTYPE)
    return tuple(f"{name}_{i}" for name, values in _groups(example) for i in range(values.size))


FEATURE_NAMES: tuple[str, ...] = _names()
"""Name of each feature: its block and its place in the block."""
