"""From MIDI files to a dataset version."""

from collections.abc import Sequence
from pathlib import Path

from tunesmith.api.extras import needs
from tunesmith.api.frames import PieceFrames, load_dataset
from tunesmith.api.progress import Progress, silent
from tunesmith.api.stores import AnyStore, open_store
from tunesmith.cluster.connection import connect
from tunesmith.ingestion import pipeline
from tunesmith.ingestion.collections import expand_collections
from tunesmith.ingestion.parameters import load_parameters

__all__ = ["ingest"]


@needs("tunesmith.ingest", "train")
def ingest(
    sources: str | Path | Sequence[str | Path],
    *,
    name: str,
    label: str | None = None,
    composers: str | Sequence[str] | None = None,
    composer_table: str | Path | None = None,
    corrections: str | Path | None = None,
    frames_per_second: float | None = None,
    chunk_frames: int | None = None,
    hop_frames: int | None = None,
    loss_budget: float | None = None,
    parameters: str | Path | None = None,
    card: bool = False,
    address: str | None = None,
    store: AnyStore | None = None,
    progress: Progress = silent,
) -> PieceFrames:
    """Make a dataset version of folders, archives, globs or URIs of MIDI files.

    Every file is kept, a duplicate, or in the table of rejects. Running it again reads only what is
    new; after an interruption it continues.

    Parameters
    ----------
    sources
        One source or several; ``music21:bach`` or ``music21:bach:80`` stands for scores of that
        collection of the music21 corpus.
    name
        Name of the dataset.
    label
        Rule for labels: ``auto``, ``folder``, ``prefix``, ``none``, ``regex:PATTERN`` or
        ``csv:PATH``; ``auto`` by default.
    composers
        Keep these composers only: a sequence of names, or text with commas between them.
    composer_table
        YAML file that extends the table of composers' names.
    corrections
        CSV of labels to correct: columns path, label_before, label_after, reason.
    frames_per_second
        Frame rate of the piano rolls in Hz; 10 by default.
    chunk_frames, hop_frames
        Frames of a chunk, 150 by default, and from one chunk to the next, by default the same.
    loss_budget
        Share of files that may be rejected, else the call fails; 0.05 by default.
    parameters
        YAML file with any of these and the limits; arguments win.
    card
        Write the data card as well, an HTML page beside the manifest.
    address
        Ray cluster to join; by default the one that ``RAY_ADDRESS`` names, else Ray starts on this
        machine and stays until the program ends or calls ``ray.shutdown()``.
    store
        A folder, URI or store; see `open_store`.
    progress
        Called with each line of progress, such as ``print``; silent by default.

    Returns
    -------
    PieceFrames
        The new version, as `load_dataset` gives it; the existing one where the same files were
        ingested before.

    Raises
    ------
    UsageError
        When the sources or options make no sense.
    DatasetError
        When too many files are rejected, or another ingest of this dataset is running.

    Examples
    --------
    >>> import tunesmith
    >>> tunesmith.ingest("my-midi/", name="mine", label="folder")  # doctest: +SKIP
    PieceFrames('mine', version='5e1c0d3ab9f2', pieces=480, classes=4)
    """
    named = [sources] if isinstance(sources, str | Path) else sources
    if isinstance(composers, str):
        composers = [part.strip() for part in composers.split(",")]
    chosen = {
        "frames_per_second": frames_per_second,
        "chunk_frames": chunk_frames,
        "hop_frames": hop_frames,
        "label": label,
        "composers": tuple(filter(None, composers or ())) or None,
        "composer_table": None if composer_table is None else str(composer_table),
        "corrections": None if corrections is None else str(corrections),
        "loss_budget": loss_budget,
    }
    made = load_parameters(parameters, {k: v for k, v in chosen.items() if v is not None})
    roots = expand_collections(
        [str(source) for source in named], start_ray=lambda: connect(address), say=progress
    )
    opened = open_store(store)
    manifest = pipeline.ingest(
        opened,
        roots,
        name,
        made,
        start_ray=lambda: connect(address),
        on_progress=lambda done, total: progress(f"{done} of {total} files"),
    )
    frames = load_dataset(name, version=manifest.version, store=opened)
    if card:
        frames.write_card()
    return frames
