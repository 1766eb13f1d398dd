"""The manifest: what a dataset version is, where it came from, and that its counts reconcile."""

from typing import ClassVar

from pydantic import Field, model_validator

from tunesmith.artifacts import layout
from tunesmith.artifacts.corrections import AppliedCorrections
from tunesmith.artifacts.documents import Document, JsonObject, Section, absent
from tunesmith.artifacts.gaps import left_out, readable
from tunesmith.artifacts.locks import only_one
from tunesmith.artifacts.pointers import point
from tunesmith.artifacts.store import Store
from tunesmith.errors import DatasetError, TunesmithError, UsageError, unknown

__all__ = [
    "MOST_FILES",
    "Counts",
    "LabelDoubt",
    "LeakReport",
    "Manifest",
    "SourceSummary",
    "TableFile",
    "VersionPointer",
    "check_name",
    "dataset_names",
    "dataset_versions",
    "latest_version",
    "point_latest",
    "read_manifest",
    "readable_manifests",
    "remove_version",
]


MOST_FILES = 200
"""Files that a `LabelDoubt` lists of a label."""


class Counts(Section):
    """Counts of a dataset version; `found` is the sum of kept, duplicate and rejected files."""

    found: int = Field(ge=0, description="Files that claim to be MIDI, nested archives included.")
    kept: int = Field(ge=0, description="Pieces: one a distinct content that could be read.")
    duplicate: int = Field(ge=0, description="Files with the very bytes of a kept one.")
    rejected: int = Field(ge=0, description="Files that could not be read; see `rejects`.")
    ignored: int = Field(default=0, ge=0, description="Files that do not claim to be MIDI.")
    unlabelled: int = Field(
        default=0, ge=0, description="Kept pieces whose label is unknown or empty."
    )
    chunks: int = Field(ge=0, description="Rows of `chunks`.")
    silent_chunks: int | None = absent(
        "Those among them in which nothing sounds; models do not read them."
    )
    notes: int = Field(ge=0, description="Notes of all kept pieces.")
    clusters: int = Field(
        default=0, ge=0, description="Distinct duplicate clusters among the pieces."
    )
    byte_duplicate_groups: int = Field(
        default=0, ge=0, description="Kept pieces that have byte-identical copies."
    )

    @model_validator(mode="after")
    def _reconcile(self) -> "Counts":
        if self.found != self.kept + self.duplicate + self.rejected:
            msg = (
                f"found {self.found} is not kept {self.kept} + duplicate {self.duplicate} "
                f"+ rejected {self.rejected}"
            )
            raise ValueError(msg)
        return self


class SourceSummary(Section):
    """One source and what it held."""

    uri: str
    found: int
    ignored: int = 0


class LeakReport(Section):
    """Leak of a random split that ignores duplicate clusters."""

    held_out: int = Field(description="Pieces in the held-out fifth of a random stratified split.")
    leaked: int = Field(description="Those among them with a duplicate on the other side.")
    in_clusters: int = Field(description="Pieces that share a cluster with another one.")


class LabelDoubt(Section):
    """A sentence about labels that look wrong, with their files."""

    text: str
    files: dict[str, list[str]] = Field(
        description="Paths by label, or by the name that they begin with; of very many the first."
    )


class TableFile(Section):
    """One Parquet file of a table."""

    path: str
    rows: int
    bytes: int


class VersionPointer(Document):
    """`latest.json` of a dataset: the version that readers get by default."""

    REMEDY: ClassVar[str] = "Ingest again: tunesmith ingest."
    ERROR: ClassVar[type[TunesmithError]] = DatasetError

    version: str


class Manifest(Document):
    """`manifest.json` of a dataset version."""

    REMEDY: ClassVar[str] = "Ingest again: tunesmith ingest."
    ERROR: ClassVar[type[TunesmithError]] = DatasetError

    name: str
    version: str
    created: str
    parameters: JsonObject
    sources: list[SourceSummary]
    content_hash: str
    inputs_hash: str = ""
    counts: Counts
    labels: dict[str, int] = Field(default_factory=dict, description="Kept pieces a label.")
    feature_names: list[str] = Field(default_factory=list)
    leak: LeakReport | None = None
    notices: list[str] = Field(
        default_factory=list, description="Labels that look wrong, for people to judge."
    )
    doubts: list[LabelDoubt] | None = absent("The files of those notices that are of files.")
    corrections: AppliedCorrections | None = absent("Labels that a person corrected.")
    tables: dict[str, list[TableFile]]
    columns: dict[str, dict[str, str]] = Field(description="Arrow type of each column.")
    code_version: str
    processing_key: str = Field(
        default="", description="Digest of all that decides what bytes become."
    )

    @property
    def chunk_frames(self) -> int:
        """Frames of a chunk."""
        return int(self._number("chunk_frames"))

    @property
    def frames_per_second(self) -> float:
        """Frames a second of the stored rolls."""
        return self._number("frames_per_second")

    @property
    def hop_frames(self) -> int:
        """Frames between the beginnings of two chunks."""
        return int(self._number("hop_frames"))

    def _number(self, name: str) -> float:
        """Return a parameter of the ingest that is a number."""
        value = self.parameters.get(name)
        if not isinstance(value, int | float):
            message = f"The manifest has no number {name!r} among its parameters. {self.REMEDY}"
            raise self.ERROR(message)
        return value


