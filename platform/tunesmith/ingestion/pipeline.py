"""Ray Data pipeline from sources to a published dataset version.

::

    sources ──list──▶ entries ──plan──▶ batches ──Ray Data──▶ shards and rows
                                                       │
        version ◀──publish── manifest ◀──assemble── rows of all batches

Workers write the large tables; the driver holds only one small row per file.
"""

import functools
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tunesmith.artifacts import layout
from tunesmith.artifacts.locks import only_one
from tunesmith.artifacts.manifest import (
    Manifest,
    check_name,
    point_latest,
    readable_manifests,
)
from tunesmith.artifacts.store import Staging, Store
from tunesmith.datasets.index import FOLDER
from tunesmith.datasets.reader import Dataset
from tunesmith.datasets.schema import REJECTS
from tunesmith.errors import DatasetError, StoreError
from tunesmith.ingestion import assembly
from tunesmith.ingestion.assembly import FileRow
from tunesmith.ingestion.digests import file_digests
from tunesmith.ingestion.inventory import take_inventory
from tunesmith.ingestion.parameters import IngestParameters
from tunesmith.ingestion.planning import Batch, plan_batches, plan_key
from tunesmith.ingestion.processing import process_rows
from tunesmith.ingestion.publishing import Version, file_rows
from tunesmith.ingestion.ray_data import results_of
from tunesmith.ingestion.sources import Reject

__all__ = ["Progress", "ingest"]

_log = logging.getLogger(__name__)
_FINAL_STAGES = {"read", "limits", "parse"}

Progress = Callable[[int, int], None]
"""Called with the number of finished files and of all files."""


def ingest(
    store: Store,
    sources: Sequence[str],
    name: str,
    parameters: IngestParameters | None = None,
    *,
    start_ray: Callable[[], object] = lambda: None,
    on_progress: Progress = lambda *_: None,
) -> Manifest:
    """Turn sources into a published dataset version; only new files are decoded.

    Parameters
    ----------
    store
        Store that gets the version.
    sources
        Folders, files, archives, globs and URIs.
    name
        Name of the dataset.
    parameters
        Settings of the ingest.
    start_ray
        Called once, before the first task; not called if there is nothing to decode, and too few
        files to divide other work over the cluster.
    on_progress
        Called after each batch.

    Returns
    -------
    Manifest
        Manifest of the new version, or of the existing one with the same inputs.

    Raises
    ------
    UsageError
        If a source or an option is invalid.
    DatasetError
        If too many files are rejected, or another ingest of this dataset is running.
    """
    parameters = parameters or IngestParameters()
    start_ray = functools.cache(start_ray)
    check_name(name)
    inventory = take_inventory(sources, parameters)
    lock = only_one(store, *layout.dataset(name), work=f"ingest of {name}", error=DatasetError)
    with lock:
        prior = _prior(store, name, parameters)
        known = _Known.of(prior)
        entries = [file.entry for file in inventory.labelled] if prior else []
        rows = file_digests(entries, parameters, start_ray)
        if (
            prior
            and assembly.inputs_hash(
                parameters.processing_key(),
                inventory.labelled,
                rows,
                inventory.unlisted,
                inventory.corrections,
            )
            == prior.manifest.inputs_hash
        ):
            _log.info("%s is unchanged: version %s", name, prior.version)
            point_latest(store, name, prior.version)
            return prior.manifest
        fresh = []
        for file in inventory.labelled:
            row = rows.get(file.entry.path)
            rejected = known.rejects.get(row.sha256 or "") if row else None
            if row is not None and rejected is not None:
                rows[file.entry.path] = FileRow(row.sha256, replace(rejected, path=file.entry.path))
            elif row is None or (row.reject is None and row.sha256 not in known.pieces):
                fresh.append(file.entry)
        key = plan_key(fresh, parameters.processing_key(), prior.version if prior else "")
        with store.staging(*layout.dataset(name), key=key) as staging:
            batches = plan_batches(fresh, known.n_shards)
            _run(batches, parameters, staging, start_ray=start_ray, on_progress=on_progress)
            for batch in batches:
                results = file_rows(staging, batch.key)
                # By the paths that the inventory holds: equal ones would stay beside them.
                rows |= {path: results[path] for path in batch.paths}
            return Version(
                store, name, parameters, inventory, rows, staging, prior, batches, start_ray
            ).publish()


def _prior(store: Store, name: str, parameters: IngestParameters) -> Dataset | None:
    """Return the newest version whose pieces can be reused, if any."""
    key = parameters.processing_key()
    usable = [m for m in readable_manifests(store, name) if m.processing_key == key]
    return Dataset(store, usable[-1]) if usable else None


@dataclass(frozen=True)
class _Known:
    """Contents of the prior version that need not be decoded again."""

    pieces: frozenset[str]
    rejects: Mapping[str, Reject]
    n_shards: int

    @classmethod
    def of(cls, prior: Dataset | None) -> "_Known":
        if prior is None:
            return cls(frozenset(), {}, 0)
        pieces = prior.table("pieces", ["sha256"])["sha256"].to_pylist()
        rejects = {
            row["sha256"]: Reject(**row)
            for row in prior.table("rejects", REJECTS.names).to_pylist()
            # A MidiError is final; after any other error the file is tried again.
            if row["sha256"] is not None and row["stage"] in _FINAL_STAGES
        }
        names = [file.path for file in prior.manifest.tables["chunks"]]
        numbers = [int(name.rsplit("-", 1)[1].removesuffix(".parquet")) for name in names]
        return cls(frozenset(pieces), rejects, max(numbers, default=-1) + 1)


def _run(
    batches: Sequence[Batch],
    parameters: IngestParameters,
    staging: Staging,
    *,
    start_ray: Callable[[], object],
    on_progress: Progress,
) -> None:
    """Process the batches that have no rows yet."""
    pending = _unfinished(batches, staging)
    n_files = sum(len(batch.paths) for batch in batches)
    done = n_files - sum(len(batch.paths) for batch in pending)
    on_progress(done, n_files)
    if not pending:
        return
    start_ray()
    for n_done in _map_batches(pending, parameters, staging):
        done += n_done
        on_progress(done, n_files)
    if lost := _unfinished(pending, staging):
        msg = (
            f"{len(lost)} of {len(pending)} batches wrote nothing to {staging.store.shown}. "
            "Every node of the cluster must reach the store: use a shared folder, or s3://…"
        )
        raise DatasetError(msg)


def _unfinished(batches: Sequence[Batch], staging: Staging) -> list[Batch]:
    """Return the batches that are not finished."""
    # Rows are written last, but a worker that outlived its job may have written rows alone.
    keys = []
    for folder in ("chunks", "notes", FOLDER, "work/results", "work/files"):
        names = staging.store.list(*staging.parts, *folder.split("/"))
        keys.append({name.rsplit(".", 1)[0] for name in names})
    finished = set.intersection(*keys)
    return [batch for batch in batches if batch.key not in finished]


def _map_batches(
    batches: Sequence[Batch], parameters: IngestParameters, staging: Staging
) -> Iterator[int]:
    """Yield the number of files of each batch as the cluster finishes it.

    Raises
    ------
    StoreError
        If a worker cannot write to the store.
    """
    items = [{"batch": batch.to_json()} for batch in batches]
    arguments = {
        "parameters": parameters.model_dump_json(),
        "store": staging.store.uri,
        "staging": list(staging.parts),
        "run": uuid.uuid4().hex,
    }
    for row in results_of(process_rows, items, arguments):
        if row["error"]:
            raise StoreError(row["error"])
        yield int(row["n_files"])
