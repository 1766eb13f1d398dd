"""Decide for each file whether it is kept, a duplicate or rejected, and build the tables."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tunesmith.artifacts.corrections import AppliedCorrections
from tunesmith.artifacts.manifest import Counts, LeakReport
from tunesmith.audio.errors import AudioNotInstalled, NoMusicHeard
from tunesmith.datasets.schema import DUPLICATES, REJECTS
from tunesmith.datasets.splits import leaked, split_pieces
from tunesmith.errors import DatasetError
from tunesmith.ingestion.labels import Labelled
from tunesmith.ingestion.sources import Reject
from tunesmith.midi.errors import NotScore, ScoresNotInstalled

__all__ = [
    "Account",
    "FileRow",
    "account_for",
    "check_losses",
    "content_hash",
    "count",
    "inputs_hash",
    "leak_report",
    "small_tables",
]

NOT_LOST = frozenset(
    error.__name__ for error in (NotScore, NoMusicHeard, ScoresNotInstalled, AudioNotInstalled)
)
"""Errors of files that the loss budget does not count: no music, or in need of an extra."""
_ROWS_AT_ONCE = 2_000
_HELD_OUT = {"train": 0.8, "test": 0.2}


@dataclass(frozen=True, slots=True)
class FileRow:
    """Result of reading one file: the digest of its content, and the reject if it failed."""

    sha256: str | None
    reject: Reject | None


@dataclass(frozen=True)
class Account:
    """All files, each counted once: ``found = kept + duplicates + rejects``.

    Attributes
    ----------
    kept
        One file per distinct content, in order of path, with its digest.
    duplicates
        Byte-identical copies, with their digest.
    rejects
        Files that failed.
    """

    kept: list[tuple[Labelled, str]]
    duplicates: list[tuple[Labelled, str]]
    rejects: list[Reject]

    @property
    def found(self) -> int:
        """Number of files."""
        return len(self.kept) + len(self.duplicates) + len(self.rejects)


def account_for(
    labelled: Sequence[Labelled], rows: Mapping[str, FileRow], unlisted: Iterable[Reject]
) -> Account:
    """Sort all files into kept, duplicates and rejects.

    Of byte-identical files a labelled one is kept, else the first in order of path.

    Parameters
    ----------
    labelled
        Files of the sources.
    rows
        Result of reading each file, by path.
    unlisted
        Files that could not be listed.
    """
    rejects = list(unlisted)
    copies: dict[str, list[Labelled]] = {}
    for file in labelled:
        row = rows[file.entry.path]
        if row.reject is not None:
            rejects.append(row.reject)
        elif row.sha256 is not None:
            copies.setdefault(row.sha256, []).append(file)
    kept, duplicates = [], []
    for sha256, files in copies.items():
        files.sort(key=lambda file: (file.label is None, file.entry.path))
        kept.append((files[0], sha256))
        duplicates += [(file, sha256) for file in files[1:]]
    kept.sort(key=lambda pair: pair[0].entry.path)
    duplicates.sort(key=lambda pair: pair[0].entry.path)
    rejects.sort(key=lambda reject: reject.path)
    return Account(kept, duplicates, rejects)


def check_losses(account: Account, loss_budget: float) -> None:
    """Check the number of kept and rejected files.

    Raises
    ------
    DatasetError
        If no file is kept, or more are rejected than the loss budget allows; the message names
        the most frequent errors.
    """
    lost_files = [r for r in account.rejects if r.error not in NOT_LOST]
    reasons = Counter(reject.error for reject in lost_files or account.rejects)
    summary = ", ".join(f"{count} {error}" for error, count in reasons.most_common(5))
    if not account.kept:
        first_reject = next(iter(account.rejects), None)
        example = f" {first_reject.path}: {first_reject.message}" if first_reject else ""
        msg = (
            f"None of {account.found} files could be kept ({summary or 'no MIDI file was found'}). "
            f"Check the sources.{example}"
        )
        raise DatasetError(msg)
    lost = len(lost_files) / account.found
    if lost > loss_budget:
        first = lost_files[0]
        msg = (
            f"{len(lost_files)} of {account.found} files were rejected ({lost:.1%}), more "
            f"than the loss budget of {loss_budget:.1%}: {summary}. The first is {first.path}: "
            f"{first.message} Repair or remove the files, or raise the budget with --loss-budget. "
            "Files that were read are not read again."
        )
        raise DatasetError(msg)


def leak_report(labels: Sequence[str | None], clusters: npt.NDArray[np.int64]) -> LeakReport:
    """Measure how much a stratified random split that ignores clusters would leak.

    Parameters
    ----------
    labels
        Label of each piece; pieces without one are left out.
    clusters
        Duplicate cluster of each piece.
    """
    has_label = np.array([label is not None for label in labels], dtype=bool)
    known_labels = [label for label in labels if label is not None]
    parts = split_pieces(known_labels, np.arange(len(known_labels)), _HELD_OUT)
    sizes = np.bincount(clusters, minlength=1)
    return LeakReport(
        held_out=int((parts == "test").sum()),
        leaked=leaked(parts, clusters[has_label]),
        in_clusters=int((sizes[clusters] > 1).sum()),
    )


def small_tables(account: Account, links: pa.Table) -> dict[str, pa.Table]:
    """Return the tables `rejects`, `duplicates` and `links`."""
    duplicates = [
        {"path": f.entry.path, "sha256": sha256, "piece_id": sha256[:16], "label": f.label}
        for f, sha256 in account.duplicates
    ]
    return {
        "rejects": pa.Table.from_pylist([asdict(r) for r in account.rejects], REJECTS),
        "duplicates": pa.Table.from_pylist(duplicates, DUPLICATES),
        "links": links,
    }


def count(account: Account, pieces: pa.Table, ignored: int, n_notes: int) -> Counts:
    """Return the counts of the manifest."""
    return Counts(
        found=account.found,
        kept=len(account.kept),
        duplicate=len(account.duplicates),
        rejected=len(account.rejects),
        ignored=ignored,
        unlabelled=pieces["label"].null_count,
        chunks=sum(pieces["n_chunks"].to_pylist()),
        silent_chunks=sum(pieces["n_silent_chunks"].to_pylist()),
        notes=n_notes,
        clusters=len(pieces["cluster"].unique()),
        byte_duplicate_groups=len({sha256 for _, sha256 in account.duplicates}),
    )


def content_hash(
    processing_key: str,
    pieces: pa.Table,
    account: Account,
    corrections: AppliedCorrections | None = None,
) -> str:
    """Return the digest of the content of a version, independent of how and when it was made.

    The bytes of a piece and the processing key determine its rolls, notes and features, so the
    digest of the bytes represents them.
    """
    digest = hashlib.sha256(processing_key.encode())
    columns = [
        "path", "sha256", "label", "raw_label", "note_hash", "cluster", "reader", "n_chunks",
        "n_notes",
    ]  # fmt: skip
    # A few at a time: the rows of all pieces would take more memory than all else about them.
    for part in pieces.select(columns).to_batches(max_chunksize=_ROWS_AT_ONCE):
        for row in part.to_pylist():
            digest.update(json.dumps([row[c] for c in columns]).encode())
    for reject in account.rejects:
        digest.update(json.dumps([reject.path, reject.stage, reject.error, reject.sha256]).encode())
    for file, sha256 in account.duplicates:
        digest.update(json.dumps([file.entry.path, sha256]).encode())
    if corrections is not None:
        digest.update(corrections.model_dump_json().encode())
    return digest.hexdigest()


def inputs_hash(
    processing_key: str,
    labelled: Sequence[Labelled],
    rows: Mapping[str, FileRow],
    unlisted: Iterable[Reject],
    corrections: AppliedCorrections | None = None,
) -> str:
    """Return the digest of all inputs; a version with equal inputs already exists."""
    digest = hashlib.sha256(processing_key.encode())
    for file in labelled:
        row = rows[file.entry.path]
        outcome = row.sha256 or (row.reject.error if row.reject else "")
        digest.update(json.dumps([file.entry.path, outcome, file.raw, file.label]).encode())
    for reject in unlisted:
        digest.update(json.dumps([reject.path, reject.error]).encode())
    if corrections is not None:
        digest.update(corrections.model_dump_json().encode())
    return digest.hexdigest()
