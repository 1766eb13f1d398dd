"""Fixtures every room's tests share."""

import io
import os
import shutil
import sys
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from tests.s3 import S3Server, store_uri
from tunesmith.artifacts.store import Store

# Before any test module imports Ray: no token, every port on loopback.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


_LONGEST_ID = 60


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a parameter of bytes, or of a long text, by its argument.

    Bytes may hold the time at which they were made, as those of archives do: two workers of a run
    would then collect different tests, and none would run.
    """
    is_long = isinstance(val, str) and len(val) > _LONGEST_ID
    return argname if is_long or isinstance(val, bytes | bytearray) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the suite over processes file by file; one of them has the cluster and the browser."""
    for item in items:
        alone = item.get_closest_marker("cluster") or item.get_closest_marker("browser")
        item.add_marker(pytest.mark.xdist_group("cluster" if alone else str(item.path)))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real data, named by TUNESMITH_DATA."""
    folder = os.environ.get("TUNESMITH_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("no real data: set TUNESMITH_DATA to a folder that holds it")
    return Path(folder)


@pytest.fixture(autouse=True)
def _forget_added_plugins() -> Iterator[None]:
    """Forget the tasks and families that a test added, for the tests after it."""
    yield
    if (plugins := sys.modules.get("tunesmith.plugins")) is not None:
        plugins._added.clear()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty store in a temporary folder."""
    return Store(tmp_path / "store")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Return ``host:port`` of a server on loopback that speaks S3 and has the bucket ``ours``."""
    with S3Server() as server:
        yield server.address


@pytest.fixture
def s3_store(s3_server: str) -> Store:
    """Return an empty store on the S3 server; its URI says all that other processes need."""
    return Store(store_uri(s3_server, uuid.uuid4().hex))


@pytest.fixture(scope="session")
def mlflow_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SQLite file with MLflow's empty tables, to copy: making them takes seconds."""
    from tunesmith.artifacts.tracking import open_client

    path: Path = tmp_path_factory.mktemp("mlflow") / "mlflow.sqlite3"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        open_client(f"sqlite:///{path}")
    return path


@pytest.fixture
def mlflow_uri(mlflow_tables: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URI of the empty MLflow that belongs to `store`."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    path = store.local_path("mlflow", "mlflow.sqlite3")
    path.parent.mkdir(parents=True)
    shutil.copy(mlflow_tables, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[dict[str, float]]:
    """Ray for the whole test session: two CPUs, no GPU, loopback only."""
    import ray

    from tunesmith.cluster.connection import connect

    yield connect(num_cpus=2, object_store_memory=300_000_000)
    ray.shutdown()


@pytest.fixture(scope="session")
def midi_factory() -> Callable[..., bytes]:
    """Return a maker of small MIDI files, the same bytes for the same arguments."""
    import pretty_midi

    def make(
        *,
        seed: int = 0,
        n_notes: int = 60,
        program: int = 0,
        is_drum: bool = False,
        bpm: float = 120.0,
    ) -> bytes:
        random = np.random.default_rng(seed)
        midi = pretty_midi.PrettyMIDI(initial_tempo=bpm)
        instrument = pretty_midi.Instrument(program, is_drum=is_drum)
        onset_s = 0.0
        for _ in range(n_notes):
            length_s = float(random.choice([0.125, 0.25, 0.5]))
            instrument.notes.append(
                pretty_midi.Note(
                    velocity=int(random.integers(40, 110)),
                    pitch=int(random.integers(48, 84)),
                    start=onset_s,
                    end=onset_s + length_s,
                )
            )
            onset_s += float(random.choice([0.0, 0.25, 0.5]))
        midi.instruments.append(instrument)
        buffer = io.BytesIO()
        midi.write(buffer)
        return buffer.getvalue()

    return make
