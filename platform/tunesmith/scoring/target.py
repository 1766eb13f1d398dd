"""The place of the scores: what is there already, finished or not, and whether it may continue."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tunesmith.artifacts.store import Store
from tunesmith.artifacts.uris import without_credentials
from tunesmith.errors import UsageError
from tunesmith.ingestion.locations import base_name, parent_of
from tunesmith.scoring.documents import PLAN, SUMMARY, Plan, Summary

__all__ = ["Target"]


@dataclass(frozen=True)
class Target:
    """A folder that gets scores.

    Attributes
    ----------
    location
        Its path or URI.
    store
        Store of the folder above it.
    name
        Its name.
    """

    location: str
    store: Store
    name: str

    @classmethod
    def at(cls, location: str) -> "Target":
        """Return the target at a path or URI.

        Raises
        ------
        UsageError
            When it is the root of a bucket or of the disk.
        """
        parent, name = parent_of(location), base_name(location)
        if not parent or name in {"", ".", ".."}:
            message = (
                f"{without_credentials(location)!r} cannot hold scores: name a folder that does "
                "not exist yet, such as scores/ or s3://bucket/scores."
            )
            raise UsageError(message)
        return cls(location, Store(parent), name)

    @property
    def shown(self) -> str:
        """Its path or URI for people."""
        return without_credentials(self.location)

    @property
    def key(self) -> str:
        """Key of the folder of the unfinished scores."""
        return f"score-{self.name}"

    @property
    def staging(self) -> str:
        """Name of the folder of the unfinished scores."""
        return f".staging-{self.key}"

    @property
    def folders(self) -> tuple[str, str]:
        """Paths or URIs of the scores, finished and not."""
        base = parent_of(self.location).split("?")[0]
        return f"{base}/{self.name}", f"{base}/{self.staging}"

    def summary(self) -> Summary | None:
        """Return the summary of the finished scores; None where there are none.

        Raises
        ------
        UsageError
            When something else is there.
        """
        if not self.store.exists(self.name):
            return None
        if self.store.exists(self.name, SUMMARY):
            return Summary.read(self.store, self.name, SUMMARY)
        if self.store.list(self.name):
            message = f"{self.shown} exists and holds no scores. Choose another --out."
            raise UsageError(message)
        self.store.remove(self.name)
        return None

    def unfinished(self) -> Plan | None:
        """Return the plan, or already the summary, of scores that are not published yet."""
        if self.store.exists(self.staging, SUMMARY):
            return Summary.read(self.store, self.staging, SUMMARY)
        if self.store.exists(self.staging, *PLAN.split("/")):
            return Plan.read(self.store, self.staging, *PLAN.split("/"))
        return None

    def discard(self) -> None:
        """Remove the scores, finished or not.

        Raises
        ------
        UsageError
            When something else is there.
        """
        if self.summary() is not None:
            self.store.remove(self.name)
        # All but the lock that this process holds.
        for name in self.store.list(self.staging):
            self.store.remove(self.staging, name)

    @contextmanager
    def tidied(self) -> Iterator[None]:
        """Remove the folder of the unfinished scores, in the end, where nothing is in it."""
        try:
            yield
        finally:
            if not self.store.list(self.staging):
                self.store.remove(self.staging)

    def refuse_other(self, found: Plan, wanted: Plan) -> None:
        """Refuse to mix the scores that are there with others.

        Raises
        ------
        UsageError
            When they were made by another model, of other items, with another ``--id-column``, with
            or without reasons, or beside another dataset.
        """
        if found.key == wanted.key:
            return
        finished = isinstance(found, Summary)
        state = "holds the scores" if finished else "holds unfinished scores"
        if found.model != wanted.model:
            difference = f"by {found.model}, and the model is now {wanted.model}"
            again = f"Use the same model: {found.model.option}"
        elif found.id_column != wanted.id_column:
            difference = f"with --id-column {found.id_column}, and it is now {wanted.id_column}"
            again = "Use the same --id-column"
        elif found.reasons != wanted.reasons:
            difference = f"with{'' if found.reasons else 'out'} reasons"
            again = f"{'Use' if found.reasons else 'Leave out'} --reasons"
        elif found.compared_with != wanted.compared_with:
            others = [plan.compared_with or "no dataset" for plan in (found, wanted)]
            difference = f"compared with {others[0]}, and now it would be {others[1]}"
            again = "Bring the dataset back" if found.compared_with else ""
        elif found.sources != wanted.sources:
            difference = f"of {', '.join(found.sources)}, and these are other sources"
            again = "Use the same sources"
        else:
            difference = "of files that have changed since"
            again = ""
        continuing = f"{again}, or choose" if again else "Choose"
        message = (
            f"{self.shown} {state} {difference}. {continuing} another --out, or remove what is "
            "there with --discard."
        )
        raise UsageError(message)
