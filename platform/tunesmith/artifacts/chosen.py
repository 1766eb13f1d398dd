"""Test items that a report shows: sure and right, sure and wrong, or unsure."""

from pydantic import Field

from tunesmith.artifacts.documents import Section

__all__ = ["ChosenPicture", "ChosenSegment", "ChosenText", "Pictures"]


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
