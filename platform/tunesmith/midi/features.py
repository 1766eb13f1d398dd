"""Per-piece musical statistics: what a listener could count, as one vector.

In the spirit of jSymbolic (McKay, Cumming and Fujinaga, ISMIR 2018): pitch, melody, harmony,
rhythm, texture and dynamics, both as written and relative to an estimated tonic. Nothing here
depends on how a file was made (tracks, programs, resolution, names), so that a classifier learns
composers and not transcribers. Every number is finite for any slice of notes, an empty one
included.
"""

import math
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
_PROFILES = [(p - p.mean(), np.sqrt(((p - p.mean()) ** 2).sum())) for p in (_MAJOR, _MINOR)]
_ROTATIONS = (np.arange(12)[:, None] + np.arange(12)) % 12
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

N_VALUES = 128
"""Pitches and velocities. Much is read off histograms over them, not off the notes again."""

_CLASS_OF = np.arange(N_VALUES) % 12
_STEP_KIND_OF = np.searchsorted(_STEP_EDGES, np.arange(1 - N_VALUES, N_VALUES))
_STEP_SIZES = np.abs(np.arange(1 - N_VALUES, N_VALUES))
"""By step, from -127 on."""


def _fold(kinds: Ints, n_kinds: int) -> Floats:
    """Matrix that adds up the bins of a histogram by their kind; [kinds, bins]."""
    matrix: Floats = (np.arange(n_kinds)[:, None] == kinds).astype(np.float64)
    return matrix


