"""Every route held to the OpenAPI document, with requests that nobody thought of.

A bounded run; a longer one: set ``TUNESMITH_SCHEMA_EXAMPLES=1000``.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis.errors import Unsatisfiable

from tests.serving.conftest import TASKS, write_bundle
from tests.serving.test_similar import ingest_pieces
from tunesmith.artifacts.store import Store
from tunesmith.serving.http.routes import make_app
from tunesmith.serving.service import Service
from tunesmith.serving.settings import (
    AccessSettings,
    ChallengerSettings,
    DecisionSettings,
    NodeSettings,
    SimilarSettings,
    shipped,
)

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("TUNESMITH_SCHEMA_EXAMPLES", "25"))
MODES = {mode.name.lower(): mode for mode in schemathesis.GenerationMode}
ROUTES = {
    *(f"POST /v1/{name}" for name in ("composer", "composer_all", *TASKS)),
    *(f"POST /v1/{name}" for name in ("classify", "notes", "similar")),
    "POST /v1/genre/label",
    *(f"POST /v1/{name}/why" for name in ("composer", "composer_all", "genre", "emotion")),
    *(f"GET /v1/{name}" for name in ("models", "models/{task}", "graph", "limits")),
    *(f"GET /{name}" for name in ("healthz", "readyz", "problems/{name}")),
}
CHECKS = schemathesis.checks
LEFT_OUT = [
    # What the document cannot say: that bytes are no music, or that a feature is missing.
    CHECKS.positive_data_acceptance,
    # A faulty item of a list is a problem in its place; the list is answered.
    CHECKS.negative_data_rejection,
    # A deadline of a microsecond is answered with a 504, as documented. See below.
    CHECKS.not_a_server_error,
]


@pytest.fixture(scope="module")
def schema(
    tmp_path_factory: pytest.TempPathFactory, midi_factory: Callable[..., bytes]
) -> Iterator[Any]:
    """Return the document of a server with a champion of every task, and a dataset."""
    store = Store(tmp_path_factory.mktemp("store"))
    for task in ("composer", "composer_all", *TASKS):
        write_bundle(store, task=task)
    ingest_pieces(store, tmp_path_factory.mktemp("pieces") / "mine", {"1.mid": midi_factory()})
    open_to_all = AccessSettings(keys="never")
    similar = SimilarSettings(dataset="mine")
    nodes = {"genre": NodeSettings(challenger=ChallengerSettings(decide=DecisionSettings()))}
    service = Service(shipped(store=store.uri, access=open_to_all, similar=similar, nodes=nodes))
    service.start()
    yield schemathesis.openapi.from_asgi("/openapi.json", make_app(service))
    service.stop()


@pytest.fixture(scope="module")
def operations(schema: Any) -> dict[str, Any]:
    return {found.ok().label: found.ok() for found in schema.get_all_operations()}


def test_these_are_all_the_routes(operations: dict[str, Any]) -> None:
    assert set(operations) == ROUTES


@pytest.mark.parametrize("mode", sorted(MODES))
@pytest.mark.parametrize("route", sorted(ROUTES))
def test_no_500_and_no_undocumented_answer(
    operations: dict[str, Any], route: str, mode: str
) -> None:
    statuses: Counter[int] = Counter()

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operations[route].as_strategy(generation_mode=MODES[mode]))
    def ask(case: Any) -> None:
        response = case.call()
        statuses[response.status_code] += 1
        case.validate_response(response, excluded_checks=LEFT_OUT)
        assert response.status_code < 500 or response.status_code == 504

    try:
        ask()
    except Unsatisfiable:  # there is nothing to get wrong about a route without parameters
        assert mode == "negative"
        assert route.startswith("GET")
    else:
        assert statuses
