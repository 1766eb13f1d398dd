"""List and label the files of the sources, without reading any."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tunesmith.artifacts.corrections import AppliedCorrections
from tunesmith.artifacts.manifest import LabelDoubt
from tunesmith.ingestion.corrections import apply_corrections, read_corrections
from tunesmith.ingestion.labels import Labelled, label_files
from tunesmith.ingestion.notices import archive_notices, beside_notices, label_doubts
from tunesmith.ingestion.parameters import IngestParameters
from tunesmith.ingestion.sources import BESIDE_NOTES, Listing, Reject, list_sources
from tunesmith.midi.composers import ComposerTable

__all__ = ["Inventory", "take_inventory"]

NO_TABLE = "none"
"""Name of a composer table that leaves all labels as they are written."""


@dataclass(frozen=True)
class Inventory:
    """Labelled files of the sources.

    Attributes
    ----------
    labelled
        Files to read, in order of path.
    unlisted
        Files that cannot be listed.
    listing
        The listing of the sources.
    unwanted
        Number of files left out because their label was not selected.
    notices
        Sentences about labels that look wrong.
    doubts
        The files of those notices that are of files.
    corrections
        Rows of the correction table and what became of each; None without a table.
    """

    labelled: list[Labelled]
    unlisted: list[Reject]
    listing: Listing
    unwanted: int
    notices: list[str]
    doubts: list[LabelDoubt]
    corrections: AppliedCorrections | None = None


def take_inventory(sources: Sequence[str], parameters: IngestParameters) -> Inventory:
    """List and label the sources; a dry run does only this.

    Raises
    ------
    UsageError
        If a source does not exist, a label rule or a correction table cannot be used, or a
        selected composer does not occur (the message lists similar names that do).
    """
    listing = list_sources(sources, parameters.archives)
    table = None
    if parameters.composer_table != NO_TABLE:
        table = ComposerTable.load(parameters.composer_table)
    labels = label_files(listing.entries, parameters.label, table)
    labelled, corrections = labels.files, None
    if parameters.corrections is not None:
        path = Path(parameters.corrections)
        labelled, corrections = apply_corrections(labelled, read_corrections(path), path.name)
    doubts = label_doubts(labelled, table)
    beside = beside_notices(listing.ignored[BESIDE_NOTES])
    unread = archive_notices(listing.ignored)
    notices = [*labels.notices, *(doubt.text for doubt in doubts), *beside, *unread]
    if not parameters.composers:
        return Inventory(labelled, listing.rejects, listing, 0, notices, doubts, corrections)
    present = {file.label for file in labelled if file.label is not None}
    wanted = set((table or ComposerTable.load()).require(parameters.composers, present))
    chosen = [file for file in labelled if file.label in wanted]
    unwanted = len(labelled) - len(chosen)
    return Inventory(chosen, listing.rejects, listing, unwanted, notices, doubts, corrections)