def dataset_names(store: Store) -> list[str]:
    """Return the names of all datasets that have a version."""
    return [name for name in store.list(*layout.datasets()) if dataset_versions(store, name)]


def dataset_versions(store: Store, name: str) -> list[str]:
    """Return the versions of a dataset, in alphabetical order."""
    return [
        version
        for version in store.list(*layout.dataset(name))
        if store.exists(*layout.dataset_version(name, version, layout.MANIFEST))
    ]


def latest_version(store: Store, name: str) -> str:
    """Return the version that `latest.json` names, else the newest that can be read.

    Raises
    ------
    UsageError
        When there is no dataset of that name; the message lists those that exist.
    DatasetError
        When `latest.json` is damaged and no version can be read.
    """
    pointer = layout.latest_dataset(name)
    if store.exists(*pointer):
        with left_out("/".join(pointer)):
            version = VersionPointer.read(store, *pointer).version
            if store.exists(*layout.dataset_version(name, version, layout.MANIFEST)):
                return version
    # The ingest that published a version ended before it named the version.
    known = readable_manifests(store, name)
    if not known:
        if store.exists(*pointer):
            VersionPointer.read(store, *pointer)
        kind = "dataset"
        raise unknown(kind, name, dataset_names(store))
    return known[-1].version


def readable_manifests(store: Store, name: str) -> list[Manifest]:
    """Return the manifests of a dataset that can be read, the oldest version first."""
    manifests = readable(
        dataset_versions(store, name),
        lambda version: read_manifest(store, name, version),
        lambda version: f"Version {version} of the dataset {name}",
    )
    return sorted(manifests, key=lambda manifest: manifest.created)


def point_latest(store: Store, name: str, version: str) -> None:
    """Make a version the one that readers get by default."""
    point(store, VersionPointer(version=version), *layout.latest_dataset(name))


def read_manifest(store: Store, name: str, version: str | None = None) -> Manifest:
    """Return the manifest of a version, of the latest one when none is given.

    Raises
    ------
    UsageError
        When the dataset or the version does not exist.
    DatasetError
        When the manifest is damaged.
    """
    version = version or latest_version(store, name)
    parts = layout.dataset_version(name, version, layout.MANIFEST)
    if not store.exists(*parts):
        kind = f"version of dataset {name!r}"
        raise unknown(kind, version, dataset_versions(store, name))
    return Manifest.read(store, *parts)


def remove_version(store: Store, name: str, version: str) -> str | None:
    """Remove one version; a reader sees it whole or not at all.

    Parameters
    ----------
    store, name, version
        Which one.

    Returns
    -------
    str | None
        The version that `latest.json` names afterwards; None when the dataset is gone.

    Raises
    ------
    UsageError
        When it does not exist.
    DatasetError
        When an ingest of the dataset is running.
    """
    _require_version(store, name, version)
    lock = only_one(store, *layout.dataset(name), work=f"ingest of {name}", error=DatasetError)
    with lock:
        return _removed(store, name, version)


def _require_version(store: Store, name: str, version: str) -> list[str]:
    """Return all versions of a dataset; refuse one that is not among them."""
    versions = dataset_versions(store, name)
    if version not in versions:
        kind = f"version of dataset {name!r}"
        raise unknown(kind, version, versions)
    return versions


def _removed(store: Store, name: str, version: str) -> str | None:
    """Remove a version, and return the one that is the latest afterwards."""
    left = [v for v in _require_version(store, name, version) if v != version]
    latest = latest_version(store, name)
    if latest == version and left:
        known = [m.version for m in readable_manifests(store, name) if m.version in left]
        latest = known[-1] if known else left[-1]
        point_latest(store, name, latest)
    if not left:
        store.remove(*layout.latest_dataset(name))
    # Without its manifest a folder is not a version: it goes first.
    store.remove(*layout.dataset_version(name, version, layout.MANIFEST))
    store.remove(*layout.dataset_version(name, version))
    if not left:
        store.remove(*layout.dataset(name))
        return None
    return latest


def check_name(name: str) -> str:
    """Return `name` when it can name a dataset, which is a folder of the store.

    Raises
    ------
    UsageError
        When it holds anything but letters, digits, ``-``, ``_`` and ``.``, or starts with a dot.
    """
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    if not (plain.isascii() and plain.isalnum()) or name.startswith("."):
        msg = f"{name!r} cannot name a dataset: use letters, digits, '-', '_' and '.'."
        raise UsageError(msg)
    return name
