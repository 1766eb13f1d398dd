import pytest

from tests import artefacts
from tunesmith.artifacts.store import Store
from tunesmith.reports.publishing import make_report


@pytest.fixture
def examples():
    return artefacts.make_examples(180)


@pytest.fixture
def add_run(store: Store, examples, monkeypatch):
    """Return a function that writes a run of a model of some strength and evaluates it."""
    artefacts.stand_in(monkeypatch, examples, drawn=False)

    def add(run_id: str, model: bytes | None = None, *, evaluated: bool = True) -> None:
        model = model or artefacts.chunk_model(artefacts.register_weights())
        artefacts.write_run(store, examples, model, run_id=run_id)
        if evaluated:
            make_report(store, "composer", run_id)

    return add
