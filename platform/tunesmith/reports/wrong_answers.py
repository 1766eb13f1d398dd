"""Pieces with a wrong prediction: the ribbon of their segments, and what is heard of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from tunesmith.artifacts.reports import Mistake

__all__ = ["WrongAnswers"]


@dataclass(frozen=True)
class WrongAnswers:
    """Drawings and sounds beside the items.

    Attributes
    ----------
    mistakes
        Items with a wrong prediction.
    """

    mistakes: Sequence[Mistake]

    @property
    def has_ribbons(self) -> bool:
        """True where the items have segments."""
        return any(mistake.starts_s for mistake in self.mistakes)

    @property
    def clips(self) -> dict[str, Sequence[Sequence[float]]]:
        """Notes of the segment to listen to, by the id of its item."""
        return {mistake.id: mistake.clip.notes for mistake in self.mistakes if mistake.clip}

    @staticmethod
    def ribbon(mistake: Mistake) -> list[tuple[float, float, str]]:
        """Return the segments of a piece: start and width from 0 to 1, and kind."""
        starts = mistake.starts_s
        if not starts:
            return []
        # Segments have one length; the last is as long as the one before it.
        ends = [*starts[1:], starts[-1] + (starts[-1] - starts[-2] if len(starts) > 1 else 1.0)]
        kinds = {mistake.answer: "answer", mistake.label: "label"}
        return [
            (start / ends[-1], (end - start) / ends[-1], kinds.get(label, "other"))
            for start, end, label in zip(starts, ends, mistake.segments, strict=True)
        ]
