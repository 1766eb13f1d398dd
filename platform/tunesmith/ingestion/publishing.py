"""Assemble the rows and shards of all batches into a published version."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector

from tunesmith.artifacts import layout
from tunesmith.artifacts.manifest import Manifest, TableFile, point_latest, read_manifest
from tunesmith.artifacts.store import Staging, Store
from tunesmith.datasets.index import FOLDER, index_file, part_of_notes
from tunesmith.datasets.reader import Dataset, note_arrays
from tunesmith.ingestion import assembly
from tunesmith.ingestion.assembly import Account, FileRow
from tunesmith.ingestion.inventory import Inventory
from tunesmith.ingestion.notices import mixture_notices, unread_notices
from tunesmith.ingestion.parameters import IngestParameters
from tunesmith.ingestion.parquet_files import described, read_table, write_table
from tunesmith.ingestion.piece_tables import piece_tables
from tunesmith.ingestion.planning import Batch, Part, group_parts, plan_batches
from tunesmith.ingestion.shards import Shard, place_file, place_shard
from tunesmith.ingestion.sources import Reject
from tunesmith.midi.features import FEATURE_NAMES

__all__ = ["Version", "file_rows"]


@dataclass(frozen=True)
class Version:
    """A dataset version that is being published.

    Attributes
    ----------
    store, name, parameters
        As given to `tunesmith.ingestion.pipeline.ingest`.
    inventory
        Files of the sources.
    rows
        Result of reading each file, by path.
    staging
        Folder with the shards and rows of `batches`, in which the version is built.
    prior
        Version whose pieces are reused.
    batches
        Processed batches.
    start_ray
        Called before work is divided over the cluster.
    """

    store: Store
    name: str
    parameters: IngestParameters
    inventory: Inventory
    rows: Mapping[str, FileRow]
    staging: Staging
    prior: Dataset | None
    batches: Sequence[Batch]
    start_ray: Callable[[], object] = lambda: None

    def publish(self) -> Manifest:
        """Assemble the tables and publish the version.

        Raises
        ------
        DatasetError
            If more files were rejected than the loss budget allows.
        """
        account = assembly.account_for(self.inventory.labelled, self.rows, self.inventory.unlisted)
        assembly.check_losses(account, self.parameters.loss_budget)
        results = [
            self.staging.path("work", "results", f"{batch.key}.parquet") for batch in self.batches
        ]
        written = piece_tables(self.staging, results, self.prior, account, self.start_ray)
        pieces = written.pieces
        small = assembly.small_tables(account, written.links)
        tables = {
            **written.files,
            **{table: [self._write(table, content)] for table, content in small.items()},
            **self._shards(account),
        }
        n_notes = sum(pieces["n_notes"].to_pylist())
        manifest = self._manifest(account, pieces, n_notes, tables)
        manifest.write(self.staging, layout.MANIFEST)
        # An interruption after this point starts again from the files, as shards may be merged.
        self.store.remove(*self.staging.parts, "work")
        for table in ("chunks", "notes", "pieces", "fingerprints"):
            self._keep_only(table, {file.path for file in tables[table]})
        notes_files = [file.path.rsplit("/", 1)[1] for file in tables["notes"]]
        self._keep_only(FOLDER, {f"{FOLDER}/{index_file(name)}" for name in notes_files})
        place = layout.dataset_version(self.name, manifest.version)
        self.staging.publish(*place, marker=layout.MANIFEST)
        point_latest(self.store, self.name, manifest.version)
        return read_manifest(self.store, self.name, manifest.version)

    def _write(self, table: str, content: pa.Table) -> TableFile:
        path = f"{table}/part-00000.parquet"
        write_table(self.staging, path, content)
        return described(self.staging, path)

    def _shards(self, account: Account) -> dict[str, list[TableFile]]:
        """Write the shards of chunks and notes, with each kept piece exactly once."""
        missing = {sha256[:16] for _, sha256 in account.kept}
        parts = []
        for source in self._sources():
            wanted = missing & source.pieces
            missing -= wanted
            if wanted:
                parts.append(replace(source, wanted=frozenset(wanted)))
        ideal = len(plan_batches([file.entry for file, _ in account.kept]))
        placed: dict[str, list[TableFile]] = {"chunks": [], "notes": []}
        for name, members in group_parts(parts, ideal):
            for table, files in placed.items():
                target = self.staging.path(table, name)
                place_shard(self.store, [(part.path(table), part) for part in members], target)
                files.append(described(self.staging, f"{table}/{name}"))
            self._place_index(name, members)
        return placed

    def _place_index(self, name: str, members: Sequence[Part]) -> None:
        """Write the index beside a file of `notes`."""
        target = self.staging.path(FOLDER, index_file(name))
        only = members[0]
        if len(members) == 1 and only.wanted == only.pieces:
            place_file(self.store, f"{only.folder}/{FOLDER}/{index_file(only.name)}", target)
            return
        notes = note_arrays(read_table(self.store, self.staging.path("notes", name)))
        # Beside the final name, which may stand for a file of the prior version.
        shard = Shard(self.store, target, uuid.uuid4().hex)
        part_of_notes(notes).write(self.store.fs, shard.path)
        shard.publish()

    def _sources(self) -> Iterator[Part]:
        """Yield all existing shards, those of the prior version first."""
        if self.prior is not None:
            folder = self.prior.path()
            for file in self.prior.manifest.tables["notes"]:
                ids = read_table(self.store, self.prior.path(file.path), ["piece_id"])
                name = file.path.rsplit("/", 1)[1]
                yield Part(folder, name, frozenset(ids["piece_id"].to_pylist()))
        for batch in self.batches:
            name = f"{batch.key}.parquet"
            rows = self.staging.path("work", "results", name)
            ids = read_table(self.store, rows, ["piece_id"])
            yield Part(self.staging.path(), name, frozenset(ids["piece_id"].to_pylist()))

    def _keep_only(self, table: str, paths: set[str]) -> None:
        """Delete files that killed attempts left behind."""
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
        digest = assembly.content_hash(key, pieces, account, self.inventory.corrections)
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
                key,
                self.inventory.labelled,
                self.rows,
                self.inventory.unlisted,
                self.inventory.corrections,
            ),
            counts=assembly.count(
                account, pieces, listing.ignored.total() + self.inventory.unwanted, n_notes
            ),
            labels=dict(sorted(labels.items())),
            feature_names=list(FEATURE_NAMES),
            leak=assembly.leak_report(pieces["label"].to_pylist(), clusters),
            notices=[
                *self.inventory.notices,
                *mixture_notices(pieces),
                *unread_notices(account.rejects),
            ],
            doubts=[doubt for doubt in self.inventory.doubts if doubt.files] or None,
            corrections=self.inventory.corrections,
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


def file_rows(staging: Staging, key: str) -> dict[str, FileRow]:
    """Return the file rows of a finished batch, by path."""
    table = read_table(staging.store, staging.path("work", "files", f"{key}.parquet"))
    rows = {}
    for row in table.to_pylist():
        reject = Reject(**row) if row["error"] is not None else None
        rows[row["path"]] = FileRow(row["sha256"], reject)
    return rows
