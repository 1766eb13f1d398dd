"""A report: what the evaluation of a run found on items that its search never saw."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from tunesmith.artifacts import layout
from tunesmith.artifacts.chosen import (
    ChosenPicture,
    ChosenSegment,
    ChosenText,
    Clip,
    Mistake,
    Pictures,
)
from tunesmith.artifacts.documents import Document, JsonObject, Section, absent
from tunesmith.artifacts.importances import ColumnSelection, Importance, WordEffects
from tunesmith.artifacts.intervals import Interval, Metrics
from tunesmith.artifacts.open_set import Detector, OpenSetScores, OtherLabels
from tunesmith.artifacts.runs import TrialCounts, Winner
from tunesmith.artifacts.searches import DatasetReference
from tunesmith.artifacts.store import Store

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "AuditFinding",
    "Behaviour",
    "BehaviourChange",
    "Calibration",
    "ChosenPicture",
    "ChosenSegment",
    "ChosenText",
    "ClassScores",
    "Clip",
    "Comparison",
    "Elsewhere",
    "InputSummary",
    "Interval",
    "LeakResult",
    "Metrics",
    "Mistake",
    "OpenSetScores",
    "OtherLabels",
    "Pictures",
    "PublishedFigure",
    "Reliability",
    "Report",
    "ReportRecord",
    "SliceScores",
    "VariantScores",
    "WithoutLeaks",
    "open_report",
]

LeakResult = Literal["clear", "caution", "leak", "not applicable"]
"""The result of a check for leaks."""


class PublishedFigure(Section):
    """A published result to compare with."""

    text: str
    value: float


class ClassScores(Section):
    """Metrics of one class."""

    label: str = Field(validation_alias="class", serialization_alias="class")
    precision: float
    recall: float
    f1: float
    auc: float | None = None
    support: int


class Comparison(Section):
    """Two models on the same items; `problem` says why they could not be compared."""

    version: int | None = absent("Of the champion compared with.")
    run_id: str | None = absent()
    problem: str | None = absent()
    metric: str = ""
    difference: Interval | None = absent()
    only_first: int = Field(default=0, description="Items that only this model gets right.")
    only_second: int = Field(default=0, description="Items that only the other gets right.")
    p_value: float = 1.0
    rows: int = 0
    groups: int = 0
    beyond_noise: bool = False
    left_out: int = Field(default=0, description="Test items that the champion learned from.")
    copies: int = Field(default=0, description="Copies of each item among the rows.")


class Reliability(Section):
    """A reliability diagram: mean confidence and accuracy by confidence bin."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    count: tuple[int, ...]
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]


class Calibration(Section):
    """Agreement of confidence and accuracy, before and after scaling by a temperature."""

    reliability: Reliability
    temperature: float = 1.0
    note: str
    before: Metrics | None = absent("Without the temperature.")
    reliability_before: Reliability | None = absent()


class AuditFinding(Section):
    """The result of one check for leaks."""

    check: str
    result: LeakResult
    message: str
    # Every check has facts of its own shape, and only that check reads them.
    facts: dict[str, Any] = Field(default_factory=dict, description="A check's own numbers.")

    @property
    def leaked_ids(self) -> tuple[str, ...] | None:
        """Ids of the items that leaked, None where the check does not name them."""
        ids = self.facts.get("ids")
        return tuple(str(name) for name in ids) if isinstance(ids, list) else None


class WithoutLeaks(Section):
    """The metrics of the items that did not leak."""

    left_out: int
    metrics: Metrics


class SliceScores(Section):
    """Metrics of a slice of the test items."""

    by: str
    slice: str
    items: int
    accuracy: Interval
    balanced_accuracy: Interval


class Elsewhere(Section):
    """Metrics of a model on music other than its own test part, or on copies of that."""

    data: str = Field(description="The pieces, in words or as NAME@VERSION of a dataset.")
    is_own_test: bool = Field(default=False, description="True of the test part and its copies.")
    items: int
    groups: int = Field(description="Works: near-duplicates are one.")
    left_out: int = Field(
        default=0, description="Pieces left out: near-duplicates of one that was learned from."
    )
    unknown: int = Field(default=0, description="Pieces left out: their label is no class.")
    false_alarms: Interval | None = Field(
        default=None, description="Share of the pieces that the model tells as of no class."
    )
    coverage: Interval | None = Field(
        default=None, description="Share of the sets of labels that hold the truth."
    )
    metrics: Metrics
    recall: Metrics = Field(description="Recall of each class that is there.")


class BehaviourChange(Section):
    """Effect of one change of the pieces on the predictions."""

    change: str
    unchanged: Interval
    accuracy: Interval


class Behaviour(Section):
    """Share of predictions that change when pieces are transposed, cut or set to one velocity."""

    pieces: int
    changes: tuple[BehaviourChange, ...]
    near_keys: Interval
    accuracy: Interval


