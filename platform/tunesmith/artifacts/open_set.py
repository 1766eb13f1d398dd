"""The detector of items of no class, and sets of labels that hold the truth."""

from pydantic import Field

from tunesmith.artifacts.documents import Section
from tunesmith.artifacts.intervals import Interval, Metrics

__all__ = [
    "DETECTED",
    "OPEN_SET_VIEW",
    "Detector",
    "DetectorPart",
    "Exposure",
    "LabelSets",
    "OpenSetScores",
    "OtherLabels",
]

OPEN_SET_VIEW = "features"
"""View that detectors read: one row of numbers per item."""
DETECTED = ("one of the classes", "none of these")
"""Classes of a detector's graph."""
_MOST_NAMED = 6  # classes whose shares are named one by one


class Exposure(Section):
    """Items of one source that a detector learned as those of no class."""

    source: str = Field(description="NAME@VERSION of a dataset, or what was made up, in words.")
    items: int
    labels: int = Field(default=0, description="Labels of the items, such as composers.")
    near_duplicates: int = Field(
        default=0, description="Items left out: near-duplicates of one of the model's own."
    )
    of_classes: int = Field(default=0, description="Items left out: their label is a class.")
    without_label: int = Field(
        default=0, description="Items left out: without a label they may be of a class."
    )


class DetectorPart(Section):
    """One sign that an item is of no class: a column of the graph's output, and its usual values.

    The sign is compared with those of the calibration items of the answered class: items that the
    graph did not learn from.
    """

    name: str = Field(description="The sign, in words.")
    column: int = Field(description="Column of the probability of no class.")
    share: float = Field(description="Share of the false alarms that are its own.")
    calibration: dict[str, tuple[float, ...]] = Field(
        description="Quantiles of 1 - the column for the calibration items, by class."
    )
    calibrated_on: dict[str, int] = Field(
        description="Items and copies of them behind the quantiles, by class."
    )
    pooled: tuple[str, ...] = Field(
        default=(), description="Classes with too few items: they share their quantiles."
    )


class Detector(Section):
    """The detector of items unlike all that a model learned from, ``known.onnx``.

    For each part it takes the share of the calibration items that are as unusual as an item, or
    more. Divided by the part's share of the false alarms, the least of these is the item's score.
    Less than x of the items of a class have a score below x, so the threshold of a class is its
    promised share of false alarms.
    """

    sha256: str = ""
    input: str = Field(description="View that the graph reads: one row of numbers per item.")
    columns: tuple[str, ...] = Field(description="Columns of the graph's output.")
    promised: float = Field(description="Share of the items of all classes that are false alarms.")
    threshold: float = Field(description="Items with a lower score are of no class.")
    thresholds: dict[str, float] = Field(
        default_factory=dict, description="The threshold of each class that has one of its own."
    )
    parts: tuple[DetectorPart, ...] = Field(
        description="The column of the first is the probability that an item is of no class."
    )
    exposures: tuple[Exposure, ...] = Field(default=(), description="What it learned as unknown.")
    recognised: float | None = Field(
        default=None,
        description="Share recognised as unknown of the items whose labels it had not learned.",
    )
    auroc: float | None = Field(
        default=None, description="Area under the ROC curve between these and items of the classes."
    )
    recognised_of: int = Field(default=0, description="Number of the items behind the two figures.")
    recognised_labels: int = Field(default=0, description="Number of their labels.")

    def threshold_of(self, label: str) -> float:
        """Return the threshold of a class: the share of its items that may be false alarms."""
        return self.thresholds.get(label, self.threshold)

    @property
    def promise(self) -> str:
        """The promised rate of false alarms in words."""
        if not self.thresholds:
            return f"{self.promised:.0%} in each class"
        shares = sorted(self.thresholds.items(), key=lambda item: item[1])
        (first, least), (last, most) = shares[0], shares[-1]
        if len(shares) > _MOST_NAMED:
            by_class = f"between {least:.1%} for {first} and {most:.1%} for {last}"
        else:
            by_class = ", ".join(f"{share:.1%} for {label}" for label, share in shares)
        return f"{self.promised:.0%} of all: {by_class}"


class LabelSets(Section):
    """Sets of labels that hold the true one with a given probability, for each class by itself."""

    coverage: float
    least: dict[str, float] = Field(
        description="A label is in the set of an item if its probability is at least this."
    )
    calibrated_on: dict[str, int] = Field(description="Items behind the limits, by class.")
    pooled: tuple[str, ...] = Field(
        default=(), description="Classes with too few items: they share their limit."
    )


class OtherLabels(Section):
    """Pieces of another dataset whose labels are no class, and what a model says of them."""

    data: str = Field(description="NAME@VERSION of the dataset.")
    items: int
    labels: int
    recognised: Interval = Field(description="Share that the model tells as of no class.")
    confidence: float | None = Field(
        default=None, description="Mean confidence about those that it does not recognise."
    )


class OpenSetScores(Section):
    """False alarms of the detector of items of no class, and coverage of the sets of labels."""

    items: int
    false_alarms: Interval | None = Field(description="Share of the test items; null: no detector.")
    false_alarms_by_class: Metrics = Field(default_factory=dict)
    coverage: Interval | None = Field(description="Share of the sets that hold the truth.")
    coverage_by_class: Metrics = Field(default_factory=dict)
    set_size: float | None = Field(default=None, description="Mean number of labels of a set.")
    empty: float | None = Field(default=None, description="Share of the sets without a label.")
