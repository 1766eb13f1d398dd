"""Notes from probabilities: those of the authors' own program, at any length of sound."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.audio.golden import posteriors_of
from tunesmith.audio import notes
from tunesmith.audio.model import Posteriors
from tunesmith.audio.notes import heard_notes, notes_between

GOLDEN = json.loads((Path(__file__).parent / "basic_pitch_notes.json").read_text())["notes"]


def rows(heard):
    return sorted(
        (int(n["start"]), int(n["end"]), int(n["pitch"]), round(float(n["probability"]), 3))
        for n in heard
    )


@pytest.mark.parametrize("seed", range(len(GOLDEN)))
def test_notes_are_those_of_basic_pitch(seed, monkeypatch):
    monkeypatch.setattr(notes, "ONSET_THRESHOLD", 0.5)  # theirs
    expected = sorted((start, end, pitch, round(p, 3)) for start, end, pitch, p in GOLDEN[seed])
    heard = rows(notes_between(*posteriors_of(seed), least_frames=(11, 11)))
    assert [row[:3] for row in heard] == [row[:3] for row in expected]
    assert np.allclose([row[3] for row in heard], [row[3] for row in expected], atol=0.002)


def test_short_notes_are_heard_where_they_have_an_onset():
    sounding = np.zeros((60, 88), dtype=np.float32)
    sounding[10:18, [30, 50]] = sounding[20:50, 70] = 0.8
    onsets = np.zeros_like(sounding)
    onsets[10, 30] = 0.8
    slow = sounding.copy()
    slow[9, 50] = slow[19, 70] = 0.5  # no sudden rise, which counts as an onset
    slow[8, 50] = slow[18, 70] = 0.25
    assert [row[2] for row in rows(notes_between(slow, onsets))] == [51, 91]
    slow[40:, 70] = 0
    assert [row[2] for row in rows(notes_between(slow, onsets))] == [51]


def test_notes_at_the_seam_of_two_blocks_are_heard_once(monkeypatch):
    frames, onsets = posteriors_of(1, frames=2000)
    whole = rows(notes_between(frames, onsets))
    monkeypatch.setattr(notes, "BLOCK_FRAMES", 500)
    monkeypatch.setattr(notes, "CONTEXT_FRAMES", 200)
    contours = np.repeat(frames, 3, axis=1)
    parts = [
        Posteriors(*(array[i : i + 142] for array in (frames, onsets, contours)))
        for i in range(0, 2000, 142)
    ]
    blocks = list(heard_notes(parts))
    assert len(blocks) == 4
    assert all(len(block) for block in blocks)
    in_blocks = rows(np.concatenate(blocks))
    shared = {row[:3] for row in whole} & {row[:3] for row in in_blocks}
    assert len(shared) >= 0.99 * max(len(whole), len(in_blocks))


@pytest.mark.parametrize("frames", [0, 1, 2, 3, 30])
def test_silence_has_no_notes(frames):
    nothing = np.zeros((frames, 88), dtype=np.float32)
    assert not len(notes_between(nothing, nothing))


def test_the_lowest_and_the_highest_key_are_heard():
    sounding = np.zeros((60, 88), dtype=np.float32)
    sounding[10:50, [0, 87]] = 0.9
    onsets = np.zeros_like(sounding)
    onsets[10, [0, 87]] = 0.9
    assert rows(notes_between(sounding, onsets)) == [(10, 50, 21, 0.9), (10, 50, 108, 0.9)]
