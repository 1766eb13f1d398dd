"""Test items that a report shows: sure and right, sure and wrong, or unsure."""

from pydantic import Field

from tunesmith.artifacts.documents import Section, absent

__all__ = ["ChosenPicture", "ChosenSegment", "ChosenText", "Clip", "Mistake", "Pictures"]


class _Chosen(Section):
    kind: str = Field(description="sure and right, sure and wrong, or unsure.")
    id: str
    label: str
    answer: str


class ChosenSegment(_Chosen):
    """A chunk of a piece to look at."""

    index: int
    path: str
    start_s: float
    probabilities: dict[str, float]


class ChosenPicture(_Chosen):
    """A picture to look at, its pixels row by row, 0 to 255."""

    confidence: float
    pixels: tuple[int, ...]


class Pictures(Section):
    """Pictures to look at."""

    height: int
    width: int
    rows: tuple[ChosenPicture, ...]


class ChosenText(_Chosen):
    """A text to look at."""

    confidence: float
    text: str


class Clip(Section):
    """A segment of a piece to listen to."""

    start_s: float
    notes: tuple[tuple[float, float, int, int], ...] = Field(
        description="Onset after the start and length in seconds, pitch, and velocity of each."
    )


class Mistake(Section):
    """A test item whose prediction is wrong."""

    id: str
    path: str | None = Field(default=None, description="File of a piece of music.")
    cells: tuple[tuple[str, str], ...] = Field(
        default=(), description="Columns and texts by which a person knows the row of a table."
    )
    label: str
    answer: str
    confidence: float = Field(description="Probability of the answer.")
    of_label: float = Field(description="Probability of the true class.")
    starts_s: tuple[float, ...] = Field(
        default=(), description="Start of each segment of a piece, in seconds."
    )
    segments: tuple[str, ...] = Field(default=(), description="Prediction for each segment.")
    clip: Clip | None = absent("The segment in which the model is surest of the wrong answer.")
