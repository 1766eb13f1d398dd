"""The model that scores: a promoted version, or the winner of a run."""

import hashlib
from dataclasses import dataclass

from tunesmith.artifacts.runs import open_run
from tunesmith.artifacts.store import Store
from tunesmith.datasets.reader import open_named
from tunesmith.errors import StoreError, UsageError
from tunesmith.registry.bundles import find_bundle
from tunesmith.scoring.documents import Model

__all__ = ["Choice", "choose"]


@dataclass(frozen=True)
class Choice:
    """A chosen model.

    Attributes
    ----------
    store
        Where it is.
    model
        Its origin.
    kind
        Kind of its items: midi, table, image or text.
    classes
        Labels that it can answer with.
    compared_with
        Name and version of the dataset of pieces that it learned from, where the store has it.
    """

    store: Store
    model: Model
    kind: str
    classes: tuple[str, ...]
    compared_with: str | None = None


def choose(
    store: Store, task: str, version: int | str | None = None, run_id: str | None = None
) -> Choice:
    """Return a version of a task's model, the champion by default, or the winner of a run.

    Raises
    ------
    UsageError
        When there is no such alias or run, nothing was promoted, or both are given.
    StoreError
        When there is no such version, or it does not say how raw items become inputs.
    """
    if version is not None and run_id is not None:
        message = "A version and a run both name the model: give one of them."
        raise UsageError(message)
    if run_id is not None:
        run = open_run(store, task, run_id)
        record, preparation = run.record, run.record.preparation
        digest = hashlib.sha256(run.model_bytes()).hexdigest()
        dataset = f"{record.dataset.name}@{record.dataset.version}"
        model = Model(task=task, version=None, run_id=run_id, sha256=digest, dataset=dataset)
        classes = run.classes
    else:
        bundle = find_bundle(store, task, version)
        card, preparation = bundle.card, bundle.card.preparation
        model = Model(
            task=task,
            version=bundle.version,
            run_id=card.run_id,
            sha256=card.sha256,
            dataset=card.dataset_name,
        )
        classes = bundle.classes
    if preparation is None:
        message = (
            f"{model} does not say how raw items become its inputs: the data gave no rules, such "
            "as a list of words. Complete the data, then search and promote again."
        )
        raise StoreError(message)
    is_music = preparation.kind == "midi"
    own = model.dataset if is_music and _has_dataset(store, model.dataset) else None
    return Choice(store, model, preparation.kind, classes, own)


def _has_dataset(store: Store, dataset: str) -> bool:
    try:
        open_named(store, dataset)
    except UsageError:
        return False
    return True
