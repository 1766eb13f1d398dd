"""The notes of real files beside two independent readers: every difference has a named reason."""

import io
from collections import Counter
from collections.abc import Callable
from typing import Any

import mido
import numpy as np
import pytest
import symusic

from tests.midi.conftest import MidiFiles
from tunesmith.errors import MidiError
from tunesmith.midi import Score, read_score

pytestmark = [pytest.mark.data, pytest.mark.slow]

MISREAD = {
    ("symusic", "unknown_artist-a_h-bumblebee_2.mid"): "a data byte of a system message as time",
}
"""Files that a reader alone reads otherwise than all others, and what it takes for what."""

Onsets = Counter[tuple[int, int, int]]
"""Notes by onset in ticks, pitch and velocity."""


def our_onsets(score: Score) -> Onsets:
    ticks = np.rint(score.notes["onset_quarters"].astype(float) * score.ticks_per_quarter)
    pitch, velocity = score.notes["pitch"].tolist(), score.notes["velocity"].tolist()
    return Counter(zip(ticks.astype(int).tolist(), pitch, velocity, strict=True))


def mido_onsets(data: bytes) -> Onsets:
    onsets: Onsets = Counter()
    for track in mido.MidiFile(file=io.BytesIO(data), clip=True).tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "note_on" and message.velocity:
                onsets[tick, message.note, message.velocity] += 1
    return onsets


def symusic_onsets(data: bytes) -> Onsets:
    onsets: Onsets = Counter()
    parsed: Any = symusic.Score.from_midi(data)
    for track in parsed.tracks:
        notes = track.notes.numpy()
        onsets.update(zip(*(notes[n].tolist() for n in ("time", "pitch", "velocity")), strict=True))
    return onsets


def reason(score: Score, ours: Onsets, theirs: Onsets, reader: str) -> str:
    """Return why two readers have other notes; empty if nothing explains it."""
    only_ours, only_theirs = (ours - theirs).total(), (theirs - ours).total()
    if only_ours == only_theirs == 0:
        return "equal"
    if only_ours == 0 and 0 < only_theirs <= score.damage.empty_notes:
        return "notes of no length are left out here"
    if score.damage.unended_notes and only_theirs <= score.damage.empty_notes:
        return "notes without a note-off are left out there"
    if score.damage.wrong_lengths or score.damage.lost_events or score.damage.clipped_bytes:
        return "a damaged file"
    if reader == "symusic" and only_theirs == 0:
        return "one of several equal notes is left out there"
    return ""


@pytest.mark.parametrize("step", [20, pytest.param(1, marks=pytest.mark.long, id="all files")])
@pytest.mark.parametrize("corpus", ["midi-big4", "midi-classical"])
@pytest.mark.parametrize("reader", ["mido", "symusic"])
def test_every_difference_has_a_reason(
    real_files: Callable[[str], MidiFiles], corpus: str, reader: str, step: int
) -> None:
    read = {"mido": mido_onsets, "symusic": symusic_onsets}[reader]
    reasons: Counter[str] = Counter()
    unexplained = []
    for name, data in real_files(corpus)[::step]:
        try:
            score = read_score(data)
        except MidiError:
            continue
        try:
            theirs = read(data)
        except (OSError, EOFError, ValueError, LookupError, RuntimeError, mido.KeySignatureError):
            reasons["refused there"] += 1
            continue
        why = reason(score, our_onsets(score), theirs, reader)
        reasons[why] += 1
        if not why and (reader, name.rsplit("/", 1)[-1]) not in MISREAD:
            unexplained.append(name)
    print(f"\n{corpus} beside {reader}: {dict(reasons)}")
    assert not unexplained
    assert reasons["equal"] >= 0.9 * reasons.total()
