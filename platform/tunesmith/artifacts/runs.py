"""A finished run: what a search left behind for evaluation and promotion."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from tunesmith.artifacts import layout
from tunesmith.artifacts.documents import Document, JsonObject, Section
from tunesmith.artifacts.gaps import damaged_as, left_out
from tunesmith.artifacts.open_set import Detector, LabelSets
from tunesmith.artifacts.pointers import move
from tunesmith.artifacts.preparation import Preparation, preparation_of_run
from tunesmith.artifacts.searches import DataRequest, DatasetReference, RunPointer
from tunesmith.artifacts.store import Store
from tunesmith.errors import StoreError, unknown

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Member",
    "Run",
    "RunRecord",
    "TrialCounts",
    "Winner",
    "latest_run_id",
    "name_latest_run",
    "open_run",
    "run_ids",
]

_REMEDY = "Search again: tunesmith tune TASK."


class Member(Section):
    """One model of an ensemble, or a search's best trial."""

    trial: int
    family: str
    params: JsonObject
    score: float
    steps: int = Field(description="How long it is trained: where its score was best.")
    weight: float = 1.0


class Winner(Section):
    """The best trial of a search, or the ensemble of the best of each family."""

    trial: int
    family: str
    params: JsonObject
    score: float
    steps: int
    members: tuple[Member, ...] = Field(default=(), description="Of an ensemble.")


class TrialCounts(Section):
    """Number of trials of a search by outcome."""

    planned: int
    completed: int = 0
    pruned: int = 0
    failed: int = 0
    not_started: int = 0


class RunRecord(Document):
    """`run.json`: what was searched, how, and which trial won."""

    REMEDY: ClassVar[str] = _REMEDY

    run_id: str
    task: str
    title: str = ""
    kind: str = Field(description="Kind of the task: midi, table, image, text or synthetic.")
    unit: str = Field(description="What an item is: piece, song, row.")
    is_noise_check: bool = Field(
        default=False, description="The data is pure noise: a figure above chance is a leak."
    )
    extends: str | None = Field(default=None, description="Run whose trials it began with.")
    request: DataRequest = DataRequest()
    dataset: DatasetReference
    notes: tuple[str, ...] = ()
    protocol: str = ""
    folds: int = 0
    metric: str
    seed: int
    created: str
    finished: str
    status: str = "finished"
    classes: tuple[str, ...] = Field(description="In the order of the model's output.")
    counts: TrialCounts
    families: tuple[str, ...] = ()
    best: Winner
    views: tuple[str, ...] = Field(description="Inputs of the model.")
    aggregate: str = "mean"
    features: tuple[str, ...] | None = Field(default=None, description="Columns of `features`.")
    preparation: Preparation | None = Field(
        default=None, description="How raw items become the model's inputs."
    )
    detector: Detector | None = Field(
        default=None, description="How items of no class are recognised, by model/known.onnx."
    )
    no_detector: str | None = Field(default=None, description="Why there is no detector.")
    label_sets: LabelSets | None = Field(
        default=None, description="Limits of sets of labels that hold the true one."
    )
    time_budget_s: float | None = None
    resources: dict[str, float] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    commit: str | None = None

    @classmethod
    def upgrade(cls, content: JsonObject, version: int) -> dict[str, object]:
        """Add what earlier versions had in their code.

        These are the preparation of inputs, and which data is noise: the synthetic one.
        """
        del version
        return {
            **content,
            "is_noise_check": content.get("kind") == "synthetic",
            "preparation": preparation_of_run(content),
        }


