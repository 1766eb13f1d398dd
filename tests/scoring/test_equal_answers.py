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
from tunesmith.artifacts.store import Store
from tunesmith.scoring.choice import choose
from tunesmith.scoring.documents import Summary
from tunesmith.scoring.pipeline import score
from tunesmith.serving.service import Service

N = 25


@pytest.fixture(autouse=True)
def _in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    score_in_process(monkeypatch)


def _scores(store: Store, task: str, source: Path) -> tuple[pd.DataFrame, Summary]:
    out = source.parent / "scores"
    summary = score(choose(store, task), [str(source)], str(out), start_ray=lambda: None)
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
