"""The Ray Data pipeline from sources to a published dataset version.

::

    sources ──list──▶ entries ──plan──▶ batches ──Ray Data──▶ shards and rows
                                                       │
        version ◀──publish── manifest ◀──assemble── rows of all batches

Workers write the large tables themselves; the driver only ever holds one small row a file.
"""

import fcntl
import hashlib
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector

from tunesmith.datasets.manifest import (
    LATEST,
    MANIFEST,
    ROOT,
    Manifest,
    TableFile,
    check_name,
    dataset_versions,
    read_manifest,
)
from tunesmith.datasets.reader import Dataset
from tunesmith.datasets.schema import REJECTS, result_schema
from tunesmith.errors import DatasetError
from tunesmith.ingest import assembly
from tunesmith.ingest.archives import ArchiveError
from tunesmith.ingest.assembly import Account, FileRow
from tunesmith.ingest.labels import Labelled, label_entries
from tunesmith.ingest.parameters import IngestParameters
from tunesmith.ingest.planning import plan_batches, plan_key
from tunesmith.ingest.processing import Batch, process_rows
from tunesmith.ingest.shards import copy_shard
from tunesmith.ingest.sources import ContentReader, Entry, Listing, Reject, list_sources
from tunesmith.midi.composers import ComposerTable
from tunesmith.midi.features import FEATURE_NAMES
from tunesmith.store import Staging, Store

__all__ = ["Inventory", "Progress", "ingest", "take_inventory"]

