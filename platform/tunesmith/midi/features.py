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

from tunesmith.midi.compiled import compiled

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
N_CHORDS = len(_CHORD_NAMES)
N_CLEAR_CHORDS = 10
"""The first ones have a root that is not in doubt."""

WIDEST_VERTICAL = 16
"""Semitones between neighbours in a chord; wider ones count as this one."""

_LENGTH_EDGES_QUARTERS = np.array(
    [0.09, 0.14, 0.2, 0.29, 0.35, 0.43, 0.58, 0.7, 0.85, 1.2, 1.7, 2.5, 3.5]
)
"""Between 32nd, sextuplet, 16th, triplet, dotted 16th, ... and whole notes."""

_LENGTH_EDGES_S = np.geomspace(0.04, 4.0, 12)
N_LENGTHS, N_LENGTHS_S = _LENGTH_EDGES_QUARTERS.size + 1, _LENGTH_EDGES_S.size + 1
EVEN_RATIO = 0.1
"""Powers of 2 within which two gaps are the same."""

N_STEPS = 7
"""Kinds of melodic steps: leap, third and step down, repetition, step, third and leap up."""

WIDEST_INTERVAL = 13
"""Semitones; wider ones count as this one."""

N_LEVELS = 10
"""Of polyphony: silence, one note, ..., and nine or more."""

N_VALUES = 128
"""Pitches and velocities. Much is read off histograms over them, not off the notes again."""

_CLASS_OF = np.arange(N_VALUES) % 12
# By step, from -127 on.
_STEP_KIND_OF = np.searchsorted(
    [-4.5, -2.5, -0.5, 0.5, 2.5, 4.5], np.arange(1 - N_VALUES, N_VALUES)
)


def _fold(kinds: Ints, n_kinds: int) -> Floats:
    """Matrix that adds up the bins of a histogram by their kind; [kinds, bins]."""
    matrix: Floats = (np.arange(n_kinds)[:, None] == kinds).astype(np.float64)
    return matrix


