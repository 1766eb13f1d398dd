"""`rollback`, then `serve`: the previous model answers, whole promotions and all."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner

from tests import artefacts
from tests.serving.conftest import local_client
from tests.serving.test_champions import wait_until
from tunesmith.artifacts.store import Store
from tunesmith.cli import promote, rollback
from tunesmith.serving.service import Service


@pytest.fixture
def two_promotions(store: Store, mlflow_uri: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return a store whose champion answers the opposite of the one it replaced."""
    examples = artefacts.make_examples(180)
    artefacts.stand_in(monkeypatch, examples, drawn=False)
    for number, sign in enumerate((1, -1), start=1):
        model = artefacts.chunk_model(sign * artefacts.register_weights())
        artefacts.write_run(store, examples, model, run_id=f"r{number}")
        arguments = ["composer", "--store", store.uri, "--force", "a drill"]
        result = CliRunner().invoke(promote.main, arguments)
        assert result.exit_code == 0, result.stderr
    return store


def test_after_a_rollback_a_server_answers_with_the_previous_model(
    two_promotions: Store,
    make_service: Callable[..., Service],
    midi_factory: Callable[..., bytes],
) -> None:
    def ask(service: Service) -> tuple[int, str]:
        headers = {"Content-Type": "audio/midi"}
        with local_client(service) as client:
            found = client.post("/v1/composer", content=midi_factory(), headers=headers).json()
        return found["model"]["version"], found["composer"]

    running = make_service()
    version, second = ask(running)
    assert version == 2
    result = CliRunner().invoke(rollback.main, ["composer", "--store", two_promotions.uri])
    assert result.exit_code == 0, result.stderr
    version, first = ask(make_service())  # a server that starts now
    assert version == 1
    assert first != second
    wait_until(lambda: ask(running) == (1, first))  # and the one that was running
