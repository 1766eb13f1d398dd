"""Chunks in which nothing sounds neither train nor vote: everything reads the same rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.in_process import ingest_in_process
from tests.midi.material import event, midi_file
from tunesmith.artifacts.preparation import MidiPreparation
from tunesmith.artifacts.store import Store
from tunesmith.datasets.copies import views_of_notes
from tunesmith.datasets.examples import Examples
from tunesmith.datasets.reader import Dataset, open_dataset
from tunesmith.errors import InputError
from tunesmith.evaluation.importance import importance
from tunesmith.evaluation.music import Pieces, rechunk
from tunesmith.inference.classifier import InputSchema
from tunesmith.inference.explain import Member, reasons
from tunesmith.inference.model import Model
from tunesmith.inference.pieces import Cut, cut, read_piece
from tunesmith.ingestion import pipeline
from tunesmith.ingestion.parameters import IngestParameters
from tunesmith.midi.rolls import velocity_roll
from tunesmith.tasks import Request, TaskData, get_task

TICKS_A_SECOND = 960
SCHEMAS = {
    "chunks": InputSchema("uint8", (None, 150, 128)),
    "notes": InputSchema("uint8", (None, 192, 4)),
}
# Rests before each note in seconds, and notes long and short: some rests are whole chunks.
PIECES = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 1), st.sampled_from([14.9, 15.0, 31.0, 90.0])),
        st.one_of(st.floats(0.02, 1), st.sampled_from([0.01, 20.0, 40.0])),
        st.integers(30, 90),
    ),
    min_size=1,
    max_size=12,
)


def piece_of(rows: list[tuple[float, float, int]]) -> bytes:
    """Return a MIDI file of one voice: rest and duration in seconds, and pitch."""
    return midi_file(
        b"".join(
            event(round(rest_s * TICKS_A_SECOND), 0x90, pitch, 80)
            + event(max(1, round(duration_s * TICKS_A_SECOND)), 0x80, pitch, 0)
            for rest_s, duration_s, pitch in rows
        )
    )


def with_rests(seed: int) -> bytes:
    """Return a piece with a long rest in the middle, one event far away, or no rest, by turns."""
    random = np.random.default_rng(seed)
    rows = [
        (0.1, float(random.choice([0.2, 0.5])), int(random.integers(40, 90))) for _ in range(60)
    ]
    if seed % 3 == 0:
        rows[30] = (float(random.uniform(40, 80)), 0.5, 60)
    if seed % 3 == 1:
        rows.append((float(random.uniform(100, 900)), 0.5, 60))
    return piece_of(rows)


@dataclass
class Music:
    """Pieces, the dataset made of them, and what a task reads of it."""

    contents: dict[str, bytes]
    dataset: Dataset
    data: TaskData


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Music:
    root: Path = tmp_path_factory.mktemp("corpus") / "pieces"
    contents = {}
    for seed in range(24):
        folder = root / ("Bach" if seed % 2 else "Chopin")
        folder.mkdir(parents=True, exist_ok=True)
        contents[f"{folder.name}/{seed}.mid"] = with_rests(seed)
        (folder / f"{seed}.mid").write_bytes(with_rests(seed))
    store = Store(tmp_path_factory.mktemp("store"))
    with pytest.MonkeyPatch.context() as patch:
        ingest_in_process(patch)
        pipeline.ingest(store, [str(root)], "rests", IngestParameters())
    dataset = open_dataset(store, "rests")
    paths = dataset.pieces().set_index("piece_id")["path"]
    by_id = {
        name: next(content for end, content in contents.items() if path.endswith(end))
        for name, path in paths.items()
    }
    return Music(by_id, dataset, get_task("composer").read(store, Request()))


def served(content: bytes, preparation: MidiPreparation) -> Cut:
    """Return a file as the server reads it for a model of chunks and notes."""
    return cut(read_piece(content), preparation, SCHEMAS)


def test_training_and_serving_read_the_same_sounding_chunks(music: Music) -> None:
    examples, preparation = music.data.examples, music.data.preparation
    assert isinstance(preparation, MidiPreparation)
    n_left_out = 0
    for item, name in enumerate(examples.ids):
        own = served(music.contents[name], preparation)
        for view in SCHEMAS:
            rows = examples.view(view).x[examples.view(view).item == item]
            np.testing.assert_array_equal(rows, own.inputs[view])
        assert own.inputs["chunks"].any(axis=(1, 2)).all()
        every = music.dataset.chunks([name])
        sounds = every.rolls.any(axis=(1, 2))
        np.testing.assert_allclose(every.start_s[sounds], own.starts_s)
        n_left_out += int((~sounds).sum())
    assert n_left_out > 50


def test_no_chunk_is_lost_and_silent_ones_are_counted(music: Music) -> None:
    counts, pieces = music.dataset.manifest.counts, music.dataset.pieces()
    rows = len(music.data.examples.view("chunks"))
    assert counts.silent_chunks
    assert counts.chunks == rows + counts.silent_chunks == len(music.dataset.chunks())
    assert pieces["n_silent_chunks"].sum() == counts.silent_chunks
    assert music.data.notes == (
        f"{counts.silent_chunks} of {counts.chunks} chunks are silent: no model reads them.",
    )


def test_evaluation_cuts_pieces_as_serving_does(music: Music) -> None:
    examples = music.data.examples
    pieces = Pieces(music.dataset, examples.ids)
    again = rechunk(pieces.rolls, pieces.chunk_frames, pieces.hop_frames)
    np.testing.assert_array_equal(again.x, examples.view("chunks").x)
    np.testing.assert_array_equal(again.item, examples.view("chunks").item)
    starts_s = [served(music.contents[name], pieces.preparation).starts_s for name in examples.ids]
    np.testing.assert_allclose(pieces.chunk_starts_s, np.concatenate(starts_s))


@given(rows=PIECES, hop_frames=st.sampled_from([150, 75, 40]))
def test_any_piece_has_the_same_rows_everywhere(
    rows: list[tuple[float, float, int]], hop_frames: int
) -> None:
    piece = read_piece(piece_of(rows))
    preparation = MidiPreparation(frames_per_second=10, chunk_frames=150, hop_frames=hop_frames)
    own = cut(piece, preparation, SCHEMAS)
    copied = views_of_notes([piece.score.notes], list(SCHEMAS), preparation)
    for name in SCHEMAS:
        np.testing.assert_array_equal(copied[name].x, own.inputs[name])
    whole = velocity_roll(piece.score, 10)
    np.testing.assert_array_equal(rechunk([whole], 150, hop_frames).x, own.inputs["chunks"])
    # Each sounding frame is in a chunk, and each chunk has one.
    heard = np.flatnonzero(whole.any(axis=1))
    starts = np.rint(own.starts_s * 10).astype(int)
    inside = (heard[:, None] >= starts) & (heard[:, None] < starts + 150)
    assert inside.any(axis=1).all()
    assert inside.any(axis=0).all()


class LoudnessModel:
    """A classifier of chunks that answers "quiet" to silence, "loud" to anything else."""

    classes = ("loud", "quiet")
    inputs = {"chunks": SCHEMAS["chunks"]}  # noqa: RUF012 - not changed

    def predict(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        loud = inputs["chunks"].any(axis=(1, 2)).astype(np.float32)
        return np.stack([loud, 1 - loud], axis=1)


@pytest.mark.parametrize(
    "rest", [(0, 600.0), (30, 600.0), (59, 600.0)], ids=["before", "inside", "at the end"]
)
def test_a_long_rest_does_not_vote(rest: tuple[int, float]) -> None:
    place, rest_s = rest
    rows = [(0.1, 0.4, 60)] * 60
    rows[place] = (rest_s, 0.4, 60)
    model = Model(LoudnessModel(), MidiPreparation())  # type: ignore[arg-type]
    answer = model.predict(piece_of(rows))
    assert answer.by_class() == {"loud": 1.0, "quiet": 0.0}
    assert len(answer.segments.starts_s) == len(answer.segments.probabilities) <= 4


def test_a_piece_too_short_for_any_frame_is_refused() -> None:
    model = Model(LoudnessModel(), MidiPreparation(), "task")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"no note lasts from one of its frames, 0\.1 s long, to"):
        model.predict(piece_of([(0.01, 0.02, 60), (20.0, 0.02, 64)]))


def of_two_octaves() -> bytes:
    """Return a piece whose first 15 s are all in one octave, the next 15 s all in another."""
    return piece_of([(0.0, 0.5, 60)] * 30 + [(0.0, 0.5, 72)] * 30)


def test_in_an_explanation_chunks_with_nothing_left_do_not_vote() -> None:
    model = Model(LoudnessModel(), MidiPreparation())  # type: ignore[arg-type]
    member = Member(model, {})
    item = model.decode(of_two_octaves())
    parts = reasons(item, [member], "loud")
    assert {reason.part for reason in parts} == {"Notes from C4 to B4", "Notes from C5 to B5"}
    assert [reason.without for reason in parts] == [1.0, 1.0]
    # Where nothing at all is left, every class is as likely.
    item = model.decode(piece_of([(0.0, 0.5, 60)] * 30))
    (only,) = reasons(item, [member], "loud")
    assert only.without == 0.5


def test_importance_silences_octaves_in_the_same_way() -> None:
    rolls = [velocity_roll(read_piece(of_two_octaves()).score)]
    views = {"chunks": rechunk(rolls, 150, 150)}
    examples = Examples(np.zeros(1), LoudnessModel.classes, np.zeros(1), ["a"], views)
    model: Any = LoudnessModel()
    found = importance(model, examples, lambda predictions: predictions.by_item, [])
    assert found is not None
    assert [part.rise for part in found.parts] == pytest.approx([0.0] * 11, abs=1e-9)
