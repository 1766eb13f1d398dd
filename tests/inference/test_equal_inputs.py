"""Training's reader and the server prepare the same raw items to the very same model inputs."""

import csv
import hashlib
import io
import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.in_process import ingest_in_process
from tests.serving.conftest import local_client, make_onnx, write_card
from tests.tasks.conftest import music_store
from tunesmith.artifacts.preparation import (
    CategoryColumn,
    ImagePreparation,
    NumberColumn,
    Preparation,
    TablePreparation,
    TextPreparation,
)
from tunesmith.artifacts.store import Store
from tunesmith.inference.images import image_rows
from tunesmith.inference.tables import cells_of, views_of_rows
from tunesmith.ingestion import pipeline
from tunesmith.ingestion.parameters import IngestParameters
from tunesmith.midi.features import FEATURE_NAMES
from tunesmith.serving.service import Service
from tunesmith.serving.settings import shipped
from tunesmith.tasks import Request, get_task
from tunesmith.tasks.support.tables import read_table

__all__ = ["music_store"]

ROWS = 500
FEW = settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))

ODD_TEXTS = st.sampled_from(
    ["", " ", "?", "NA", "nan", "None", "null", "empty_field", "inf", "-inf", "1e400", "1_000",
     "fast", "-1", "-1.0", "0x10", "٣", " 7 ", "1e-320", "3.4028235e38", "3.4028236e38",
     "0.1000000000000000055511151231257827", "9007199254740993", "TRUE", "false", "-0", "+5", "5."]
)  # fmt: skip
NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**30), 10**30),
    st.sampled_from([-1, 0, -1.0, 16777217]),
)  # fmt: skip
CELLS = st.one_of(st.none(), ODD_TEXTS, NUMBERS, st.text("AB#c ÿ,\"'", max_size=4))


class Served:
    """A server of one model that keeps what its model is given."""

    def __init__(self, client: TestClient, service: Service) -> None:
        self.client = client
        self.given: list[dict[str, np.ndarray]] = []
        self.model = service.champions.get("task").model
        classifier = self.model.classifier
        real = classifier.predict

        def predict(inputs: dict[str, np.ndarray]) -> np.ndarray:
            self.given.append({name: array.copy() for name, array in inputs.items()})
            return real(inputs)

        classifier.predict = predict  # type: ignore[method-assign]

    def inputs(self, **request: Any) -> dict[str, np.ndarray]:
        """Send a request and return the rows that the model was given for it."""
        self.given.clear()
        response = self.client.post("/v1/task", **request)
        assert response.status_code in {200, 422}, response.text[:300]
        names = self.given[0]
        return {name: np.concatenate([one[name] for one in self.given]) for name in names}


@contextmanager
def serving(
    folder: Path, preparation: Preparation, inputs: dict[str, tuple[str, list[int]]]
) -> Iterator[Served]:
    """Serve a model of a preparation for the length of a ``with`` block."""
    store = Store(folder / "served")
    write_card(store, "task", preparation, inputs, make_onnx(inputs, 2), ("no", "yes"))
    service = Service(shipped(store=store.uri, nodes={}, limits={"body_bytes": 2**26}))
    service.start()
    try:
        with local_client(service) as client:
            yield Served(client, service)
    finally:
        service.stop()


def same(one: np.ndarray, other: np.ndarray) -> None:
    """Compare bit by bit: NaN equals NaN, and 0 differs from -0."""
    assert one.dtype == other.dtype
    assert one.shape == other.shape
    assert np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()


def as_csv(rows: list[dict[str, Any]]) -> str:
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue()


def served_rows(server: Served, rows: list[dict[str, Any]]) -> Iterator[dict[str, np.ndarray]]:
    """Yield what the model is given for rows sent as JSON, then as CSV."""
    for request in (
        {"json": rows},
        {"content": as_csv(rows).encode(), "headers": {"Content-Type": "text/csv"}},
    ):
        yield server.inputs(**request)


