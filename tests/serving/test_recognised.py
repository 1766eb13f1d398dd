"""Music of a model's own data is of its class, by the server, in Python and in scores alike."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import tunesmith
from tests.in_process import ingest_in_process, score_in_process
from tests.serving.conftest import local_client, write_bundle
from tests.serving.test_open_set import MIDI, add_detector
from tunesmith.artifacts.store import Store
from tunesmith.ingestion import pipeline
from tunesmith.scoring.choice import choose
from tunesmith.scoring.pipeline import score
from tunesmith.serving.service import Service


@pytest.fixture(params=["Bach", "Haydn"])
def label(request: pytest.FixtureRequest) -> str:
    """Return the label of the piece in the data: one of the model's classes, or another."""
    return str(request.param)


@pytest.fixture
def learned(
    store: Store,
    tmp_path: Path,
    label: str,
    midi_factory: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> Store:
    """Write a champion that takes every piece for one of no class, and its data of two pieces."""
    write_bundle(store, inputs=("features",))
    add_detector(store, 0.9)
    for name, seed in ((label, 1), ("Chopin", 2)):
        (tmp_path / "own" / name).mkdir(parents=True)
        (tmp_path / "own" / name / f"{seed}.mid").write_bytes(midi_factory(seed=seed))
    ingest_in_process(monkeypatch)
    manifest = pipeline.ingest(store, [str(tmp_path / "own")], "own")
    card = store.read_json("models", "composer", "0001", "card.json")
    card["dataset"] = {"name": "own", "version": manifest.version}
    store.write_json(card, "models", "composer", "0001", "card.json")
    return store


def test_a_piece_of_the_data_is_none_of_these_only_where_its_label_is_no_class(
    learned: Store,
    tmp_path: Path,
    label: str,
    make_service: Callable[..., Service],
    midi_factory: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pieces = {"own": midi_factory(seed=1, bpm=80), "foreign": midi_factory(seed=50)}
    expected = {"own": label != "Bach", "foreign": True}
    folder = tmp_path / "pieces"
    folder.mkdir()
    for name, content in pieces.items():
        (folder / f"{name}.mid").write_bytes(content)

    def answers(**settings: object) -> dict[str, bool]:
        with local_client(make_service(**settings)) as client:
            return {
                name: client.post("/v1/composer", content=content, headers=MIDI).json()[
                    "none_of_these"
                ]
                for name, content in pieces.items()
            }

    assert answers() == expected
    # Whoever does not want the music of the data to be looked for gets the detector's word.
    assert answers(similar={"enabled": False}) == {"own": True, "foreign": True}

    model = tunesmith.load_model("composer", store=learned)
    one_by_one = {name: model.predict(content).none_of_these for name, content in pieces.items()}
    assert one_by_one == expected

    score_in_process(monkeypatch)
    score(
        choose(learned, "composer"), [str(folder)], str(tmp_path / "scores"), start_ray=lambda: None
    )
    frame = pd.read_parquet(tmp_path / "scores")
    names = frame["path"].map(lambda path: Path(path).stem)
    assert dict(zip(names, frame["none_of_these"], strict=True)) == expected


def test_an_index_that_cannot_be_read_leaves_the_word_of_the_detector(
    learned: Store,
    make_service: Callable[..., Service],
    midi_factory: Callable[..., bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (index,) = Path(learned.uri).glob("datasets/own/*/index/*")
    index.write_bytes(b"damaged")
    with local_client(make_service()) as client:
        for _ in range(2):
            answer = client.post("/v1/composer", content=midi_factory(seed=1), headers=MIDI)
            assert answer.json()["none_of_these"] is True
    assert sum("is damaged" in record.message for record in caplog.records) == 1