_DEGREE_TO_FIFTHS = _fold(np.minimum(np.arange(12) * 7 % 12, -np.arange(12) * 7 % 12), 7)
_PITCH_TO_REGISTER = _fold(np.clip(np.arange(N_VALUES) // 6 - 4, 0, 12), 13)
_STEP_TO_INTERVAL = _fold(np.clip(np.arange(1 - N_VALUES, N_VALUES), -13, 13) + 13, 27)
_SPAN_TO_CLASS = _fold(np.where(np.arange(N_VALUES) > 0, _CLASS_OF, -1), 12)
_SPAN_TO_SIXTHS = _fold(np.clip(np.arange(N_VALUES) // 6, 0, 8), 9)


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
    # Columns of a structured array lie apart and unaligned: every step would pay for that.
    onset_s, offset_s = notes["onset_s"].copy(), notes["offset_s"].copy()
    onset_q = notes["onset_quarters"].astype(np.float64)
    duration_q = notes["duration_quarters"].astype(np.float64)
    pitch = notes["pitch"].astype(np.int64)
    velocity = notes["velocity"].astype(np.int64)
    duration_s = np.maximum(offset_s - onset_s, 0.0)
    pitch_class = _CLASS_OF.take(pitch)

    is_start = np.empty(pitch.size, dtype=bool)
    is_start[0] = True
    np.greater(onset_s[1:] - onset_s[:-1], CHORD_SPREAD_S, out=is_start[1:])
    starts = np.flatnonzero(is_start)
    group = np.cumsum(is_start) - 1
    top = np.maximum.reduceat(pitch, starts)
    bottom = np.minimum.reduceat(pitch, starts)
    group_s, group_q = onset_s[starts], onset_q[starts]

    by_duration = _normal(_weighted(pitch_class, duration_s + _EPSILON, 12))
    tonic, is_minor, correlations = _key(by_duration)
    pitches = np.bincount(pitch, minlength=N_VALUES)

    yield from _pitch(
        pitch,
        duration_s,
        pitches,
        by_duration,
        tonic=tonic,
        is_minor=is_minor,
        correlations=correlations,
    )
    yield from _melody("top", top, tonic)
    yield from _melody("bottom", bottom, tonic)
    yield from _outer_voices(top, bottom)
    yield from _harmony(pitch, pitch_class, offset_s, group, group_s, tonic=tonic)
    yield from _texture(pitch, onset_s, offset_s, starts)
    yield from _rhythm(group_s, group_q, onset_q, duration_s, duration_q, n_notes=pitch.size)
    yield from _dynamics(velocity, starts, pitch)


def _key(profile: Floats) -> tuple[int, bool, Floats]:
    """Estimated tonic and mode, and the correlation with each of the 24 keys."""
    rotated = profile[_ROTATIONS]  # [tonic, degree]
    rotated -= np.add.reduce(rotated, axis=1, keepdims=True) / 12
    scale = np.sqrt((rotated**2).sum(axis=1)) + _EPSILON
    scores = np.concatenate([rotated @ p / (scale * norm) for p, norm in _PROFILES])
    best = int(scores.argmax())
    return best % 12, best >= 12, scores


def _pitch(
    pitch: Ints,
    duration_s: Floats,
    pitches: Ints,
    by_duration: Floats,
    *,
    tonic: int,
    is_minor: bool,
    correlations: Floats,
) -> Iterator[Group]:
    yield "pitch_class", by_duration
    yield "degree_by_duration", _from_tonic(by_duration, tonic)
    degrees = _from_tonic(np.bincount(_CLASS_OF, weights=pitches) / pitch.size, tonic)
    yield "degree_by_count", degrees
    yield "fifths_distance", _DEGREE_TO_FIFTHS @ degrees
    yield "pitch_summary", _summary(pitches)
    yield "register", _PITCH_TO_REGISTER @ pitches / pitch.size
    second, first = np.sort(correlations)[-2:].tolist()
    scale = _MINOR_SCALE if is_minor else _MAJOR_SCALE
    yield (
        "key",
        np.array(
            [
                float(is_minor),
                first,
                first - second,
                correlations[tonic] - correlations[tonic + 12],
                np.add.reduce(degrees[~scale]),
                _entropy(by_duration),
                _entropy(_weighted(pitch, duration_s + _EPSILON, N_VALUES)),
                np.count_nonzero(degrees > 0.02) / 12.0,
                math.log1p(np.count_nonzero(pitches)),
            ]
        ),
    )


def _melody(voice: str, line: Ints, tonic: int) -> Iterator[Group]:
    """Top or bottom line: degrees, intervals, bigrams and shape."""
    step = line[1:] - line[:-1]
    place = step + (N_VALUES - 1)
    kind = _STEP_KIND_OF.take(place)
    steps = np.bincount(place, minlength=2 * N_VALUES - 1)
    n_steps = max(1, step.size)
    yield f"{voice}_degree", _from_tonic(_shares(_CLASS_OF.take(line), 12), tonic)
    yield f"{voice}_interval", _STEP_TO_INTERVAL @ steps / n_steps
    yield f"{voice}_bigram", _shares(kind[:-1] * N_STEPS + kind[1:], N_STEPS**2)
    moves = step != 0
    rises = step[moves] > 0
    far = np.abs(line[4:] - line[:-4])
    yield (
        f"{voice}_shape",
        np.array(
            [
                (_STEP_SIZES @ steps) / n_steps,
                _std(step),
                _share(rises[1:] != rises[:-1]),
                np.add.reduce(steps[N_VALUES:]) / n_steps,
                np.count_nonzero(step[:-1] == step[1:]) / max(1, step.size - 1),
                _share((line[2:] == line[:-2]) & moves[1:]),
                _mean(far),
                _share(far == 0),
                _std(line),
            ]
        ),
    )


def _outer_voices(top: Ints, bottom: Ints) -> Iterator[Group]:
    """Interval and relative motion of the top and the bottom line."""
    span = top - bottom
    spans = np.bincount(span, minlength=N_VALUES)
    yield "outer_interval", _SPAN_TO_CLASS @ spans / max(1, span.size - int(spans[0]))
    yield "outer_span", _SPAN_TO_SIXTHS @ spans / span.size
    both = span > 0
    voiced = both[1:] & both[:-1]
    up = (top[1:] - top[:-1])[voiced]
    low = (bottom[1:] - bottom[:-1])[voiced]
    classes = _CLASS_OF.take(span[1:][voiced])
    similar = up * low > 0
    exact = up == low
    parallel = similar & exact
    n_voiced = max(1, up.size)
    by_class = np.bincount(classes[parallel], minlength=12)
    n_parallel = np.add.reduce(by_class)
    counts = np.array(
        [
            n_parallel,
            np.count_nonzero(similar) - n_parallel,
            np.count_nonzero(up * low < 0),
            np.count_nonzero((up == 0) != (low == 0)),
            by_class[3] + by_class[4],
            by_class[8] + by_class[9],
            by_class[7] + by_class[0],
        ]
    )
    yield "outer_motion", np.append(counts / n_voiced, _share(voiced))


def _harmony(
    pitch: Ints,
    pitch_class: Ints,
    offset_s: Floats,
    group: Ints,
    group_s: Floats,
    *,
    tonic: int,
) -> Iterator[Group]:
    """Chords of everything that sounds at each onset."""
    n_groups = group_s.size
    last = np.maximum(group_s.searchsorted(offset_s - CHORD_SPREAD_S), group + 1)
    change = np.bincount(group * 12 + pitch_class, minlength=(n_groups + 1) * 12)
    change -= np.bincount(last * 12 + pitch_class, minlength=(n_groups + 1) * 12)
    sounding = np.cumsum(change.reshape(-1, 12), axis=0)[:n_groups] > 0
    # Twelve bits, in two bytes.
    masks = np.packbits(sounding, axis=1, bitorder="little").view("<u2").ravel()
    types, roots = _CHORD_TYPE_OF.take(masks), _CHORD_ROOT_OF.take(masks)
    yield "chord_type", _shares(types, len(_CHORD_NAMES))
    yield "chord_classes", _shares(np.minimum(np.bitwise_count(masks), 7), 8)
    by_type = np.bincount(types * 12 + roots, minlength=len(_CHORD_NAMES) * 12).reshape(-1, 12)
    yield "major_chord_degree", _from_tonic(_normal(by_type[0] + by_type[4]), tonic)
    yield "minor_chord_degree", _from_tonic(_normal(by_type[1] + by_type[5]), tonic)
    clear = types < 10
    clear_masks = masks[clear]
    changed = np.ones(clear_masks.size, dtype=bool)
    np.not_equal(clear_masks[1:], clear_masks[:-1], out=changed[1:])
    root = roots[clear][changed]
    yield "root_motion", _shares(_CLASS_OF.take(root[1:] - root[:-1] + 12), 12)
    yield (
        "harmony_summary",
        np.array([_share(clear), _share(changed), _share(masks[1:] != masks[:-1])]),
    )
    vertical = np.abs(pitch[1:] - pitch[:-1])[group[1:] == group[:-1]]
    yield "chord_interval", _shares(np.minimum(vertical, 16), 17)


def _texture(pitch: Ints, onset_s: Floats, offset_s: Floats, starts: Ints) -> Iterator[Group]:
    """How many notes begin and sound together, and how they are spread."""
    sizes = _gaps(starts, pitch.size)
    yield "chord_size", _shares(np.minimum(sizes, 8) - 1, 8)
    yield "polyphony", _normal(_time_by_level(np.sort(onset_s), np.sort(offset_s), 10))
    centre = np.add.reduceat(pitch, starts) / sizes
    yield (
        "texture_summary",
        np.array(
            [
                _mean(sizes),
                _std(sizes),
                _share(sizes[1:] == sizes[:-1]),
                _std(centre),
                _mean(np.abs(centre[1:] - centre[:-1])),
                _std(pitch - np.repeat(centre, sizes)),
            ]
        ),
    )


def _time_by_level(onsets_s: Floats, offsets_s: Floats, n_levels: int) -> Floats:
    """Time in which so many notes sound together, the last level counting more; both sorted.

    From an onset to the offset `level` places before it, at least `level` notes sound; what an
    earlier offset has covered is not counted again.
    """
    at_least = np.zeros(n_levels + 1)
    at_least[0] = max(onsets_s[-1], offsets_s[-1]) - min(onsets_s[0], offsets_s[0])
    covered = np.empty_like(offsets_s)
    covered[0] = -np.inf
    covered[1:] = offsets_s[:-1]
    for level in range(1, min(n_levels, onsets_s.size + 1)):
        reach = onsets_s.size - level + 1
        time = offsets_s[:reach] - np.maximum(onsets_s[level - 1 :], covered[:reach])
        at_least[level] = np.add.reduce(np.maximum(time, 0.0, out=time))
        if at_least[level] == 0.0:
            break
    return np.maximum(at_least[:-1] - at_least[1:], 0.0)


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
    gap_s, gap_q = group_s[1:] - group_s[:-1], group_q[1:] - group_q[:-1]
    gap_kind = _LENGTH_EDGES_QUARTERS.searchsorted(gap_q)
    gap_kinds = np.bincount(gap_kind, minlength=_LENGTH_EDGES_QUARTERS.size + 1)
    yield "gap_quarters", _normal(gap_kinds)
    yield "duration_quarters", _histogram(duration_q, _LENGTH_EDGES_QUARTERS)
    yield "gap_seconds", _histogram(gap_s, _LENGTH_EDGES_S)
    yield "duration_seconds", _histogram(duration_s, _LENGTH_EDGES_S)
    log_gap_s = np.log(gap_s + 0.01)
    ratio = (log_gap_s[1:] - log_gap_s[:-1]) * (1 / math.log(2))  # in powers of 2
    yield "gap_ratio", _shares(np.clip(np.rint(ratio * 2), -5, 5).astype(np.int64) + 5, 11)
    place = _shares(np.rint(onset_q * 12).astype(np.int64) % 12, 12)
    yield "place_in_quarter", place
    articulation = _mean(duration_q) / (_mean(gap_q) + _EPSILON)
    span_s = float(group_s[-1] - group_s[0])
    span_q = float(group_q[-1] - group_q[0])
    n = group_s.size
    yield (
        "rhythm_summary",
        np.array(
            [
                math.log(_mean(gap_s) + 0.01),
                math.log(_mean(gap_q) + 0.01),
                math.log(_mean(duration_s) + 0.01),
                math.log(_mean(duration_q) + 0.01),
                _std(log_gap_s),
                _std(np.log(np.maximum(gap_q, 0) + 0.01)),
                _std(np.log(duration_s + 0.01)),
                math.log(articulation + 0.01),
                _share(np.abs(ratio) < 0.1),
                _share(gap_kind[1:] == gap_kind[:-1]),
                _share(gap_kind[2:] == gap_kind[:-2]),
                _share(gap_kind[4:] == gap_kind[:-4]),
                math.log(n / (span_s + 1.0)),
                math.log(n_notes / (span_s + 1.0)),
                math.log(n / (span_q + 1.0)),
                math.log((span_q + 0.1) / (span_s + 0.1)),
                np.count_nonzero(gap_kinds > 0.02 * n),
                place[0],
                place[4] + place[8],
            ]
        ),
    )


def _dynamics(velocity: Ints, starts: Ints, pitch: Ints) -> Iterator[Group]:
    """How loud, how varied, and whether high notes are louder."""
    loudest = np.maximum.reduceat(velocity, starts)
    change = loudest[1:] - loudest[:-1]
    n = velocity.size
    spread = _std(velocity) * _std(pitch)
    # Whole numbers: nothing is lost in the difference.
    product = n * int(velocity.dot(pitch)) - int(np.add.reduce(velocity) * np.add.reduce(pitch))
    yield "velocity_summary", _summary(np.bincount(velocity))
    yield (
        "dynamics_summary",
        np.array([_mean(np.abs(change)), _share(change != 0), product / n**2 / (spread + 1.0)]),
    )


def _summary(counts: Ints) -> Floats:
    """Mean, deviation, extremes and quartiles of whole numbers, by how often each occurs."""
    until = np.cumsum(counts)
    n = int(until[-1])
    values = np.arange(counts.size)
    total, squares = int(counts.dot(values)), int(counts.dot(values * values))
    at = [share * (n - 1) // 4 for share in range(5)]
    return np.array(
        [
            total / n,
            math.sqrt(n * squares - total * total) / n,
            *until.searchsorted(at, side="right").tolist(),
        ]
    )


def _shares(values: Ints, bins: int) -> Floats:
    """Histogram of small integers, summing to 1, or to 0 for no values."""
    shares: Floats = np.bincount(values, minlength=bins) / max(1, values.size)
    return shares


def _histogram(values: Floats, edges: Floats) -> Floats:
    """Shares of values up to each edge and above the one before, and above the last."""
    below = np.zeros(edges.size + 1, dtype=np.int64)
    below[1:] = np.sort(values).searchsorted(edges, side="right")
    shares: Floats = _gaps(below, values.size) / max(1, values.size)
    return shares


def _gaps(starts: Ints, end: int) -> Ints:
    """From each start to the next, and from the last to the end."""
    gaps = np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=gaps[:-1])
    gaps[-1] = end - starts[-1]
    return gaps


def _from_tonic(by_class: Floats, tonic: int) -> Floats:
    """Turn a histogram of pitch classes into one of degrees."""
    return np.concatenate([by_class[tonic:], by_class[:tonic]])


def _weighted(values: Ints, weights: Floats, bins: int) -> Floats:
    return np.bincount(values, weights=weights, minlength=bins).astype(np.float64, copy=False)


def _normal(counts: Floats | Ints) -> Floats:
    shares: Floats = counts / (np.add.reduce(counts) or 1)
    return shares


def _entropy(weights: Floats) -> float:
    some = weights[weights > 0]
    shares = some / np.add.reduce(weights)
    return float(-shares.dot(np.log2(shares)))


def _mean(values: Ints | Floats) -> float:
    return float(np.add.reduce(values)) / values.size if values.size else 0.0


def _share(chosen: NDArray[np.bool_]) -> float:
    return np.count_nonzero(chosen) / chosen.size if chosen.size else 0.0


def _std(values: Ints | Floats) -> float:
    if not values.size:
        return 0.0
    centred = values - np.add.reduce(values) / values.size
    return math.sqrt(float(centred.dot(centred)) / values.size)


def _names() -> tuple[str, ...]:
    from tunesmith.midi.score import NOTE_DTYPE

    example = np.zeros(1, dtype=NOTE_DTYPE)
    return tuple(f"{name}_{i}" for name, values in _groups(example) for i in range(values.size))


FEATURE_NAMES: tuple[str, ...] = _names()
"""Name of each feature: its block and its place in the block."""