@dataclass(frozen=True)
class Run:
    """A run artefact, ``runs/<task>/<run_id>/``, opened.

    Attributes
    ----------
    store
        Where it is.
    record
        The content of ``run.json``.
    """

    store: Store
    record: RunRecord

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.record.task

    @property
    def run_id(self) -> str:
        """Name of the run; names sort by time."""
        return self.record.run_id

    @property
    def facts(self) -> JsonObject:
        """The record as JSON holds it."""
        return self.record.json_object()

    @property
    def parts(self) -> layout.Parts:
        """The run's folder in the store."""
        return layout.run(self.task, self.run_id)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the model's output."""
        return self.record.classes

    def table(self, name: str) -> "pd.DataFrame":
        """Return a table of the run: ``split``, ``trials`` or ``history``."""
        import pyarrow.parquet as pq

        file = f"{name}.parquet"
        data = self.store.read_bytes(*self.parts, file)
        with damaged_as(f"{'/'.join(self.parts)}/{file}", _REMEDY):
            frame: pd.DataFrame = pq.read_table(io.BytesIO(data)).to_pandas()
        return frame

    def model_bytes(self) -> bytes:
        """Return the winner's ONNX model."""
        return self.store.read_bytes(*self.parts, "model", "model.onnx")

    def known_bytes(self) -> bytes:
        """Return the graph of the detector of items of no class."""
        return self.store.read_bytes(*self.parts, "model", "known.onnx")

    def reference(self) -> tuple[dict[str, npt.NDArray[Any]], npt.NDArray[np.float32]]:
        """Return inputs by name and what the trained model itself answered to them.

        Raises
        ------
        StoreError
            When the file holds no answers.
        """
        data = self.store.read_bytes(*self.parts, "model", "reference.npz")
        with (
            damaged_as(f"{'/'.join(self.parts)}/model/reference.npz", _REMEDY),
            np.load(io.BytesIO(data), allow_pickle=False) as arrays,
        ):
            inputs = {name: arrays[name] for name in arrays.files}
        if layout.OUTPUT not in inputs:
            message = (
                f"{'/'.join(self.parts)}/model/reference.npz has no {layout.OUTPUT!r}; tune again."
            )
            raise StoreError(message)
        answers = inputs.pop(layout.OUTPUT)
        return inputs, answers

    def temperature(self) -> float | None:
        """Return the temperature that suited the winner's answers to validation items.

        It was fitted while the winner had learned from the train part alone. None where the search
        did not fit one.
        """
        best, history = self.record.best, self.table("history")
        if "temperature" not in history:
            return None
        rows = history[(history["trial"] == best.trial) & (history["step"] == best.steps)]
        known = rows["temperature"].dropna()
        return float(known.iloc[-1]) if len(known) else None


def run_ids(store: Store, task: str) -> list[str]:
    """Return the names of a task's published runs, oldest first."""
    names = store.list(*layout.runs(task))
    return [name for name in names if store.exists(*layout.run(task, name, layout.RECORD))]


def latest_run_id(store: Store, task: str) -> str | None:
    """Return the name of the run of a task that was published last, None where there is none."""
    pointer, named = layout.latest_run(task), None
    if store.exists(*pointer):
        with left_out("/".join(pointer)):
            named = RunPointer.read(store, *pointer)
    # Its publication may have been cut short: then the run before it is the latest.
    for run_id in (named.run_id, named.before) if named else ():
        if run_id and store.is_filled(*layout.run(task, run_id, layout.RECORD)):
            return run_id
    return max(run_ids(store, task), default=None)


def name_latest_run(store: Store, task: str, run_id: str) -> None:
    """Make a run the latest, right before it is published.

    A process that ends between the two leaves an unfinished search, which can be resumed; after a
    publication without this no command would know of the run.
    """

    def named(present: RunPointer | None) -> RunPointer:
        if present is not None and present.run_id == run_id:
            return present
        return RunPointer(run_id=run_id, before=latest_run_id(store, task))

    move(store, RunPointer, layout.latest_run(task), named, mends=True)


def open_run(store: Store, task: str, run_id: str | None = None) -> Run:
    """Return a run of a task, the latest one by default.

    Raises
    ------
    StoreError
        When the task has no run, or the run was made by a version whose files cannot be read.
    UsageError
        When `run_id` names none; the message lists near ones.
    """
    if run_id is None:
        run_id = latest_run_id(store, task)
        if run_id is None:
            raise StoreError(_no_run(store, task))
    elif not store.exists(*layout.run(task, run_id, layout.RECORD)):
        kind = f"run of {task}"
        raise unknown(kind, run_id, run_ids(store, task))
    return Run(store, RunRecord.read(store, *layout.run(task, run_id, layout.RECORD)))


def _no_run(store: Store, task: str) -> str:
    """Return what to do about a task without a run: finish its search, or begin one."""
    if store.staged(*layout.runs(task)):
        return (
            f"There is no finished run of {task!r} in {store.shown}, but a search that was "
            f"interrupted. Finish it: tunesmith tune {task} --resume."
        )
    return f"There is no run of {task!r} in {store.shown}. Search first: tunesmith tune {task}."
