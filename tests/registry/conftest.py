import pytest

from tests import artefacts
from tunesmith.evaluation import evaluating
from tunesmith.evaluation.evaluating import evaluate
from tunesmith.store import Store


@pytest.fixture
def examples():
    return artefacts.make_examples(180)


@pytest.fixture
def add_run(store: Store, examples, monkeypatch):
    """Return a function that writes a run of a model of some strength and evaluates it."""
    monkeypatch.setattr(evaluating, "load_examples", lambda run: examples)
    monkeypatch.setattr(evaluating, "load_pieces", lambda run, test: None)
    monkeypatch.setattr(evaluating, "_draw", lambda *arguments: {})

    def add(run_id: str, model: bytes | None = None, *, evaluated: bool = True) -> None:
        model = model or artefacts.chunk_model(artefacts.register_weights())
        artefacts.write_run(store, examples, model, run_id=run_id)
        if evaluated:
            evaluate(store, "composer", run_id)

    return add
