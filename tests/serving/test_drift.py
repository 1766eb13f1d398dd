"""Drift of inputs against the summary on a model's card."""

import logging
from collections.abc import Iterator

import numpy as np
import pytest

from tests.serving.conftest import SONG_FEATURES, local_client, write_bundle
from tests.serving.test_champions import wait_until
from tunesmith.artifacts.store import Store
from tunesmith.datasets.summary import summarise
from tunesmith.serving.drift import Drift
from tunesmith.serving.metrics import Metrics
from tunesmith.serving.service import Service
from tunesmith.serving.settings import NodeSettings, Settings


def songs(seed: int, tempo: float, rows: int = 2000) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal([0.5, 0.7, tempo], [0.1, 0.1, 10], size=(rows, 3)).astype(np.float32)


class Gauges(Metrics):
    """Keeps the drift of each task."""

    def __init__(self) -> None:
        self.drifts: dict[str, tuple[float, float]] = {}

    def drift(self, task: str, mean: float, largest: float) -> None:
        self.drifts[task] = (mean, largest)


@pytest.fixture
def gauges() -> Gauges:
    return Gauges()


@pytest.fixture
def service(store: Store, gauges: Gauges) -> Iterator[Service]:
    """Return a service of songs whose card tells what it was trained on."""
    write_bundle(store, task="genre")
    card = store.read_json("models", "genre", "0001", "card.json")
    card["summary"] = {"features": summarise(songs(0, tempo=120), SONG_FEATURES).json_object()}
    store.write_json(card, "models", "genre", "0001", "card.json")
    nodes = {"genre": NodeSettings()}
    made = Service(Settings(store=store.uri, reload_s=0.05, nodes=nodes), None, gauges)
    made.start()
    yield made
    made.stop()


@pytest.mark.parametrize(("tempo", "drifted"), [(120, False), (160, True)])
def test_songs_unlike_the_training_data_raise_the_metric_and_are_named_once(
    service: Service, gauges: Gauges, caplog: pytest.LogCaptureFixture, tempo: float, drifted: bool
) -> None:
    caplog.set_level(logging.WARNING)
    rows = iter(songs(1, tempo, rows=5000))
    with local_client(service) as client:

        def ask_until_measured() -> bool:
            body = [dict(zip(SONG_FEATURES, next(rows).tolist(), strict=True)) for _ in range(8)]
            assert client.post("/v1/genre", json=body).status_code == 200
            return "genre" in gauges.drifts

        wait_until(ask_until_measured)
        card = client.get("/v1/models/genre").json()
    mean, largest = gauges.drifts["genre"]
    assert (largest > 0.25) is drifted
    assert mean < largest
    told = [record for record in caplog.records if "drifted" in record.message]
    assert len(told) == drifted
    assert all("tempo" in record.message for record in told)
    assert "summary" not in card


def test_nothing_is_said_before_enough_was_seen_and_old_rows_fade() -> None:
    drift = Drift({"features": summarise(songs(0, 120), SONG_FEATURES)})
    drift.observe("other", songs(1, 160))
    drift.observe("features", songs(1, 160))
    assert drift.measure() == {}

    def feed(tempo: float) -> float:
        for block in songs(2, tempo, rows=8000).reshape(-1, 8, 3):
            drift.observe("features", block)
            found = drift.measure()
        return found["features: tempo"]

    assert feed(160) > 1
    assert feed(120) < 0.25


def test_rows_of_another_width_are_left_out() -> None:
    drift = Drift({"features": summarise(songs(0, 120), SONG_FEATURES)})
    drift.observe("features", np.zeros((8, 2), dtype=np.float32))
    assert drift.measure() == {}
