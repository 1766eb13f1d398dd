"""What the sources hold, labelled, before any file is read."""

from collections.abc import Sequence
from dataclasses import dataclass

from tunesmith.ingestion.labels import Labelled, label_entries
from tunesmith.ingestion.parameters import IngestParameters
from tunesmith.ingestion.sources import Listing, Reject, list_sources
from tunesmith.midi.composers import ComposerTable

__all__ = ["Inventory", "take_inventory"]


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
