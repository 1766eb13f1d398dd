"""Digests of the content of all files, which tell those that the prior version has.

The files of few sources are read in this process. Those of many are read by tasks of the cluster:
the driver would unpack them all, and list their archives once for each of its threads.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import numpy as np

from tunesmith.ingestion.archives import ArchiveError
from tunesmith.ingestion.assembly import FileRow
from tunesmith.ingestion.locations import ContentReader
from tunesmith.ingestion.parameters import IngestParameters
from tunesmith.ingestion.planning import Batch, plan_batches
from tunesmith.ingestion.processing import shared_reader
from tunesmith.ingestion.ray_data import results_of
from tunesmith.ingestion.sources import Entry, Reject

__all__ = ["DIVIDED_FROM", "digest_rows", "file_digests"]

DIVIDED_FROM = 20_000
"""Files from which on they are read by tasks."""
_N_THREADS = 4

_Outcome = tuple[str | None, dict[str, Any] | None]
"""Digest of a file, and the fields of a `Reject` where it cannot be read."""


def file_digests(
    entries: Sequence[Entry], parameters: IngestParameters, start_ray: Callable[[], object]
) -> dict[str, FileRow]:
    """Read and hash every file, so that unchanged ones are not decoded again.

    Parameters
    ----------
    entries
        Files to read.
    parameters
        Settings of the ingest.
    start_ray
        Called before work is divided over the cluster.

    Returns
    -------
    dict
        A row for each file, by path.
    """
    if len(entries) < DIVIDED_FROM:
        return _in_process(entries, parameters)
    start_ray()
    items = [{"batch": batch.to_json()} for batch in plan_batches(entries)]
    arguments = {"parameters": parameters.model_dump_json(), "run": uuid.uuid4().hex}
    rows: dict[str, FileRow] = {}
    for row in results_of(digest_rows, items, arguments):
        rows |= _rows_of(json.loads(row["digests"]))
    # The paths of the entries, and not equal ones beside them.
    return {entry.path: rows[entry.path] for entry in entries}


def digest_rows(rows: Any, parameters: str, run: str) -> Any:
    """Read and hash the files of one block of Ray Data.

    Parameters
    ----------
    rows
        Column ``batch``, each a `Batch` as JSON.
    parameters
        `IngestParameters` as JSON.
    run
        Id of this ingest: its archives stay open from one batch to the next.

    Returns
    -------
    dict
        Column ``digests``: for each batch, as JSON, the digest of each path and the fields of its
        reject, one of which is null.
    """
    reader = shared_reader(IngestParameters.model_validate_json(parameters), run)
    texts = []
    for text in rows["batch"]:
        batch = Batch.from_json(str(text))
        try:
            outcomes = {
                path: _outcome(path, location, reader)
                for path, location in zip(batch.paths, batch.locations, strict=True)
            }
        finally:
            reader.close(keep_outermost=True)
        texts.append(json.dumps(outcomes))
    return {"digests": np.array(texts, dtype=object)}


def _in_process(entries: Sequence[Entry], parameters: IngestParameters) -> dict[str, FileRow]:
    def digest(entries: Sequence[Entry]) -> dict[str, FileRow]:
        reader = ContentReader.of(parameters)
        try:
            return _rows_of({e.path: _outcome(e.path, e.location, reader) for e in entries})
        finally:
            reader.close()

    # Unpacking and hashing release the interpreter lock.
    with ThreadPoolExecutor(_N_THREADS) as pool:
        parts = pool.map(digest, (entries[i::_N_THREADS] for i in range(_N_THREADS)))
        return {path: row for part in parts for path, row in part.items()}


def _outcome(path: str, location: Sequence[str], reader: ContentReader) -> _Outcome:
    try:
        data = reader.read(location)
    except (ArchiveError, OSError) as error:
        return None, asdict(Reject.of(path, error))
    return hashlib.sha256(data).hexdigest(), None


def _rows_of(outcomes: dict[str, _Outcome]) -> dict[str, FileRow]:
    return {
        path: FileRow(sha256, None if reject is None else Reject(**reject))
        for path, (sha256, reject) in outcomes.items()
    }