def same_views(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    """Compare the rows of every view bit by bit."""
    assert one.keys() == other.keys()
    for name, x in one.items():
        same(x, other[name])


def finite(value: Any) -> Any:
    """Return a cell as JSON can hold it."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


TEXTS = (
    "AC/DC",
    "Ólafur Arnalds",
    "坂本龍一",
    "  (Live)  ",
    "e\u0301, «n» \U0001f3b5",
    "NA",
    "Op. 27",
)
SENTINEL = {"genre": {"duration_ms": -1}, "emotion": {}}
FILES = {"genre": "music_genre.csv", "emotion": "278k_labelled_uri.csv"}
COLUMNS = {
    "genre": ("popularity", "duration_ms", "tempo", "key", "mode", "valence"),
    "emotion": ("duration (ms)", "tempo", "energy", "spec_rate"),
}
LABELS = {"genre": ("music_genre", ["Rap", "Rock"]), "emotion": ("labels", ["0", "3"])}


def real_like_file(task: str, seed: int, odd: list[Any]) -> list[dict[str, Any]]:
    """Return the rows of a file such as the task's own, with odd cells in it."""
    random = np.random.default_rng(seed)
    target, labels = LABELS[task]
    rows = []
    for number in range(ROWS):
        row: dict[str, Any] = {
            name: float(random.normal(100, 40)) if random.random() < 0.8 else random.choice([-1, 7])
            for name in COLUMNS[task]
        }
        if "key" in row:
            row["key"] = str(random.choice(["A", "A#", "F", ""]))
            row["mode"] = str(random.choice(["Major", "Minor"]))
        row = {name: getattr(cell, "item", lambda cell=cell: cell)() for name, cell in row.items()}
        if number < len(odd):
            row[COLUMNS[task][number % len(COLUMNS[task])]] = odd[number]
        rows.append(row | {target: labels[number % 2]})
        if task == "genre":
            artist, track = random.choice(TEXTS), random.choice(odd)
            rows[-1] |= {"artist_name": f"{artist} {number}", "track_name": track}
            rows[-1] |= {"instance_id": number, "obtained_date": "4-Apr"}
    return rows


@pytest.mark.parametrize("task", ["genre", "emotion"])
@FEW
@given(odd=st.lists(CELLS, min_size=80, max_size=80), seed=st.integers(0, 99))
def test_rows_of_a_task_s_own_file(
    task: str,
    odd: list[Any],
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path_factory.mktemp("data")
    rows = real_like_file(task, seed, odd)
    (folder / FILES[task]).write_text(as_csv(rows))
    monkeypatch.setenv("TUNESMITH_DATA", str(folder))
    data = get_task(task).read(Store(folder / "store"), Request())
    assert not data.is_sample
    target = LABELS[task][0]
    views = {name: view.x for name, view in data.examples.views.items()}
    assert [len(x) for x in views.values()] == [ROWS] * (2 if task == "genre" else 1)
    shapes = {name: (str(x.dtype), [x.shape[1]]) for name, x in views.items()}
    raw = [{name: finite(cell) for name, cell in row.items() if name != target} for row in rows]
    assert data.preparation is not None
    with serving(folder, data.preparation, shapes) as server:
        for inputs in served_rows(server, raw):
            same_views(inputs, views)


@FEW
@given(
    rows=st.lists(
        st.fixed_dictionaries({"size": CELLS, "tempo": CELLS, "key": CELLS}),
        min_size=ROWS, max_size=ROWS,
    ),
)  # fmt: skip
def test_rows_with_categories_never_seen(
    rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    preparation = TablePreparation(
        columns=(
            NumberColumn(name="size", missing=(-1.0,)),
            NumberColumn(name="tempo"),
            CategoryColumn(name="key", categories=("A", "B", "A#", "True", "-1")),
        )
    )
    folder = tmp_path_factory.mktemp("rows")
    (folder / "rows.csv").write_text(as_csv(rows))
    frame = read_table(folder / "rows.csv")
    trained = views_of_rows(lambda name: cells_of(frame[name]), preparation)
    typed = pd.DataFrame(rows, dtype=object)
    shape = {"features": ("float32", [len(preparation.features)])}
    with serving(folder, preparation, shape) as server:
        for inputs in served_rows(server, rows):
            same_views(inputs, trained)
    same_views(views_of_rows(lambda name: cells_of(typed[name]), preparation), trained)


def test_rows_of_generated_numbers(store: Store, tmp_path: Path) -> None:
    data = get_task("noise").read(store, Request())
    x = data.examples.view("features").x[:ROWS]
    assert data.preparation is not None
    names = data.preparation.features  # type: ignore[union-attr]
    rows = [dict(zip(names, map(float, row), strict=True)) for row in x]
    with serving(tmp_path, data.preparation, {"features": ("float32", [x.shape[1]])}) as server:
        for inputs in served_rows(server, rows):
            same_views(inputs, {"features": x})


@pytest.mark.parametrize("task", ["digits", "mnist"])
def test_images(
    task: str,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TUNESMITH_DATA", str(tmp_path))
    data = get_task(task).read(store, Request())
    preparation = data.preparation
    assert isinstance(preparation, ImagePreparation)
    views = {name: view.x[:ROWS] for name, view in data.examples.views.items()}
    shape = {name: (str(x.dtype), list(x.shape[1:])) for name, x in views.items()}
    x = views["image"]
    with serving(tmp_path, preparation, shape) as server:
        pictures = x.tolist()
        inputs = server.inputs(json=[{"pixels": picture} for picture in pictures])
        for name, rows in views.items():
            same(inputs[name], rows)
        flat = server.inputs(
            json=[{"pixels": np.ravel(picture).tolist()} for picture in pictures[:9]]
        )
        same(flat["image"], x[:9])
        random = np.random.default_rng(0)
        odd = [random.integers(0, 2, random.integers(1, 40, 2)).tolist() for _ in range(60)]
        bodies = [{"pixels": picture, "largest": 1} for picture in odd]
        expected = [
            image_rows(np.asarray(server.model.decode(body))[None], preparation)[0]
            for body in bodies
        ]
        for name, rows in server.inputs(json=bodies).items():
            shaped = np.stack(expected).reshape(len(bodies), *views[name].shape[1:])
            same(rows, shaped.astype(views[name].dtype))


def test_texts(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESMITH_DATA", str(tmp_path))
    data = get_task("sentiment").read(store, Request())
    rules = data.preparation
    assert isinstance(rules, TextPreparation)
    x = data.examples.view("tokens").x[:ROWS]
    random = np.random.default_rng(1)
    texts = []
    for row in x:
        words = [rules.words[token - rules.first] for token in row if token >= rules.first]
        marks = random.choice([" ", ", ", "... ", "\n", "!\t", '" (', " -- "], len(words))
        cased = [word.upper() if random.random() < 0.2 else word for word in words]
        texts.append("".join(f"{word}{mark}" for word, mark in zip(cased, marks, strict=True)))
    with serving(tmp_path, rules, {"tokens": ("int32", [x.shape[1]])}) as server:
        for items in (texts, [{"text": text} for text in texts]):
            same(server.inputs(json=items)["tokens"], x)
        plain = {"Content-Type": "text/plain"}
        same(server.inputs(content=texts[0].encode(), headers=plain)["tokens"], x[:1])


@pytest.mark.parametrize("views", [("chunks",), ("notes",), ("features",)])
def test_pieces(
    views: tuple[str, ...],
    music_store: Store,
    midi_factory: Callable[..., bytes],
    tmp_path: Path,
) -> None:
    data = get_task("composer").read(music_store, Request(views=views))
    (name,) = views
    view = data.examples.view(name)
    assert data.preparation is not None
    shape = {name: (str(view.x.dtype), list(view.x.shape[1:]))}
    assert name != "features" or view.x.shape[1] == len(FEATURE_NAMES)
    with serving(tmp_path, data.preparation, shape) as server:
        files = {"Bach": range(24), "Chopin": range(30, 48)}
        by_hash = {}
        for seed in [seed for seeds in files.values() for seed in seeds]:
            content = midi_factory(seed=seed)
            headers = {"Content-Type": "audio/midi"}
            by_hash[_piece_id(content)] = server.inputs(content=content, headers=headers)[name]
        assert set(data.examples.ids) <= set(by_hash)
        for item, identity in enumerate(data.examples.ids):
            rows = view.x[view.item == item]
            served = by_hash[identity]
            # A model of features alone is also asked about each segment, after the whole piece.
            same(served[: len(rows)] if name == "features" else served, rows)


@pytest.mark.slow
@pytest.mark.data
def test_real_pieces(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files as people have them: pedals, bends, drums, many tracks, odd names."""
    contents = {}
    with zipfile.ZipFile(data_dir / "midi-big4.zip") as real:
        names = sorted(n for n in real.namelist() if n.lower().endswith(".mid"))
        for name in names[:: len(names) // ROWS][:ROWS]:
            folder = tmp_path / "corpus" / name.rpartition("/")[0].rpartition("/")[2]
            folder.mkdir(parents=True, exist_ok=True)
            contents[_piece_id(real.read(name))] = real.read(name)
            (folder / f"{len(contents)}.mid").write_bytes(real.read(name))
    assert len(contents) > 0.9 * ROWS

    ingest_in_process(monkeypatch)
    store = Store(tmp_path / "store")
    pipeline.ingest(store, [str(tmp_path / "corpus")], "real", IngestParameters())
    data = get_task("composer").read(store, Request(views=("chunks", "features", "notes")))
    assert data.preparation is not None
    shapes = {
        name: (str(view.x.dtype), list(view.x.shape[1:]))
        for name, view in data.examples.views.items()
    }
    with serving(tmp_path, data.preparation, shapes) as server:
        for item, identity in enumerate(data.examples.ids):
            headers = {"Content-Type": "audio/midi"}
            served = server.inputs(content=contents[identity], headers=headers)
            for name, view in data.examples.views.items():
                rows = view.x[view.item == item]
                # Beside chunks a model reads the features of the whole piece with each of them.
                same(served[name][: len(rows)] if name == "features" else served[name], rows)


def _piece_id(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