class VariantScores(Section):
    """A smaller model beside the one it was made from; `problem` where it cannot be made."""

    kept: bool
    problem: str | None = absent()
    accuracy: Interval | None = absent()
    agreement: float | None = absent("Share of items with the same answer.")
    speedup: float | None = absent("Times as fast on one thread.")
    bytes: int | None = absent()
    sha256: str | None = absent()


class InputSummary(Section):
    """The distribution of an input of the training data, by column."""

    rows: int
    columns: tuple[str, ...]
    edges: tuple[tuple[float, ...], ...] = Field(description="Nine tenths of each column.")
    shares: tuple[tuple[float, ...], ...] = Field(
        description="Shares of the ten intervals between them, and of missing values."
    )


class ReportRecord(Document):
    """`report.json`: everything that was measured on the test part."""

    REMEDY: ClassVar[str] = "Evaluate again: tunesmith evaluate TASK."

    task: str
    title: str | None = None
    run_id: str
    created: str
    dataset: DatasetReference
    protocol: str | None = None
    is_noise_check: bool = False
    reference: PublishedFigure | None = None
    licence: str | None = None
    metric: str
    sha256: str = Field(description="Of the model that was measured.")
    unit: str
    classes: tuple[str, ...]
    model: Winner | None = None
    trials: TrialCounts | None = None
    n_test: int
    n_test_groups: int
    parts: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="Items of each class by part of the split."
    )
    notes: tuple[str, ...] = ()
    metrics: dict[str, Metrics] = Field(description="By level: the task's unit, and chunk.")
    chunk_note: str | None = None
    baseline: dict[str, dict[str, Metrics]] = Field(default_factory=dict)
    comparisons: dict[str, Comparison] = Field(default_factory=dict)
    per_class: tuple[ClassScores, ...] = ()
    macro_auc: float | None = None
    confusion: tuple[tuple[int, ...], ...] = ()
    calibration: Calibration | None = None
    open_set: OpenSetScores | None = Field(
        default=None, description="What the detector and the sets of labels do on the test part."
    )
    detector: Detector | None = None
    no_detector: str | None = Field(default=None, description="Why there is no detector.")
    audit: tuple[AuditFinding, ...] = ()
    without_leaks: WithoutLeaks | None = None
    elsewhere: tuple[Elsewhere, ...] = Field(
        default=(), description="The test pieces as they are and as copies, and other datasets."
    )
    other_labels: tuple[OtherLabels, ...] = Field(
        default=(), description="Pieces of other datasets whose labels are no class."
    )
    slices: tuple[SliceScores, ...] = ()
    behaviour: Behaviour | None = None
    importance: Importance | None = None
    selection: ColumnSelection | None = None
    words: WordEffects | None = None
    mistakes: tuple[Mistake, ...] = Field(
        default=(), description="Test items with a wrong prediction, the most confident first."
    )
    n_mistakes: int | None = Field(default=None, description="All of them, listed or not.")
    segments: tuple[ChosenSegment, ...] = ()
    pictures: Pictures | None = None
    texts: tuple[ChosenText, ...] = ()
    variants: dict[str, VariantScores] = Field(default_factory=dict)
    inputs: dict[str, InputSummary] = Field(default_factory=dict)

    @property
    def item_metrics(self) -> Metrics:
        """The metrics per item, such as per piece."""
        return self.metrics[self.unit]

    @property
    def temperature(self) -> float:
        """The temperature that calibrates the model, 1 where none was fitted."""
        return self.calibration.temperature if self.calibration else 1.0

    @property
    def leaks(self) -> tuple[AuditFinding, ...]:
        """The findings that make the metrics too good."""
        return tuple(finding for finding in self.audit if finding.result == "leak")


@dataclass(frozen=True)
class Report:
    """A report artefact, ``reports/<task>/<run_id>/``, opened.

    Attributes
    ----------
    store
        Where it is.
    record
        The content of ``report.json``.
    """

    store: Store
    record: ReportRecord

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.record.task

    @property
    def run_id(self) -> str:
        """Name of the run that was evaluated."""
        return self.record.run_id

    @property
    def parts(self) -> layout.Parts:
        """The report's folder in the store."""
        return layout.report(self.task, self.run_id)

    @property
    def facts(self) -> JsonObject:
        """The record as JSON holds it."""
        return self.record.json_object()

    def predictions(self) -> "pd.DataFrame":
        """Return the predictions for the test items, one row per item."""
        import pyarrow.parquet as pq

        data = self.store.read_bytes(*self.parts, "predictions.parquet")
        frame: pd.DataFrame = pq.read_table(io.BytesIO(data)).to_pandas()
        return frame


def open_report(store: Store, task: str, run_id: str) -> Report | None:
    """Return the report on a run, None where it was not evaluated yet."""
    record = ReportRecord.find(store, *layout.report(task, run_id, layout.REPORT))
    return None if record is None else Report(store, record)
