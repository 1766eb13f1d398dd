"""The nodes of this server: those of the configuration, and one for each task with a champion."""

from collections.abc import Mapping
from dataclasses import dataclass

from tunesmith.artifacts.preparation import Preparation
from tunesmith.serving.champions import Champion, Champions
from tunesmith.serving.http import problems
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.settings import RESERVED, NodeSettings, Settings

__all__ = ["Node", "Nodes"]


@dataclass(frozen=True)
class Node:
    """A node as it is now.

    Attributes
    ----------
    name
        It answers POST /v1/NAME.
    settings
        Its settings, the defaults for a node that the configuration does not name.
    champions
        The loaded models that it answers from.
    """

    name: str
    settings: NodeSettings
    champions: tuple[Champion, ...]

    @property
    def preparation(self) -> Preparation | None:
        """Preparation of its items; None before a model is loaded."""
        return self.champions[0].preparation if self.champions else None

    @property
    def public_preparation(self) -> Preparation | None:
        """Preparation of its items without the words of a vocabulary."""
        return self.champions[0].public_preparation if self.champions else None

    @property
    def reads(self) -> str | None:
        """Kind of its items; None where neither a model nor the configuration says it."""
        if self.preparation is not None:
            return self.preparation.kind
        return self.settings.reads

    @property
    def title(self) -> str:
        """One line for people, by the configuration or else the model's card."""
        given = self.champions[0].card.title if self.champions else None
        return self.settings.title or given or f"Classify by {self.name}"


class Nodes:
    """Looks nodes up.

    Parameters
    ----------
    settings
        The application's arguments.
    champions
        The loaded models.
    """

    def __init__(self, settings: Settings, champions: Champions) -> None:
        self._settings = settings
        self._champions = champions
        self._default = NodeSettings()

    def settings(self, name: str) -> NodeSettings:
        """Return the settings of a node, the defaults where the configuration has none."""
        return self._settings.nodes.get(name, self._default)

    def get(self, name: str) -> Node:
        """Return a node.

        Raises
        ------
        ProblemError
            ``unknown-route`` when the configuration does not name it and its task has no champion.
        """
        settings = self._settings.nodes.get(name)
        if settings is None and not self._is_served(name):
            known = ", ".join(self.all()) or "none yet"
            detail = (
                f"No classifier is named {name[:100]!r}; there are: {known}. A task is served once "
                "a model of it is promoted."
            )
            raise ProblemError(problems.UNKNOWN_ROUTE, detail)
        settings = settings or self._default
        loaded = (self._champions.find(member) for member in settings.ensemble or (name,))
        return Node(name, settings, tuple(champion for champion in loaded if champion is not None))

    def _is_served(self, task: str) -> bool:
        if self._settings.unlisted == "ignore" or task in RESERVED:
            return False
        return self._champions.find(task) is not None

    def all(self) -> Mapping[str, Node]:
        """Return every node by name: those of the configuration first, in its order."""
        others = sorted(
            task for task in self._champions.loaded() if task not in self._settings.nodes
        )
        names = [*self._settings.nodes, *filter(self._is_served, others)]
        return {name: self.get(name) for name in names}
