"""The work of one process: it loads the model once, and scores one block after the other."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tunesmith.artifacts.preparation import TablePreparation
from tunesmith.artifacts.store import Store, cannot_write
from tunesmith.datasets.index import SimilarityIndex, SimilarPiece
from tunesmith.datasets.learned import same_music
from tunesmith.datasets.reader import open_named
from tunesmith.errors import DatasetError, InputError, ModelError, StoreError, UsageError
from tunesmith.inference.batches import decode_each, predict_decoded
from tunesmith.inference.explain import Member, Reason, reasons
from tunesmith.inference.items import Item
from tunesmith.inference.model import Model
from tunesmith.inference.pieces import Piece
from tunesmith.inference.predictions import Prediction
from tunesmith.inference.tables import Row, text_of
from tunesmith.ingestion.archives import ArchiveError
from tunesmith.ingestion.isolation import MAX_CRASHES, CrashLog
from tunesmith.ingestion.locations import ContentReader
from tunesmith.ingestion.parameters import ArchiveLimits, ReadLimits
from tunesmith.ingestion.processing import DECODING_FAILURES
from tunesmith.scoring.blocks import Block, FileBlock, RowBlock, block_from_json
from tunesmith.scoring.choice import load, load_summary
from tunesmith.scoring.columns import Counts, Fault, Scored, score_table
from tunesmith.scoring.tables import read_rows

__all__ = ["MOST_REASONS", "Job", "Scorer", "part_file", "score_rows"]

MOST_REASONS = 5
"""Reasons of an answer that are kept: the strongest."""


def part_file(key: str) -> str:
    """Return the name of a block's file of scores."""
    return f"{key}.parquet"


@dataclass(frozen=True)
class Job:
    """The model and the folder, as each process needs to know them.

    Attributes
    ----------
    models
        URI of the store of the model.
    task, version, run_id
        The model: a promoted version, or the winner of a run where there is no version.
    scores
        URI of the store that gets the scores.
    staging
        Folder of the unfinished scores.
    id_column
        Column that identifies rows; none by default.
    compared_with
        Name and version of the dataset whose pieces each piece is compared with.
    reasons
        Whether each answer gets its strongest reasons.
    """

    models: str
    task: str
    version: int | None
    run_id: str
    scores: str
    staging: Sequence[str]
    id_column: str | None = None
    compared_with: str | None = None
    reasons: bool = False

    def to_json(self) -> str:
        """Return the job as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """Return the job from the text of `to_json`."""
        return cls(**json.loads(text))


class Scorer:
    """Scores blocks and writes a Parquet file of each.

    Parameters
    ----------
    job
        The model and the folder.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._store = Store(job.scores)
        self._staging = tuple(job.staging)
        self._limits = ArchiveLimits()
        # Listing a large archive takes long: it stays open from one block to the next.
        self._reader = ContentReader(self._limits, ReadLimits().max_bytes)

    @cached_property
    def _model(self) -> Model:
        job = self._job
        model = load(Store(job.models), job.task, job.version, job.run_id)
        # A model that cannot answer a plain item at all must not fail on each item alone.
        model.warm()
        return model

    @cached_property
    def _member(self) -> Member:
        job = self._job
        summary = load_summary(Store(job.models), job.task, job.version, job.run_id)
        return Member(self._model, summary)

    def close(self) -> None:
        """Close the archives."""
        self._reader.close()

    def score(self, block: Block) -> Counts:
        """Score a block and write its file; the file appears whole.

        Raises
        ------
        ModelError
            When the model cannot be loaded or run.
        StoreError
            When the file cannot be written, or rows that were copied are missing.
        """
        try:
            table = self.table(block)
            sink = pa.BufferOutputStream()
            pq.write_table(table, sink, compression="zstd", use_dictionary=["path", "label"])
            data = sink.getvalue().to_pybytes()
            self._store.write_bytes(data, *self._staging, part_file(block.key))
        except OSError as error:
            what = f"{block.key} cannot be scored into {self._store.shown}"
            raise cannot_write(what, error) from error
        return Counts.of(table)

    def table(self, block: Block) -> pa.Table:
        """Return the scores of a block."""
        if isinstance(block, FileBlock):
            items = list(self._files(block))
        elif isinstance(block, RowBlock):
            items = self._rows(block)
        else:
            faults = map(Fault, block.reasons, block.messages)
            items = [Scored(path, fault) for path, fault in zip(block.paths, faults, strict=True)]
        return score_table(
            items,
            self._model.classes,
            has_ids=self._job.id_column is not None,
            has_reasons=self._job.reasons,
        )

    def _files(self, block: FileBlock) -> Iterator[Scored]:
        model = self._model
        with CrashLog(self._store, (*self._staging, "work", "crashes", block.key)) as crash_log:
            try:
                for number, path in enumerate(block.paths):
                    if crash_log.begin(number):
                        yield self._file(path, block.locations[number], model)
                    else:
                        yield Scored(path, _CRASH)
            finally:
                self._reader.close(keep_outermost=True)

    def _file(self, path: str, location: Sequence[str], model: Model) -> Scored:
        try:
            content = self._reader.read(location)
        except (ArchiveError, OSError) as error:
            return Scored(path, Fault("unreadable", str(error)))
        sha256 = hashlib.sha256(content).hexdigest()
        raw = _as_text(content) if model.preparation.kind == "text" else content
        if isinstance(raw, Fault):
            return Scored(path, raw, sha256=sha256)
        try:
            decoded = decode_each(model, [raw])
            (outcome,) = predict_decoded(model, decoded)
            reasons = self._reasons(decoded[0], outcome)
        except (ModelError, *DECODING_FAILURES) as error:
            message = f"{type(error).__name__}: {error}"
            return Scored(path, Fault("not-answered", message), sha256=sha256)
        match = self._same_music(decoded[0])
        if match is not None and isinstance(outcome, Prediction):
            outcome = outcome.recognised(match.label)
        return Scored(
            path,
            _outcome(outcome),
            sha256=sha256,
            same_music_as=None if match is None else match.path,
            reasons=reasons,
        )

    def _reasons(
        self, item: Item | InputError, outcome: Prediction | InputError
    ) -> list[Reason] | None:
        if not self._job.reasons or isinstance(item, InputError):
            return None
        if isinstance(outcome, InputError):
            return None
        return reasons(item, [self._member], outcome.label)[:MOST_REASONS]

    def _same_music(self, item: Item | InputError) -> SimilarPiece | None:
        if self._own_pieces is None or not isinstance(item, Piece):
            return None
        return same_music(self._own_pieces, item.score.notes)

    @cached_property
    def _own_pieces(self) -> SimilarityIndex | None:
        if self._job.compared_with is None:
            return None
        try:
            return SimilarityIndex(open_named(Store(self._job.models), self._job.compared_with))
        except (DatasetError, UsageError) as error:
            raise StoreError(str(error)) from error

    def _rows(self, block: RowBlock) -> list[Scored]:
        model, id_column = self._model, self._job.id_column
        rows = read_rows(block, self._store, self._staging, self._wanted)
        decoded = decode_each(model, rows)
        outcomes = predict_decoded(model, decoded)
        return [
            Scored(
                block.path,
                _outcome(outcome),
                block.first + number,
                id=_id(row, id_column),
                reasons=self._reasons(item, outcome),
            )
            for number, (row, item, outcome) in enumerate(zip(rows, decoded, outcomes, strict=True))
        ]

    @cached_property
    def _wanted(self) -> frozenset[str]:
        """Columns of a table that the model or the scores use."""
        names = {self._job.id_column} if self._job.id_column else set()
        preparation = self._model.preparation
        if not isinstance(preparation, TablePreparation):
            return frozenset(names | {"text"})
        for column in preparation.columns:
            names |= {column.name, *column.features}
        return frozenset(names)


