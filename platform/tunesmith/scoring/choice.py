"""The model that scores: a promoted version, or the winner of a run."""

import hashlib
from dataclasses import dataclass

from tunesmith.artifacts.reports import open_report
from tunesmith.artifacts.runs import open_run
from tunesmith.artifacts.store import Store
from tunesmith.datasets.reader import open_named
from tunesmith.errors import StoreError, UsageError
from tunesmith.inference.explain import EXPLAINED, TrainingSummary, has_reasons
from tunesmith.inference.model import Model
from tunesmith.inference.runs import load_model
from tunesmith.registry.bundles import find_bundle, open_bundle
from tunesmith.scoring import documents

__all__ = ["Choice", "choose", "load", "load_summary", "require_reasons"]


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
    model: documents.Model
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
        model = documents.Model(
            task=task, version=None, run_id=run_id, sha256=digest, dataset=dataset
        )
        classes = run.classes
    else:
        bundle = find_bundle(store, task, version)
        card, preparation = bundle.card, bundle.card.preparation
        model = documents.Model(
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


def load(store: Store, task: str, version: int | None, run_id: str) -> Model:
    """Return a chosen model, loaded.

    Raises
    ------
    StoreError
        When it is not there.
    ModelError
        When it cannot be loaded.
    """
    if version is not None:
        return open_bundle(store, task, version).model()
    return load_model(open_run(store, task, run_id))


def load_summary(store: Store, task: str, version: int | None, run_id: str) -> TrainingSummary:
    """Return the summary of the data that a chosen model learned from; empty without one.

    Raises
    ------
    StoreError
        When the model or its report cannot be read.
    """
    if version is not None:
        return open_bundle(store, task, version).card.summary or {}
    report = open_report(store, task, run_id)
    return {} if report is None else report.record.inputs


def require_reasons(choice: Choice) -> None:
    """Refuse a model of which no reasons can be given.

    Raises
    ------
    UsageError
        With what to do.
    """
    if choice.kind not in EXPLAINED:
        message = (
            f"Reasons are given for {' and '.join(EXPLAINED)}; {choice.model} reads "
            f"{choice.kind}. Leave out --reasons."
        )
        raise UsageError(message)
    chosen = choice.model
    key = (choice.store, chosen.task, chosen.version, chosen.run_id)
    if not has_reasons(load(*key), load_summary(*key)):
        message = (
            f"Reasons of {chosen} need the summary of its training data, which an evaluation "
            f"makes. Run: tunesmith evaluate {chosen.task} --run {chosen.run_id}, and promote the "
            "run again if a promoted version is to have it. Or leave out --reasons."
        )
        raise UsageError(message)


def _has_dataset(store: Store, dataset: str) -> bool:
    try:
        open_named(store, dataset)
    except UsageError:
        return False
    return True