_log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with the number of files done and of all."""


@dataclass(frozen=True)
class Inventory:
    """What the sources hold, labelled, before any file is read.

    Attributes
    ----------
    labelled
        Files that would be read, in order of path.
    unlisted
        Files that cannot even be listed.
    listing
        The listing they are from.
    unwanted
        Number of files left out because their label was not asked for.
    """

    labelled: list[Labelled]
    unlisted: list[Reject]
    listing: Listing
    unwanted: int


def take_inventory(sources: Sequence[str], parameters: IngestParameters) -> Inventory:
    """List and label the sources; this is all that a dry run does.

    Raises
    ------
    UsageError
        When a source does not exist, a label rule cannot be used, or a composer that was asked
        for is not there (the message lists the nearest that are).
    """
    listing = list_sources(sources, parameters.archives)
    table = ComposerTable.load(parameters.composer_table)
    labelled = label_entries(listing.entries, parameters.label, table)
    if not parameters.composers:
        return Inventory(labelled, listing.rejects, listing, 0)
    present = {file.label for file in labelled if file.label is not None}
    wanted = set(table.require(parameters.composers, present))
    chosen = [file for file in labelled if file.label in wanted]
    return Inventory(chosen, listing.rejects, listing, len(labelled) - len(chosen))


def ingest(
    store: Store,
    sources: Sequence[str],
    name: str,
    parameters: IngestParameters | None = None,
    *,
    start_ray: Callable[[], object] = lambda: None,
    on_progress: Progress = lambda *_: None,
) -> Manifest:
    """Turn sources into a published dataset version, reading only what is new.

    Parameters
    ----------
    store
        Where the version goes.
    sources
        Folders, files, archives, globs and URIs.
    name
        Name of the dataset.
    parameters
        What to make of the files.
    start_ray
        Called once, before the first task; not called when nothing is left to read.
    on_progress
        Called whenever a batch is done.

    Returns
    -------
    Manifest
        Of the new version; of the existing one where the same inputs were ingested before.

    Raises
    ------
    UsageError
        When the sources or options make no sense.
    DatasetError
        When too many files are rejected, or another ingest of this dataset is running.
    """
    parameters = parameters or IngestParameters()
    check_name(name)
    inventory = take_inventory(sources, parameters)
    with _only_one(store, name):
        prior = _prior(store, name, parameters)
        known = _Known.of(prior)
        rows = _digests(inventory, parameters) if prior else {}
        if (
            prior
            and assembly.inputs_hash(
                parameters.processing_key(), inventory.labelled, rows, inventory.unlisted
            )
            == prior.manifest.inputs_hash
        ):
            _log.info("%s is unchanged: version %s", name, prior.version)
            _point_latest(store, prior.manifest)
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
        with store.staging(ROOT, name, key=key) as staging:
            batches = plan_batches(fresh, known.n_shards)
            _run(batches, parameters, staging, start_ray=start_ray, on_progress=on_progress)
            for batch in batches:
                rows |= _file_rows(staging, batch.key)
            return _Version(
                store, name, parameters, inventory, rows, staging, prior, batches
            ).publish()


def _prior(store: Store, name: str, parameters: IngestParameters) -> Dataset | None:
    """Return the newest version whose pieces can be used again."""
    manifests = [read_manifest(store, name, v) for v in dataset_versions(store, name)]
    usable = [m for m in manifests if m.processing_key == parameters.processing_key()]
    return Dataset(store, max(usable, key=lambda m: m.created)) if usable else None


@dataclass(frozen=True)
class _Known:
    """Contents that need not be decoded again."""

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
            if row["sha256"] is not None
        }
        names = [file.path for file in prior.manifest.tables["chunks"]]
        numbers = [int(name.rsplit("-", 1)[1].removesuffix(".parquet")) for name in names]
        return cls(frozenset(pieces), rejects, max(numbers, default=-1) + 1)


def _digests(inventory: Inventory, parameters: IngestParameters) -> dict[str, FileRow]:
    """Read every file for its digest: what has not changed is not decoded again."""
    entries = [file.entry for file in inventory.labelled]

    def digest(part: Sequence[Entry]) -> dict[str, FileRow]:
        reader = ContentReader(parameters.archives, parameters.limits.max_bytes)
        rows = {}
        try:
            for entry in part:
                try:
                    data = reader.read(entry.location)
                except (ArchiveError, OSError) as error:
                    rows[entry.path] = FileRow(None, Reject.of(entry.path, error))
                else:
                    rows[entry.path] = FileRow(hashlib.sha256(data).hexdigest(), None)
        finally:
            reader.close()
        return rows

    # Unpacking and hashing leave the interpreter free for another thread.
    n_threads = 4
    with ThreadPoolExecutor(n_threads) as pool:
        parts = pool.map(digest, (entries[i::n_threads] for i in range(n_threads)))
        return {path: row for part in parts for path, row in part.items()}


def _run(
    batches: Sequence[Batch],
    parameters: IngestParameters,
    staging: Staging,
    *,
    start_ray: Callable[[], object],
    on_progress: Progress,
) -> None:
    """Process the batches that have no rows yet."""
    finished = set(staging.store.list(*staging.parts, "work", "files"))
    left = [batch for batch in batches if f"{batch.key}.parquet" not in finished]
    n_files = sum(len(batch.paths) for batch in batches)
    done = n_files - sum(len(batch.paths) for batch in left)
    on_progress(done, n_files)
    if not left:
        return
    start_ray()
    for n_done in _map_batches(left, parameters, staging):
        done += n_done
        on_progress(done, n_files)


def _map_batches(
    batches: Sequence[Batch], parameters: IngestParameters, staging: Staging
) -> Iterator[int]:
    """Yield the number of files of each batch as the cluster finishes it."""
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    items = [{"batch": batch.to_json()} for batch in batches]
    dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        process_rows,  # type: ignore[arg-type]  # Ray's type leaves out fn_kwargs
        batch_size=None,
        fn_kwargs={
            "parameters": parameters.model_dump_json(),
            "store": staging.store.uri,
            "staging": list(staging.parts),
        },
        num_cpus=1,
    )
    for row in dataset.iter_rows():
        yield int(row["n_files"])


def _file_rows(staging: Staging, key: str) -> dict[str, FileRow]:
    table = _read(staging.store, staging.path("work", "files", f"{key}.parquet"))
    rows = {}
    for row in table.to_pylist():
        reject = Reject(**row) if row["error"] is not None else None
        rows[row["path"]] = FileRow(row["sha256"], reject)
    return rows


def _read(store: Store, path: str, columns: Sequence[str] | None = None) -> pa.Table:
    with store.fs.open_input_file(path) as handle:
        return pq.read_table(handle, columns=columns)


@dataclass(frozen=True)
class _Version:
    """A version between its rows and its publication."""

    store: Store
    name: str
    parameters: IngestParameters
    inventory: Inventory
    rows: Mapping[str, FileRow]
    staging: Staging
    prior: Dataset | None
    batches: Sequence[Batch]

    def publish(self) -> Manifest:
        account = assembly.account_for(self.inventory.labelled, self.rows, self.inventory.unlisted)
        assembly.check_losses(account, self.parameters.loss_budget)
        results = self._results(account)
        clusters = assembly.clusters_of(results)
        pieces = assembly.piece_table(account, results, clusters)
        tables = {
            "pieces": [self._write("pieces", pieces)],
            **{
                table: [self._write(table, content)]
                for table, content in assembly.small_tables(account, results).items()
            },
            **self._shards(set(pieces["piece_id"].to_pylist())),
        }
        n_notes = sum(pieces["n_notes"].to_pylist())
        manifest = self._manifest(account, pieces, n_notes, tables)
        self.staging.write_json(manifest.model_dump(mode="json"), MANIFEST)
        self.store.remove(*self.staging.parts, "work")
        self.staging.publish(ROOT, self.name, manifest.version, marker=MANIFEST)
        _point_latest(self.store, manifest)
        return read_manifest(self.store, self.name, manifest.version)

    def _results(self, account: Account) -> pa.Table:
        """Return the row of every kept piece, in order of path."""
        schema = result_schema()
        parts = [
            _read(self.store, self.staging.path("work", "results", f"{batch.key}.parquet"))
            for batch in self.batches
        ]
        if self.prior is not None:
            # Both tables are in the same order: they were made from the same rows.
            known = self.prior.table("pieces").append_column(
                "fingerprint", self.prior.table("fingerprints", ["fingerprint"])["fingerprint"]
            )
            parts.append(known.select(schema.names).cast(schema))
        every = pa.concat_tables(parts)
        row_of = {sha256: row for row, sha256 in enumerate(every["sha256"].to_pylist())}
        return every.take([row_of[sha256] for _, sha256 in account.kept])

    def _write(self, table: str, content: pa.Table) -> TableFile:
        return _write_table(self.staging, f"{table}/part-00000.parquet", content)

    def _shards(self, kept: Iterable[str]) -> dict[str, list[TableFile]]:
        """Bring every shard of chunks and notes into place, holding each kept piece once."""
        left = set(kept)
        placed: dict[str, list[TableFile]] = {"chunks": [], "notes": []}
        for shard_name, folder, pieces in self._shard_contents():
            wanted = left & pieces
            left -= wanted
            for table, files in placed.items():
                source = self.store.path(*folder, table, shard_name)
                target = self.staging.path(table, shard_name)
                if wanted == pieces and source != target:
                    self.store.fs.create_dir(self.staging.path(table), recursive=True)
                    self.store.fs.copy_file(source, target)
                elif wanted and wanted != pieces:
                    copy_shard(self.store, source, target, wanted, uuid.uuid4().hex)
                if wanted:
                    files.append(_describe(self.staging, f"{table}/{shard_name}"))
        for table, files in placed.items():
            self._keep_only(table, {file.path for file in files})
        return placed

    def _shard_contents(self) -> Iterator[tuple[str, tuple[str, ...], set[str]]]:
        """Yield the name and folder of every shard, and which pieces it holds."""
        if self.prior is not None:
            folder = (ROOT, self.name, self.prior.version)
            for file in self.prior.manifest.tables["notes"]:
                ids = _read(self.store, self.store.path(*folder, file.path), ["piece_id"])
                yield file.path.rsplit("/", 1)[1], folder, set(ids["piece_id"].to_pylist())
        for batch in self.batches:
            name = f"{batch.key}.parquet"
            ids = _read(self.store, self.staging.path("work", "results", name), ["piece_id"])
            yield name, self.staging.parts, set(ids["piece_id"].to_pylist())

    def _keep_only(self, table: str, paths: set[str]) -> None:
        """Remove what killed attempts left behind."""
        folder = self.staging.path(table)
        for info in self.store.fs.get_file_info(FileSelector(folder, allow_not_found=True)):
            if f"{table}/{info.base_name}" not in paths:
                self.store.fs.delete_file(info.path)

    def _manifest(
        self,
        account: Account,
        pieces: pa.Table,
        n_notes: int,
        tables: dict[str, list[TableFile]],
    ) -> Manifest:
        parameters = self.parameters
        key = parameters.processing_key()
        digest = assembly.content_hash(key, pieces, account)
        labels = Counter(label for label in pieces["label"].to_pylist() if label is not None)
        clusters = pieces["cluster"].to_numpy()
        listing = self.inventory.listing
        return Manifest(
            name=self.name,
            version=digest[:12],
            created=datetime.now(UTC).isoformat(timespec="milliseconds"),
            parameters={**parameters.model_dump(mode="json"), "hop_frames": parameters.hop},
            sources=listing.sources,
            content_hash=digest,
            inputs_hash=assembly.inputs_hash(
                key, self.inventory.labelled, self.rows, self.inventory.unlisted
            ),
            counts=assembly.count(
                account, pieces, listing.ignored.total() + self.inventory.unwanted, n_notes
            ),
            labels=dict(sorted(labels.items())),
            feature_names=list(FEATURE_NAMES),
            leak=assembly.leak_report(pieces["label"].to_pylist(), clusters),
            tables=tables,
            columns=self._columns(tables),
            code_version=version("tunesmith"),
            processing_key=key,
        )

    def _columns(self, tables: dict[str, list[TableFile]]) -> dict[str, dict[str, str]]:
        schemas = {}
        for table, files in tables.items():
            with self.store.fs.open_input_file(self.staging.path(files[0].path)) as handle:
                schema = pq.ParquetFile(handle).schema_arrow
            schemas[table] = {field.name: str(field.type) for field in schema}
        return schemas


def _write_table(staging: Staging, path: str, table: pa.Table) -> TableFile:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    staging.write_bytes(sink.getvalue().to_pybytes(), *path.split("/"))
    return _describe(staging, path)


def _describe(staging: Staging, path: str) -> TableFile:
    where = staging.path(path)
    info = staging.store.fs.get_file_info(where)
    with staging.store.fs.open_input_file(where) as handle:
        rows = pq.ParquetFile(handle).metadata.num_rows
    return TableFile(path=path, rows=rows, bytes=info.size)


def _point_latest(store: Store, manifest: Manifest) -> None:
    latest = {"version": manifest.version}
    if not store.exists(ROOT, manifest.name, LATEST) or (
        store.read_json(ROOT, manifest.name, LATEST) != latest
    ):
        store.write_json(latest, ROOT, manifest.name, LATEST)


@contextmanager
def _only_one(store: Store, name: str) -> Iterator[None]:
    """Hold a dataset's lock; the system lets go of it however the process ends.

    Object stores have no locks: there two ingests of one name at once both do the work, and one
    of the equal results stays.
    """
    if not store.is_local:
        yield
        return
    folder = store.local_path(ROOT, name)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"Another ingest of {name} into {store.uri} is running. Wait until it is done."
            raise DatasetError(msg) from None
        yield
