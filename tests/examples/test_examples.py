"""The tasks and the family of examples/: each searched, evaluated, promoted and served."""

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sklearn.datasets import load_wine

import tunesmith
from tests.in_process import ingest_in_process
from tests.serving.conftest import local_client
from tunesmith import plugins
from tunesmith.api.results import Run
from tunesmith.artifacts.store import Store
from tunesmith.ingestion import pipeline
from tunesmith.ingestion.parameters import IngestParameters
from tunesmith.models import get_family
from tunesmith.serving.service import Service
from tunesmith.serving.settings import shipped
from tunesmith.tasks import get_task
from tunesmith.testing import FamilyContract, TaskContract

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
CASES: dict[str, dict[str, Any]] = {
    "wine": {"families": ["centroid"]},
    "iris": {"families": ["linear"]},
    "mood": {"families": ["linear"]},
}
FILES = [EXAMPLES / name for name in ("wine.py", "centroid.py", "iris.yaml")]


def _loaded(kind: str, name: str) -> Any:
    with plugins.using(FILES):
        return get_task(name) if kind == "task" else get_family(name)


class TestTasks(TaskContract):
    """The tasks on tables."""

    tasks = tuple(_loaded("task", name) for name in ("wine", "iris"))


class TestFamilies(FamilyContract):
    """The family."""

    families = (_loaded("family", "centroid"),)


class Promoted:
    """A store in which the examples are searched, evaluated and promoted, each once."""

    def __init__(self, store: Store, files: list[Path]) -> None:
        self.store = store
        self.files = files
        self._runs: dict[str, Run] = {}

    def run(self, task: str, **options: Any) -> Run:
        """Return the published run of a task whose model is promoted."""
        if task not in self._runs:
            shared = {"plugin": self.files, "store": self.store}
            run = tunesmith.tune(task, trials=2, mlflow=False, **options, **shared)
            tunesmith.evaluate(run, plugin=self.files)
            tunesmith.promote(run, plugin=self.files)
            self._runs[task] = run
        return self._runs[task]


@pytest.fixture(scope="module")
def moods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the description of the mood task beside the files that the script writes."""
    folder: Path = tmp_path_factory.mktemp("examples")
    runpy.run_path(str(EXAMPLES / "make_moods.py"))["main"](folder / "moods")
    (folder / "moods.yaml").write_text((EXAMPLES / "moods.yaml").read_text())
    return folder


@pytest.fixture(scope="module")
def promoted(
    ray_cluster: dict[str, float], tmp_path_factory: pytest.TempPathFactory, moods: Path
) -> Promoted:
    """Return a store that holds the dataset of the mood task."""

    store = Store(tmp_path_factory.mktemp("store"))
    with pytest.MonkeyPatch.context() as patch:
        ingest_in_process(patch)
        pipeline.ingest(store, [str(moods / "moods" / "midi")], "moods", IngestParameters())
    return Promoted(store, [*FILES, moods / "moods.yaml"])


@pytest.fixture
def client(promoted: Promoted) -> Iterator[TestClient]:
    """Return a client of a server over the store, with the configuration that is shipped."""
    for task, options in CASES.items():
        promoted.run(task, **options)
    service = Service(shipped(store=promoted.store.uri))
    service.start()
    with local_client(service) as made:
        yield made
    service.stop()


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize("task", CASES)
def test_an_example_is_searched_evaluated_and_promoted(task: str, promoted: Promoted) -> None:
    run = promoted.run(task, **CASES[task])
    assert run.family == CASES[task]["families"][0]
    assert tunesmith.load_model(task, store=promoted.store).task == task


@pytest.mark.slow
@pytest.mark.cluster
def test_a_model_of_an_example_answers(promoted: Promoted, moods: Path) -> None:
    for task, options in CASES.items():
        promoted.run(task, **options)
    setosa = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
    assert tunesmith.load_model("iris", store=promoted.store).predict(setosa).label == "setosa"
    mood = tunesmith.load_model("mood", store=promoted.store)
    for number, label in enumerate(["calm", "restless"]):
        assert mood.predict(moods / "moods" / "midi" / f"piece-{number:02d}.mid").label == label


@pytest.mark.slow
@pytest.mark.cluster
def test_the_examples_are_served_without_an_edit_of_the_package(
    client: TestClient, moods: Path
) -> None:
    setosa = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
    answer = client.post("/v1/iris", json=setosa)
    assert answer.status_code == 200, answer.text
    assert answer.json()["iris"] == "setosa"
    wines = load_wine()
    wine = dict(zip(wines.feature_names, wines.data[0].tolist(), strict=True))
    answer = client.post("/v1/wine", json=wine)
    assert answer.status_code == 200, answer.text
    assert answer.json()["wine"] == "barolo"
    content = (moods / "moods" / "midi" / "piece-01.mid").read_bytes()
    answer = client.post("/v1/mood", content=content, headers={"Content-Type": "audio/midi"})
    assert answer.json()["mood"] == "restless"