_DEGREE_TO_FIFTHS = _fold(np.minimum(np.arange(12) * 7 % 12, -np.arange(12) * 7 % 12), 7)
_PITCH_TO_REGISTER = _fold(np.clip(np.arange(N_VALUES) // 6 - 4, 0, 12), 13)


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

    Raises
    ------
    ValueError
        If a pitch or a velocity lies outside 0-127.
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
    if np.any((pitch | velocity) & ~(N_VALUES - 1)):
        # Compiled loops look them up without asking.
        msg = "A pitch or a velocity lies outside 0-127. Leave such notes out."
        raise ValueError(msg)
    duration_s = np.maximum(offset_s - onset_s, 0.0)
    group, starts, (top, bottom, loudest) = _onsets(onset_s, pitch, velocity)
    group_s, group_q = onset_s.take(starts), onset_q.take(starts)

    by_duration = _normal(_weighted(_CLASS_OF.take(pitch), duration_s + _EPSILON, 12))
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
    yield from _harmony(pitch, offset_s, group, group_s, tonic=tonic)
    yield from _texture(pitch, onset_s, offset_s, starts)
    yield from _rhythm(group_s, group_q, onset_q, duration_s, duration_q, n_notes=pitch.size)
    yield from _dynamics(velocity, loudest, pitch)


@compiled
def _onsets(onset_s: Floats, pitch: Ints, velocity: Ints) -> tuple[Ints, Ints, Ints]:
    """Group notes that begin together.

    Returns the group of each note; the first note of each group; and highest and lowest pitch
    and largest velocity of each group, [3, groups].
    """
    n, g = pitch.size, 0
    group, starts, extremes = (
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty((3, n), np.int64),
    )
    for i in range(n):
        if i == 0 or onset_s[i] - onset_s[i - 1] > CHORD_SPREAD_S:
            starts[g] = i
            extremes[0, g], extremes[1, g], extremes[2, g] = pitch[i], pitch[i], velocity[i]
            g += 1
        group[i] = g - 1
        extremes[0, g - 1] = max(extremes[0, g - 1], pitch[i])
        extremes[1, g - 1] = min(extremes[1, g - 1], pitch[i])
        extremes[2, g - 1] = max(extremes[2, g - 1], velocity[i])
    return group, starts[:g].copy(), extremes[:, :g].copy()


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
    classes, intervals, bigrams, shape = _line(line)
    yield f"{voice}_degree", _from_tonic(_normal(classes), tonic)
    yield f"{voice}_interval", _normal(intervals)
    yield f"{voice}_bigram", _normal(bigrams)
    yield f"{voice}_shape", shape


@compiled
def _line(line: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """Count a line's pitch classes, intervals and pairs of steps, and measure its shape."""
    classes, intervals = np.zeros(12), np.zeros(2 * WIDEST_INTERVAL + 1)
    bigrams, shape = np.zeros(N_STEPS * N_STEPS), np.zeros(9)
    n, n_moves, n_turns, n_back, direction, before = line.size, 0, 0, 0, 0, 0
    total, squares, total_step, squares_step = 0, 0, 0, 0
    for i in range(n):
        pitch = line[i]
        classes[pitch % 12] += 1
        total += pitch
        squares += pitch * pitch
        if i >= 4:
            far = abs(pitch - line[i - 4])
            shape[6] += far
            shape[7] += far == 0
        if i == 0:
            continue
        step = pitch - line[i - 1]
        intervals[min(max(step, -WIDEST_INTERVAL), WIDEST_INTERVAL) + WIDEST_INTERVAL] += 1
        total_step += step
        squares_step += step * step
        shape[0] += abs(step)
        shape[3] += step > 0
        if i > 1:
            kinds = _STEP_KIND_OF[before + N_VALUES - 1], _STEP_KIND_OF[step + N_VALUES - 1]
            bigrams[kinds[0] * N_STEPS + kinds[1]] += 1
            shape[4] += step == before
            n_back += pitch == line[i - 2] and step != 0
        before = step
        if step != 0:
            n_turns += direction != 0 and (step > 0) != (direction > 0)
            direction = step
            n_moves += 1
    n_steps = max(1, n - 1)
    shape[0] /= n_steps
    shape[1] = math.sqrt(n_steps * squares_step - total_step * total_step) / n_steps
    shape[2] = n_turns / max(1, n_moves - 1)
    shape[3] /= n_steps
    shape[4] /= max(1, n - 2)
    shape[5] = n_back / max(1, n - 2)
    shape[6] /= max(1, n - 4)
    shape[7] /= max(1, n - 4)
    shape[8] = math.sqrt(n * squares - total * total) / n
    return classes, intervals, bigrams, shape


def _outer_voices(top: Ints, bottom: Ints) -> Iterator[Group]:
    """Interval and relative motion of the top and the bottom line."""
    classes, sixths, motion = _spans(top, bottom)
    yield "outer_interval", _normal(classes)
    yield "outer_span", _normal(sixths)
    yield "outer_motion", motion


@compiled
def _spans(top: Ints, bottom: Ints) -> tuple[Floats, Floats, Floats]:
    """Count spans by pitch class (unisons left out) and by size, and kinds of motion."""
    classes, sixths, motion = np.zeros(12), np.zeros(9), np.zeros(8)
    n, n_voiced = top.size, 0
    for i in range(n):
        span = top[i] - bottom[i]
        sixths[min(span // 6, 8)] += 1
        if span > 0:
            classes[span % 12] += 1
        if i == 0 or span <= 0 or top[i - 1] <= bottom[i - 1]:
            continue
        n_voiced += 1
        up, low = top[i] - top[i - 1], bottom[i] - bottom[i - 1]
        if up * low > 0 and up == low:  # parallel: of any interval, thirds, sixths, fifths
            motion[0] += 1
            kind = span % 12
            motion[4] += 3 <= kind <= 4
            motion[5] += 8 <= kind <= 9
            motion[6] += kind in (7, 0)
        elif up * low > 0:
            motion[1] += 1
        elif up * low < 0:
            motion[2] += 1
        elif up != low:
            motion[3] += 1
    motion /= max(1, n_voiced)
    motion[7] = n_voiced / max(1, n - 1)
    return classes, sixths, motion


def _harmony(
    pitch: Ints,
    offset_s: Floats,
    group: Ints,
    group_s: Floats,
    *,
    tonic: int,
) -> Iterator[Group]:
    """Chords of everything that sounds at each onset."""
    types, sizes, roots, motion, vertical, summary = _chords(
        pitch, group, _first_after(offset_s, group, group_s), group_s.size
    )
    yield "chord_type", _normal(types)
    yield "chord_classes", _normal(sizes)
    yield "major_chord_degree", _from_tonic(_normal(roots[0] + roots[4]), tonic)
    yield "minor_chord_degree", _from_tonic(_normal(roots[1] + roots[5]), tonic)
    yield "root_motion", _normal(motion)
    yield "harmony_summary", summary
    yield "chord_interval", _normal(vertical)


@compiled
def _first_after(offset_s: Floats, group: Ints, group_s: Floats) -> Ints:
    """Find the first onset by which a note has ended: long strides, then halves."""
    after = np.empty_like(group)
    for i in range(group.size):
        end_s = offset_s[i] - CHORD_SPREAD_S
        low, high = group[i] + 1, group[i] + 2
        while high < group_s.size and group_s[high] < end_s:
            low, high = high, 2 * high - group[i]
        high = min(high, group_s.size)
        while low < high:
            middle = (low + high) // 2
            if group_s[middle] < end_s:
                low = middle + 1
            else:
                high = middle
        after[i] = low
    return after


@compiled
def _chords(
    pitch: Ints, group: Ints, after: Ints, n_groups: int
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    """Count the types of chords, their sizes, roots by type, motions and intervals inside."""
    types, sizes, roots = np.zeros(N_CHORDS), np.zeros(8), np.zeros((N_CHORDS, 12))
    motion, vertical, summary = np.zeros(12), np.zeros(WIDEST_VERTICAL + 1), np.zeros(3)
    # Notes of each class that begin minus those that end at each onset.
    change = np.zeros((n_groups + 1, 12), np.int32)
    for i in range(pitch.size):
        change[group[i], pitch[i] % 12] += 1
        change[after[i], pitch[i] % 12] -= 1
        if i > 0 and group[i] == group[i - 1]:
            vertical[min(abs(pitch[i] - pitch[i - 1]), WIDEST_VERTICAL)] += 1
    sounding = np.zeros(12, np.int32)
    before, clear_before, root_before, n_clear = -1, -1, -1, 0
    for g in range(n_groups):
        mask, size = 0, 0
        for c in range(12):
            sounding[c] += change[g, c]
            if sounding[c] > 0:
                mask |= 1 << c
                size += 1
        kind, root = _CHORD_TYPE_OF[mask], _CHORD_ROOT_OF[mask]
        types[kind] += 1
        sizes[min(size, 7)] += 1
        roots[kind, root] += 1
        summary[2] += before not in (-1, mask)
        before = mask
        if kind < N_CLEAR_CHORDS:
            n_clear += 1
            if mask != clear_before:
                summary[1] += 1
                if root_before >= 0:
                    motion[(root - root_before) % 12] += 1
                root_before, clear_before = root, mask
    summary[0] = n_clear / n_groups
    summary[1] /= max(1, n_clear)
    summary[2] /= max(1, n_groups - 1)
    return types, sizes, roots, motion, vertical, summary


def _texture(pitch: Ints, onset_s: Floats, offset_s: Floats, starts: Ints) -> Iterator[Group]:
    """How many notes begin and sound together, and how they are spread."""
    sizes, summary = _spread(pitch, starts)
    yield "chord_size", _normal(sizes)
    yield "polyphony", _normal(_time_by_level(np.sort(onset_s), np.sort(offset_s)))
    yield "texture_summary", summary


@compiled
def _spread(pitch: Ints, starts: Ints) -> tuple[Floats, Floats]:
    """Count sizes of chords, and measure how sizes, centres and pitches about them vary."""
    n, n_groups = pitch.size, starts.size
    sizes, summary = np.zeros(8), np.zeros(6)
    squares_size, total_centre, squares_centre, n_same, moved, inside = 0, 0.0, 0.0, 0, 0.0, 0.0
    size_before, centre_before = 0, 0.0
    first_centre = 0.0
    for g in range(n_groups):
        end = starts[g + 1] if g + 1 < n_groups else n
        size, total, squares = end - starts[g], 0, 0
        for i in range(starts[g], end):
            total += pitch[i]
            squares += pitch[i] * pitch[i]
        centre = total / size
        sizes[min(size, 8) - 1] += 1
        squares_size += size * size
        inside += (size * squares - total * total) / size
        if g == 0:
            first_centre = centre
        else:
            n_same += size == size_before
            moved += abs(centre - centre_before)
        # About the first one, so that little is lost in the difference of squares.
        total_centre += centre - first_centre
        squares_centre += (centre - first_centre) ** 2
        size_before, centre_before = size, centre
    summary[0] = n / n_groups
    summary[1] = math.sqrt(n_groups * squares_size - n * n) / n_groups
    summary[2] = n_same / max(1, n_groups - 1)
    spread = squares_centre / n_groups - (total_centre / n_groups) ** 2
    summary[3] = math.sqrt(max(0.0, spread))
    summary[4] = moved / max(1, n_groups - 1)
    summary[5] = math.sqrt(inside / n)
    return sizes, summary


@compiled
def _time_by_level(onsets_s: Floats, offsets_s: Floats) -> Floats:
    """Time in which so many notes sound together, the last level counting more; both sorted."""
    time = np.zeros(N_LEVELS)
    n, on, off, level = onsets_s.size, 0, 0, 0
    now = onsets_s[0]
    while off < n:
        begins = on < n and onsets_s[on] < offsets_s[off]
        then = onsets_s[on] if begins else offsets_s[off]
        time[min(max(level, 0), N_LEVELS - 1)] += max(then - now, 0.0)
        now = then
        if begins:
            level += 1
            on += 1
        else:
            level -= 1
            off += 1
    return time


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
    duration_kinds, duration_kinds_s, places, by_note = _durations(onset_q, duration_s, duration_q)
    gap_kinds, gap_kinds_s, ratios, by_gap = _gaps(group_s, group_q)
    place = _normal(places)
    yield "gap_quarters", _normal(gap_kinds)
    yield "duration_quarters", _normal(duration_kinds)
    yield "gap_seconds", _normal(gap_kinds_s)
    yield "duration_seconds", _normal(duration_kinds_s)
    yield "gap_ratio", _normal(ratios)
    yield "place_in_quarter", place
    gap_s, gap_q, gap_std, gap_std_q, even, *repeats = by_gap.tolist()
    mean_s, mean_q, duration_std = by_note.tolist()
    span_s = float(group_s[-1] - group_s[0])
    span_q = float(group_q[-1] - group_q[0])
    n = group_s.size
    yield (
        "rhythm_summary",
        np.array(
            [
                math.log(gap_s + 0.01),
                math.log(gap_q + 0.01),
                math.log(mean_s + 0.01),
                math.log(mean_q + 0.01),
                gap_std,
                gap_std_q,
                duration_std,
                math.log(mean_q / (gap_q + _EPSILON) + 0.01),  # articulation
                even,
                *repeats,
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


@compiled
def _durations(
    onset_q: Floats, duration_s: Floats, duration_q: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Count notes by length and by place in the quarter; mean lengths, deviation of the log."""
    kinds, kinds_s = np.zeros(N_LENGTHS), np.zeros(N_LENGTHS_S)
    places, summary = np.zeros(12), np.zeros(3)
    logs = np.empty(duration_s.size)
    for i in range(duration_s.size):
        kind, kind_s = 0, 0
        while kind < N_LENGTHS - 1 and _LENGTH_EDGES_QUARTERS[kind] < duration_q[i]:
            kind += 1
        while kind_s < N_LENGTHS_S - 1 and _LENGTH_EDGES_S[kind_s] < duration_s[i]:
            kind_s += 1
        kinds[kind] += 1
        kinds_s[kind_s] += 1
        places[int(np.rint(onset_q[i] * 12)) % 12] += 1
        summary[0] += duration_s[i]
        summary[1] += duration_q[i]
        logs[i] = math.log(duration_s[i] + 0.01)
    summary /= duration_s.size
    summary[2] = np.std(logs)
    return kinds, kinds_s, places, summary


@compiled
def _gaps(group_s: Floats, group_q: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Count gaps between onsets by length and by ratio to the one before.

    The summary is their mean in seconds and in quarters, the deviations of their logs, and the
    shares of even ratios and of kinds that return after one, two and four gaps.
    """
    kinds, kinds_s, ratios = np.zeros(N_LENGTHS), np.zeros(N_LENGTHS_S), np.zeros(11)
    summary = np.zeros(8)
    n = group_s.size - 1
    if n == 0:
        return kinds, kinds_s, ratios, summary
    kind_of = np.empty(n, np.int64)
    logs_s, logs_q = np.empty(n), np.empty(n)
    for i in range(n):
        gap_s, gap_q = group_s[i + 1] - group_s[i], group_q[i + 1] - group_q[i]
        kind, kind_s = 0, 0
        while kind < N_LENGTHS - 1 and _LENGTH_EDGES_QUARTERS[kind] < gap_q:
            kind += 1
        while kind_s < N_LENGTHS_S - 1 and _LENGTH_EDGES_S[kind_s] < gap_s:
            kind_s += 1
        kinds[kind] += 1
        kinds_s[kind_s] += 1
        kind_of[i] = kind
        summary[0] += gap_s
        summary[1] += gap_q
        logs_s[i], logs_q[i] = math.log(gap_s + 0.01), math.log(max(gap_q, 0.0) + 0.01)
        if i > 0:
            ratio = (logs_s[i] - logs_s[i - 1]) * (1 / math.log(2.0))  # in powers of 2
            ratios[min(max(int(np.rint(ratio * 2)), -5), 5) + 5] += 1
            summary[4] += abs(ratio) < EVEN_RATIO
            summary[5] += kind == kind_of[i - 1]
        summary[6] += i > 1 and kind == kind_of[i - 2]
        summary[7] += i > 3 and kind == kind_of[i - 4]
    summary[0] /= n
    summary[1] /= n
    summary[2], summary[3] = np.std(logs_s), np.std(logs_q)
    summary[4] /= max(1, n - 1)
    summary[5] /= max(1, n - 1)
    summary[6] /= max(1, n - 2)
    summary[7] /= max(1, n - 4)
    return kinds, kinds_s, ratios, summary


def _dynamics(velocity: Ints, loudest: Ints, pitch: Ints) -> Iterator[Group]:
    """How loud, how varied, and whether high notes are louder."""
    counts, summary = _loudness(velocity, loudest, pitch)
    yield "velocity_summary", _summary(counts)
    yield "dynamics_summary", summary


@compiled
def _loudness(velocity: Ints, loudest: Ints, pitch: Ints) -> tuple[Ints, Floats]:
    """Count velocities, and measure change from onset to onset and covariance with pitch."""
    counts, summary = np.zeros(N_VALUES, np.int64), np.zeros(3)
    # Whole numbers: nothing is lost in the differences.
    n, total, squares, total_pitch, squares_pitch, product = velocity.size, 0, 0, 0, 0, 0
    for i in range(n):
        counts[velocity[i]] += 1
        total += velocity[i]
        squares += velocity[i] * velocity[i]
        total_pitch += pitch[i]
        squares_pitch += pitch[i] * pitch[i]
        product += velocity[i] * pitch[i]
    for g in range(1, loudest.size):
        change = abs(loudest[g] - loudest[g - 1])
        summary[0] += change
        summary[1] += change != 0
    summary[0] /= max(1, loudest.size - 1)
    summary[1] /= max(1, loudest.size - 1)
    std = math.sqrt(n * squares - total * total) / n
    std_pitch = math.sqrt(n * squares_pitch - total_pitch * total_pitch) / n
    summary[2] = (n * product - total * total_pitch) / (n * n) / (std * std_pitch + 1.0)
    return counts, summary


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


_BLOCKS = {
    "pitch_class": 12,
    "degree_by_duration": 12,
    "degree_by_count": 12,
    "fifths_distance": 7,
    "pitch_summary": 7,
    "register": 13,
    "key": 9,
    "top_degree": 12,
    "top_interval": 27,
    "top_bigram": 49,
    "top_shape": 9,
    "bottom_degree": 12,
    "bottom_interval": 27,
    "bottom_bigram": 49,
    "bottom_shape": 9,
    "outer_interval": 12,
    "outer_span": 9,
    "outer_motion": 8,
    "chord_type": 20,
    "chord_classes": 8,
    "major_chord_degree": 12,
    "minor_chord_degree": 12,
    "root_motion": 12,
    "harmony_summary": 3,
    "chord_interval": 17,
    "chord_size": 8,
    "polyphony": 10,
    "texture_summary": 6,
    "gap_quarters": 14,
    "duration_quarters": 14,
    "gap_seconds": 13,
    "duration_seconds": 13,
    "gap_ratio": 11,
    "place_in_quarter": 12,
    "rhythm_summary": 19,
    "velocity_summary": 7,
    "dynamics_summary": 3,
}

FEATURE_NAMES: tuple[str, ...] = tuple(
    f"{name}_{i}" for name, n in _BLOCKS.items() for i in range(n)
)
"""Name of each feature: its block and its place in the block."""
