"""Scores of many items by a model of the store."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.api.extras import needs
from tunesmith.api.html import facts_html
from tunesmith.api.progress import Progress, silent
from tunesmith.api.stores import AnyStore, open_store
from tunesmith.artifacts.store import Store
from tunesmith.cluster.connection import connect
from tunesmith.scoring import pipeline
from tunesmith.scoring.choice import choose
from tunesmith.scoring.documents import Summary
from tunesmith.scoring.target import Target

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Scores", "score"]


class Scores:
    """A folder of scores: a row per item, with its label or the reason why it has none.

    Attributes
    ----------
    location
        Path or URI of the folder.
    summary
        Counts by label and reason, the model and the sources.
    """

    def __init__(self, location: str, summary: Summary) -> None:
        self.location, self.summary = location, summary

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """All rows as one table."""
        import pyarrow.parquet as pq

        target = Target.at(self.location)
        store: Store = target.store
        frame: pd.DataFrame = pq.read_table(
            store.path(target.name), filesystem=store.fs
        ).to_pandas()
        return frame

    def __repr__(self) -> str:
        of = self.summary
        return f"Scores({self.location!r}, {of.model}: {of.scored:,} of {of.found:,} scored)"

    def _repr_html_(self) -> str:
        of = self.summary
        facts = [
            ("scored", f"{of.scored:,} of {of.found:,}"),
            *((label, f"{number:,}") for label, number in of.labels.items()),
            *((f"failed: {reason}", f"{number:,}") for reason, number in of.failures.items()),
        ]
        return facts_html(f"{self.location}: {of.model}", facts[:20])


@needs("tunesmith.score", "train")
def score(
    sources: str | Path | Sequence[str | Path],
    *,
    task: str,
    out: str | Path,
    model: int | str | None = None,
    run: str | None = None,
    id_column: str | None = None,
    reasons: bool = False,
    address: str | None = None,
    store: AnyStore | None = None,
    progress: Progress = silent,
) -> Scores:
    """Classify all items of folders, archives, tables or URIs into a folder of Parquet files.

    After an interruption the same call continues. Called again it does nothing.

    Parameters
    ----------
    sources
        One source or several.
    task
        Task whose model answers.
    out
        Folder or URI that gets the scores.
    model
        Number of a promoted version, or ``champion``, ``previous`` or ``challenger``; the champion
        by default.
    run
        Name of a run whose winner answers, promoted or not.
    id_column
        Column of tables to copy to the column ``id`` of the scores.
    reasons
        Whether to add a column ``reasons``: what spoke for and against each label.
    address
        Ray cluster to join; by default the one that ``RAY_ADDRESS`` names, else Ray starts on this
        machine and stays until the program ends or calls ``ray.shutdown()``.
    store
        A folder, URI or store; see `open_store`.
    progress
        Called with each line of progress, such as ``print``; silent by default.

    Returns
    -------
    Scores
        The rows as a table, and the counts.

    Raises
    ------
    UsageError
        When a source is invalid or holds no item, `out` holds other scores, or the model gives no
        reasons.
    StoreError
        When there is no such model, or the scores cannot be written.

    Examples
    --------
    >>> import tunesmith
    >>> scores = tunesmith.score("my-midi/", task="composer", out="scores/")  # doctest: +SKIP
    >>> scores.frame["label"].value_counts()  # doctest: +SKIP
    """
    named = [sources] if isinstance(sources, str | Path) else sources
    location = str(out)
    summary = pipeline.score(
        choose(open_store(store), task, model, run),
        [str(source) for source in named],
        location,
        id_column=id_column,
        with_reasons=reasons,
        start_ray=lambda: connect(address),
        on_progress=lambda done, total, _: progress(f"{done} of {total} items"),
        say=progress,
    )
    return Scores(location, summary)
