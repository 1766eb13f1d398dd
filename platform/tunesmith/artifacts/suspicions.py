"""`doctor.json` of a dataset version: labels that look wrong, with the evidence for each."""

from collections.abc import Collection, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from tunesmith.artifacts.corrections import AppliedCorrections, Correction
from tunesmith.artifacts.documents import Document, Section, absent
from tunesmith.errors import UsageError

__all__ = [
    "Diagnosis",
    "Evidence",
    "Match",
    "Opinion",
    "Suspicion",
    "accepted_corrections",
    "earlier_rows",
]


class Evidence(Section):
    """Evidence that two pieces are the same music."""

    kind: Literal["same bytes", "same notes", "same music"]
    shared: float = Field(description="Share of the shorter fingerprint that both have.")
    in_order: float | None = absent("Onsets that both have in the same order.")
    onsets: int | None = absent("Onsets of the shorter piece.")
    semitones: int | None = absent("How much higher the other piece has the music.")

    @property
    def words(self) -> str:
        """The evidence in a line, such as ``same music: 90 of 120 onsets in the same order``."""
        if self.kind != "same music":
            return self.kind
        parts = []
        if self.in_order is not None and self.onsets:
            aligned = min(round(self.in_order), self.onsets)
            share = f"{aligned / self.onsets:.0%}"
            parts.append(f"{aligned:,} of {self.onsets:,} onsets ({share}) in the same order")
        parts.append(f"{self.shared:.0%} of the fingerprint shared")
        if self.semitones is not None:
            parts.append(_transposition(self.semitones))
        return f"{self.kind}: {', '.join(parts)}"


def _transposition(semitones: int) -> str:
    if not semitones:
        return "in the same key"
    unit = "semitone" if abs(semitones) == 1 else "semitones"
    return f"{abs(semitones)} {unit} {'higher' if semitones > 0 else 'lower'}"


class Match(Evidence):
    """Another file with the same music and another label."""

    path: str
    label: str
    piece_id: str


class Opinion(Section):
    """Probability of a label by a model that has not seen the piece or its copies."""

    label: str
    probability: float


class Suspicion(Section):
    """One label that looks wrong."""

    number: int = Field(description="Rank; the surest is 1.")
    piece_id: str
    path: str
    label: str
    suggested: str = Field(description="The likeliest label.")
    probability: float = Field(description="Probability that the label is wrong.")
    opinions: list[Opinion] = Field(
        description="The model's likeliest labels and the piece's own; none if it cannot judge."
    )
    is_confident: bool = Field(description="Whether confident learning finds the label wrong.")
    matches: list[Match] = Field(description="Other files with the same music, the closest first.")
    copies: list[str] = Field(
        default_factory=list, description="Paths of byte-identical files with the same label."
    )

    @property
    def reason(self) -> str:
        """The evidence in a line."""
        parts = []
        for match in self.matches[:2]:
            kind, _, facts = match.words.partition(": ")
            name = match.path.rsplit("/", 1)[-1]
            parts.append(f"{kind} as {name} ({match.label}{', ' * bool(facts)}{facts})")
        if self.opinions:
            opinions = ", ".join(f"{o.label} {o.probability:.2f}" for o in self.opinions[:3])
            parts.append(f"held-out model: {opinions}")
        return "; ".join(parts)


class Diagnosis(Document):
    """Suspected labels of a dataset version."""

    REMEDY: ClassVar[str] = "Run tunesmith datasets doctor again."

    dataset: str
    version: str
    pieces: int = Field(description="Labelled pieces.")
    judged: int = Field(description="Pieces that the model could judge.")
    labels_too_rare: list[str] = Field(
        description="Labels with too little music for the model; matches alone can find them."
    )
    family: str = Field(description="Model family; empty where no model could be trained.")
    folds: int
    estimated_errors: int | None = Field(
        description="Wrong labels that confident learning estimates among the judged pieces."
    )
    mixed_clusters: int = Field(description="Clusters of the same music with several labels.")
    suspicions: list[Suspicion]


def accepted_corrections(
    diagnosis: Diagnosis, numbers: Collection[int], earlier: AppliedCorrections | None
) -> list[Correction]:
    """Return the table that an ingest of the same sources applies.

    Corrections that the version was made with are part of it, so that the new table replaces the
    old one.

    Parameters
    ----------
    diagnosis
        The suspicions.
    numbers
        Numbers of those that are accepted.
    earlier
        Corrections that the version was made with.

    Raises
    ------
    UsageError
        If there is no suspicion of a number.
    """
    known = {suspicion.number: suspicion for suspicion in diagnosis.suspicions}
    if missing := sorted(set(numbers) - known.keys()):
        message = (
            f"There is no suspicion {', '.join(map(str, missing))}: {diagnosis.dataset} "
            f"{diagnosis.version} has the numbers 1 to {len(known)}."
        )
        raise UsageError(message)
    rows = {row.path: row for row in earlier_rows(earlier)}
    for number in sorted(set(numbers)):
        suspicion = known[number]
        for path in (suspicion.path, *suspicion.copies):
            before = rows[path].label_before if path in rows else suspicion.label
            rows[path] = Correction(
                path=path,
                label_before=before,
                label_after=suspicion.suggested,
                reason=suspicion.reason,
            )
    return list(rows.values())


def earlier_rows(earlier: AppliedCorrections | None) -> Sequence[Correction]:
    """Return the corrections that a version was made with, as rows of a new table."""
    if earlier is None:
        return []
    return [
        Correction(**row.model_dump(include=set(Correction.model_fields)))
        for row in earlier.applied
    ]
