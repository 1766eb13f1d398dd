"""Artefacts in a bucket: made whole, judged, promoted, and served from there."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests import artefacts
from tests.in_process import ingest_in_process
from tests.serving.conftest import COMPOSERS, local_client, write_bundle
from tunesmith.artifacts.manifest import dataset_versions
from tunesmith.artifacts.store import Store
from tunesmith.cli import ingest, promote, rollback
from tunesmith.datasets.reader import open_dataset
from tunesmith.registry import champion
from tunesmith.serving.service import Service
from tunesmith.serving.settings import shipped


@pytest.fixture
def bucket(s3_store: Store, mlflow_tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return an empty store in a bucket, and MLflow's tables out of its way."""
    shutil.copy(mlflow_tables, tmp_path / "mlflow.sqlite3")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.sqlite3'}")
    monkeypatch.setenv("HOME", str(tmp_path))
    return s3_store


def _job(job: Any, store: Store, *arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(job.main, [*arguments, "--store", store.uri, "--json"])
    assert done.exit_code == 0, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _music(folder: Path, midi_factory: Callable[..., bytes], pieces: int) -> str:
    for first, composer in ((0, "Bach"), (100, "Chopin")):
        (folder / composer).mkdir(parents=True)
        for seed in range(first, first + pieces):
            data = midi_factory(seed=seed, bpm=120.0 + first)
            (folder / composer / f"{seed}.mid").write_bytes(data)
    return str(folder)


def _ask(store: Store, data: bytes, **settings: Any) -> dict[str, Any]:
    """Start a service on the store and ask it about a file."""
    service = Service(shipped(store=store.uri, **settings))
    service.start()
    try:
        with local_client(service) as client:
            answer = client.post("/v1/composer", files={"file": ("a.mid", data)})
    finally:
        service.stop()
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Process the batches of an ingest in this process."""

    ingest_in_process(monkeypatch)
    monkeypatch.setattr("tunesmith.cluster.connection.connect", lambda *_, **__: None)


@pytest.mark.usefixtures("without_ray")
def test_a_dataset_in_a_bucket_is_whole_read_and_made_once(
    bucket: Store, midi_factory: Callable[..., bytes], tmp_path: Path
) -> None:
    music = _music(tmp_path / "corpus", midi_factory, 3)
    made = _job(ingest, bucket, music, "--name", "tiny")
    assert made["counts"]["kept"] == 6
    dataset = open_dataset(Store(bucket.uri), "tiny")
    assert sorted(dataset.pieces()["label"]) == ["Bach"] * 3 + ["Chopin"] * 3
    assert dataset.version == made["version"]
    assert _job(ingest, bucket, music, "--name", "tiny")["version"] == made["version"]
    here = Store(tmp_path / "store")
    assert _job(ingest, here, music, "--name", "tiny")["content_hash"] == made["content_hash"]
    (tmp_path / "corpus" / "Bach" / "new.mid").write_bytes(midi_factory(seed=50))
    assert _job(ingest, bucket, music, "--name", "tiny")["counts"]["kept"] == 7
    assert len(dataset_versions(bucket, "tiny")) == 2


def test_a_model_is_judged_promoted_rolled_back_and_served_from_a_bucket(
    bucket: Store, midi_factory: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = artefacts.make_examples(180)
    artefacts.stand_in(monkeypatch, examples, drawn=False)
    for run_id, sign in (("r1", 1), ("r2", -1)):
        model = artefacts.chunk_model(sign * artefacts.register_weights())
        artefacts.write_run(bucket, examples, model, run_id=run_id)
    assert _job(promote, bucket, "composer", "--run", "r1")["version"] == 1
    assert _job(promote, bucket, "composer", "--run", "r2", "--force", "drill")["version"] == 2
    _job(rollback, bucket, "composer", "--reason", "drill over")
    now = champion(Store(bucket.uri), "composer")
    assert now is not None
    assert now.card.run_id == "r1"


def test_a_server_answers_from_a_bucket(bucket: Store, midi_factory: Callable[..., bytes]) -> None:
    write_bundle(bucket, favour=2)
    assert _ask(bucket, midi_factory(seed=1))["composer"] == COMPOSERS[2]
