"""A bundle's card, the aliases of a task's bundles, and the record of each move of a champion."""

from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from tunesmith.artifacts import layout
from tunesmith.artifacts.documents import Document, JsonObject, Section, absent
from tunesmith.artifacts.open_set import Detector, LabelSets
from tunesmith.artifacts.preparation import Preparation, preparation_of_card
from tunesmith.artifacts.reports import (
    Behaviour,
    Calibration,
    ClassScores,
    Comparison,
    InputSummary,
    Metrics,
    OpenSetScores,
    SliceScores,
    VariantScores,
)
from tunesmith.artifacts.runs import TrialCounts
from tunesmith.artifacts.searches import DatasetReference
from tunesmith.artifacts.store import Store

__all__ = [
    "Action",
    "Aliases",
    "AuditLine",
    "Card",
    "ChampionRecord",
    "InputShape",
    "Libraries",
    "Licence",
    "Lineage",
    "Split",
    "Verdict",
    "read_aliases",
]

Action = Literal["promote", "force", "rollback", "canary", "withdraw"]
"""Move of a champion; `canary` is a promotion by the evidence of a contest, `withdraw` ends one."""


class Verdict(Section):
    """The verdict of one rule of the gate.

    Attributes
    ----------
    rule
        Name of the rule.
    passed
        None for a warning: there was nothing to judge by, or a person must.
    message
        What the rule found, with numbers.
    may_be_forced
        Whether a reason given by a person overrules it.
    facts
        The numbers themselves.
    """

    rule: str
    passed: bool | None
    message: str
    may_be_forced: bool = False
    facts: JsonObject = Field(default_factory=dict)


class InputShape(Section):
    """One input of a model: NumPy's name of its element type, and its axes, None for any size."""

    dtype: str
    shape: tuple[int | None, ...]


class AuditLine(Section):
    """The result of one check for leaks, without its numbers."""

    check: str
    result: str
    message: str


class Split(Section):
    """Sizes and rule of the split."""

    protocol: str | None = None
    seed: int | None = None
    parts: dict[str, int] = Field(default_factory=dict)
    test_groups: int | None = None
    rule: str = ""


class Lineage(Section):
    """Origin of a model."""

    run: str
    study: str
    report: str
    dataset: str
    trial: int | None = None
    family: str | None = None
    params: JsonObject | None = None
    trials: TrialCounts | None = None
    seed: int | None = None
    commit: str | None = None
    run_sha256: str | None = None


class Libraries(Section):
    """Versions of the libraries that trained and that packed a model."""

    training: dict[str, str] = Field(default_factory=dict)
    promotion: dict[str, str] = Field(default_factory=dict)


class Licence(Section):
    """Licences of the code and of the training data."""

    code: str
    data: str


class Card(Document):
    """`card.json`: what a model takes and answers, how good it is and what it is not for."""

    REMEDY: ClassVar[str] = "Promote its run again: tunesmith promote TASK."

    name: str = ""
    task: str
    title: str | None = None
    kind: str | None = None
    version: int = Field(default=0, description="Number of the bundle; 0 before it has one.")
    labels: tuple[str, ...]
    inputs: dict[str, InputShape]
    output: str = layout.OUTPUT
    aggregate: str = "mean"
    features: tuple[str, ...] | None = Field(default=None, description="Columns of `features`.")
    preparation: Preparation | None = Field(
        default=None, description="How raw items become the inputs."
    )
    sha256: str
    bytes: int = 0
    created: str = ""
    run_id: str
    summary: dict[str, InputSummary] | None = None
    unit: str = "row"
    metrics: dict[str, Metrics] = Field(default_factory=dict)
    baseline: dict[str, dict[str, Metrics]] = Field(default_factory=dict)
    per_class: tuple[ClassScores, ...] = ()
    calibration: Calibration | None = None
    comparisons: dict[str, Comparison] = Field(default_factory=dict)
    audit: tuple[AuditLine, ...] = ()
    behaviour: Behaviour | None = None
    slices: tuple[SliceScores, ...] = ()
    dataset: DatasetReference | None = None
    detector: Detector | None = Field(
        default=None, description="How items of no class are recognised; the graph is known.onnx."
    )
    no_detector: str | None = Field(default=None, description="Why there is no detector.")
    label_sets: LabelSets | None = Field(
        default=None, description="Limits of sets of labels that hold the true one."
    )
    open_set: OpenSetScores | None = Field(
        default=None, description="What the detector and the sets of labels do on the test part."
    )
    split: Split = Split()
    lineage: Lineage | None = None
    libraries: Libraries = Libraries()
    code_version: str | None = None
    gate: tuple[Verdict, ...] = ()
    intended_use: str = ""
    limits: tuple[str, ...] = ()
    licence: Licence | None = None
    variants: dict[str, VariantScores] = Field(default_factory=dict)
    variants_left_out: dict[str, VariantScores] = Field(default_factory=dict)

    @property
    def dataset_name(self) -> str:
        """Name and version of the training data, such as ``big4@0123456789ab``."""
        return f"{self.dataset.name}@{self.dataset.version}" if self.dataset else "unknown"

    @classmethod
    def upgrade(cls, content: JsonObject, version: int) -> dict[str, object]:
        """Find the columns and the preparation of inputs in their former places.

        Nulls that stood for nothing measured are left out.
        """
        del version
        empty = ("comparisons", "slices", "variants", "variants_left_out", "baseline")
        card = {key: of for key, of in content.items() if of is not None or key not in empty}
        for place in ("parameters", "dataset"):
            former = card.get(place)
            if card.get("features") is None and isinstance(former, dict):
                card["features"] = former.get("features")
        return card | {"preparation": preparation_of_card(card)}


class Aliases(Document):
    """`aliases.json`: the version behind each alias, None where there is none.

    Attributes
    ----------
    champion
        The version that answers users.
    previous
        The champion before it; a rollback returns to it.
    challenger
        The version registered last, which waits for the gate or was refused by it.
    record
        Number of the history's last record, 0 before the first.
    """

    REMEDY: ClassVar[str] = "Name a champion again: tunesmith rollback TASK --to VERSION."

    # It is rewritten at every move: a field left out while reading would be lost.
    model_config = ConfigDict(extra="forbid")

    champion: int | None = None
    previous: int | None = None
    challenger: int | None = None
    record: int = 0

    def names(self, version: int) -> list[str]:
        """Return the aliases of a version."""
        named = {"champion": self.champion, "previous": self.previous}
        named["challenger"] = self.challenger
        return [name for name, number in named.items() if number == version]


class ChampionRecord(Document):
    """One move of a champion, ``records/<number>.json``.

    Attributes
    ----------
    number
        1, 2, …
    parent
        Number of the record before it, 0 for the first.
    action
        ``promote``, ``force``, ``rollback``, ``canary`` or ``withdraw``.
    champion
        The version that answers from then on.
    replaced
        The version that answered until then; None when there was none.
    withdrawn
        The challenger that is tried no more, where the champion stays.
    who, when, reason
        User, time (ISO 8601, UTC) and the reason given.
    verdicts
        The verdict of each rule of the gate.
    nonce
        Tells the move from every other one.
    """

    number: int
    parent: int
    action: Action
    champion: int
    replaced: int | None
    withdrawn: int | None = absent()
    who: str
    when: str
    reason: str | None
    verdicts: tuple[Verdict, ...] = ()
    nonce: str | None = absent()


def read_aliases(store: Store, task: str) -> Aliases:
    """Return the aliases of a task, all None where nothing was promoted yet."""
    return Aliases.find(store, *layout.aliases(task)) or Aliases()
