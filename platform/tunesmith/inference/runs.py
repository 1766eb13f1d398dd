"""The classifier of a run that was not promoted, and its detector of items of no class."""

from tunesmith.artifacts.runs import Run
from tunesmith.errors import StoreError
from tunesmith.inference.classifier import Classifier
from tunesmith.inference.model import Model
from tunesmith.inference.open_set import OpenSet

__all__ = ["load_model", "load_open_set", "load_run"]


def load_run(run: Run, threads: int = 1) -> Classifier:
    """Return a run's winner, ready to predict.

    Parameters
    ----------
    run
        The run.
    threads
        Threads of one prediction; 0 for every core.

    Raises
    ------
    ModelError
        When onnxruntime refuses the model.
    """
    return Classifier(run.model_bytes(), classes=run.classes, threads=threads)


def load_open_set(run: Run, threads: int = 1) -> OpenSet | None:
    """Return the run's detector of items of no class, None where it has none.

    Parameters
    ----------
    run, threads
        As in `load_run`.

    Raises
    ------
    ModelError
        When onnxruntime refuses it.
    """
    facts = run.record.detector
    if facts is None:
        return None
    return OpenSet(run.known_bytes(), facts, run.classes, threads)


def load_model(run: Run) -> Model:
    """Return the run's winner as a model that answers about raw items.

    Raises
    ------
    StoreError
        When the run does not say how raw items become its inputs.
    ModelError
        When onnxruntime refuses the model.
    """
    preparation = run.record.preparation
    if preparation is None:
        message = f"Run {run.run_id} does not say how raw items become inputs. Tune again."
        raise StoreError(message)
    return Model(
        load_run(run),
        preparation,
        run.task,
        open_set=load_open_set(run),
        label_sets=run.record.label_sets,
    )