def score_rows(rows: Any, job: str) -> Any:
    """Score the blocks of one block of Ray Data.

    Parameters
    ----------
    rows
        Column ``block``, each as JSON.
    job
        `Job` as JSON.

    Returns
    -------
    dict
        Column ``outcome``: the counts of each block as JSON, or class and message of the error. An
        exception would reach the driver wrapped in a page of Ray's traceback.
    """
    scorer = _scorer(job)
    outcomes = [json.dumps(_outcome_of(scorer, str(text))) for text in rows["block"]]
    return {"outcome": np.array(outcomes, dtype=object)}


@lru_cache(maxsize=1)
def _scorer(job: str) -> Scorer:
    """Return the scorer that all blocks of a job share in this process."""
    return Scorer(Job.from_json(job))


def _outcome_of(scorer: Scorer, block: str) -> dict[str, object]:
    try:
        counts = scorer.score(block_from_json(block))
    except (ModelError, StoreError) as error:
        kind = ModelError if isinstance(error, ModelError) else StoreError
        return {"error": kind.__name__, "message": str(error)}
    return {
        "labels": counts.labels,
        "failures": counts.failures,
        "same_music": counts.same_music,
    }


_CRASH = Fault(
    "crash",
    f"Reading this file ended the process {MAX_CRASHES} times (crash or out of memory).",
)


def _outcome(answer: Prediction | InputError) -> Prediction | Fault:
    return Fault.of(answer) if isinstance(answer, InputError) else answer


def _id(row: Row, column: str | None) -> str | None:
    return None if column is None else text_of(row.get(column), ())


def _as_text(content: bytes) -> str | Fault:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Fault("invalid", f"The text is not UTF-8: {error}.")
