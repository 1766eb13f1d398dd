import pytest

from tests import artefacts
from tunesmith.artifacts.store import Store
from tunesmith.evaluation import evaluator
from tunesmith.evaluation.evaluator import evaluate


@pytest.fixture
def examples():
    return artefacts.make_examples(180)


@pytest.fixture
def add_run(store: Store, examples, monkeypatch):
    """Return a function that writes a run of a model of some strength and evaluates it."""
    monkeypatch.setattr(evaluator, "load_examples", lambda run: examples)
    monkeypatch.setattr(evaluator, "load_pieces", lambda run, test: None)
    monkeypatch.setattr(evaluator, "_draw", lambda *arguments: {})

    def add(run_id: str, model: bytes | None = None, *, evaluated: bool = True) -> None:
        model = model or artefacts.chunk_model(artefacts.register_weights())
        artefacts.write_run(store, examples, model, run_id=run_id)
        if evaluated:
            evaluate(store, "composer", run_id)

    return add
