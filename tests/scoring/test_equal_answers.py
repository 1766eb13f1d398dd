"""Offline scores and the server's answers to the same raw items are the same numbers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.in_process import score_in_process
from tests.serving.conftest import local_client, write_bundle
from tests.serving.test_explain import add_summary
from tunesmith.artifacts.store import Store
from tunesmith.errors import UsageError
from tunesmith.midi.features import FEATURE_NAMES
from tunesmith.scoring.choice import choose
from tunesmith.scoring.documents import Summary
from tunesmith.scoring.pipeline import score
from tunesmith.scoring.worker import MOST_REASONS
from tunesmith.serving.service import Service

N = 25


@pytest.fixture(autouse=True)
def _in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    score_in_process(monkeypatch)


def _scores(
    store: Store, task: str, source: Path, *, reasons: bool = False
) -> tuple[pd.DataFrame, Summary]:
    out = source.parent / ("reasons" if reasons else "scores")
    choice = choose(store, task)
    summary = score(choice, [str(source)], str(out), with_reasons=reasons, start_ray=lambda: None)
    return pd.read_parquet(out), summary


def _same(row: Mapping[str, Any], answer: dict[str, Any]) -> None:
    assert answer[answer["model"]["name"]] == row["label"]
    shares = {label: round(float(row[f"p_{label}"]), 6) for label in answer["probabilities"]}
    assert shares == answer["probabilities"]


@pytest.mark.parametrize("inputs", [("features",), ("chunks",), ("chunks", "features", "notes")])
def test_pieces(
    inputs: tuple[str, ...],
    store: Store,
    tmp_path: Path,
    midi_factory: Callable[..., bytes],
    make_service: Callable[..., Service],
) -> None:
    write_bundle(store, inputs=inputs)
    folder = tmp_path / "music"
    folder.mkdir()
    for seed in range(N):
        content = midi_factory(seed=seed, n_notes=5 + 20 * seed, is_drum=seed == 3)
        (folder / f"{seed:02d}.mid").write_bytes(content)
    (folder / "no.mid").write_bytes(b"no music")
    frame, _ = _scores(store, "composer", folder)
    with local_client(make_service()) as client:
        for row in frame.to_dict("records"):
            content = (tmp_path / row["path"]).read_bytes()
            headers = {"Content-Type": "audio/midi"}
            response = client.post("/v1/composer", content=content, headers=headers)
            if response.status_code == 200:
                _same(row, response.json())
            else:
                assert response.json()["type"].endswith(f"/{row['reason']}")
                assert response.json()["detail"] == row["error"]
    assert frame["error"].notna().sum() == 2


def test_rows(store: Store, tmp_path: Path, make_service: Callable[..., Service]) -> None:
    write_bundle(store, task="genre")
    random = np.random.default_rng(0)
    names = ("danceability", "energy", "tempo")
    rows = [
        {name: float(value) for name, value in zip(names, random.uniform(0, 200, 3), strict=True)}
        for _ in range(N)
    ]
    rows[4]["tempo"] = float("nan")
    pd.DataFrame(rows).to_parquet(tmp_path / "songs.parquet")
    frame, _ = _scores(store, "genre", tmp_path / "songs.parquet")
    with local_client(make_service()) as client:
        for row, raw in zip(frame.to_dict("records"), rows, strict=True):
            sent = {name: None if np.isnan(value) else value for name, value in raw.items()}
            response = client.post("/v1/genre", json=sent)
            if response.status_code == 200:
                _same(row, response.json())
            else:
                assert response.json()["detail"] == row["error"]
    assert frame["error"].notna().sum() == 1


def test_reasons_of_pieces(
    store: Store,
    tmp_path: Path,
    midi_factory: Callable[..., bytes],
    make_service: Callable[..., Service],
) -> None:
    write_bundle(store, inputs=("chunks", "features"))
    random = np.random.default_rng(0)
    add_summary(store, "composer", "features", random.random((50, len(FEATURE_NAMES))))
    folder = tmp_path / "music"
    folder.mkdir()
    for seed in range(4):
        (folder / f"{seed}.mid").write_bytes(midi_factory(seed=seed, n_notes=40 + 200 * seed))
    (folder / "no.mid").write_bytes(b"no music")
    frame, summary = _scores(store, "composer", folder, reasons=True)
    assert summary.reasons
    plain, _ = _scores(store, "composer", folder)
    pd.testing.assert_frame_equal(frame.drop(columns="reasons"), plain)
    with local_client(make_service()) as client:
        for row in frame.to_dict("records"):
            content = (tmp_path / row["path"]).read_bytes()
            headers = {"Content-Type": "audio/midi"}
            response = client.post("/v1/composer/why", content=content, headers=headers)
            if response.status_code == 200:
                assert response.json()["composer"] == row["label"]
                assert list(row["reasons"]) == response.json()["reasons"][:MOST_REASONS]
                assert len(row["reasons"]) == MOST_REASONS
            else:
                assert row["reasons"] is None
    assert frame["reasons"].notna().sum() == 4


def test_reasons_of_rows(
    store: Store, tmp_path: Path, make_service: Callable[..., Service]
) -> None:
    write_bundle(store, task="genre")
    songs = [
        {"danceability": 0.9, "energy": 0.1, "tempo": 900.0},
        {"danceability": 0.1, "energy": 7.0, "tempo": 9.0},
        {"danceability": 0.1, "energy": 7.0, "tempo": None},
    ]
    pd.DataFrame(songs).to_parquet(tmp_path / "songs.parquet")
    with pytest.raises(UsageError, match=r"tunesmith evaluate genre --run test.*--reasons"):
        _scores(store, "genre", tmp_path / "songs.parquet", reasons=True)
    add_summary(store, "genre", "features", np.tile((0.5, 0.7, 120.0), (50, 1)))
    frame, _ = _scores(store, "genre", tmp_path / "songs.parquet", reasons=True)
    with local_client(make_service()) as client:
        for row, song in zip(frame.to_dict("records")[:2], songs, strict=False):
            told = client.post("/v1/genre/why", json=song).json()
            assert list(row["reasons"]) == told["reasons"]
            assert {reason["part"] for reason in row["reasons"]} == set(song)
    assert frame["reasons"].iloc[2] is None


def test_scores_with_reasons_and_without_are_not_mixed(
    store: Store, tmp_path: Path, midi_factory: Callable[..., bytes]
) -> None:
    write_bundle(store)
    (tmp_path / "a.mid").write_bytes(midi_factory())
    out = str(tmp_path / "out")
    sources = [str(tmp_path / "a.mid")]
    score(choose(store, "composer"), sources, out, start_ray=lambda: None)
    with pytest.raises(UsageError, match=r"without reasons.*Leave out --reasons"):
        score(choose(store, "composer"), sources, out, with_reasons=True, start_ray=lambda: None)


def test_no_reasons_are_given_for_pictures(store: Store, tmp_path: Path) -> None:
    write_bundle(store, task="digits")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "0.png")
    with pytest.raises(UsageError, match="reads image"):
        _scores(store, "digits", tmp_path / "0.png", reasons=True)


def test_pictures_and_texts(
    store: Store, tmp_path: Path, make_service: Callable[..., Service]
) -> None:
    write_bundle(store, task="digits")
    write_bundle(store, task="sentiment")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    random = np.random.default_rng(0)
    for n in range(5):
        pixels = random.integers(0, 255, (8, 8)).astype(np.uint8)
        Image.fromarray(pixels).save(pictures / f"{n}.png")
    texts = tmp_path / "texts" / "films"
    texts.mkdir(parents=True)
    for n, text in enumerate(("A fine, good film", "dull", "so bad it is good")):
        (texts / f"{n}.txt").write_text(text)
    digits, _ = _scores(store, "digits", pictures)
    words, _ = _scores(store, "sentiment", texts)
    with local_client(make_service()) as client:
        for row in digits.to_dict("records"):
            content = (tmp_path / row["path"]).read_bytes()
            headers = {"Content-Type": "image/png"}
            _same(row, client.post("/v1/digits", content=content, headers=headers).json())
        for row in words.to_dict("records"):
            text = (tmp_path / "texts" / row["path"]).read_text()
            _same(row, client.post("/v1/sentiment", json={"text": text}).json())
