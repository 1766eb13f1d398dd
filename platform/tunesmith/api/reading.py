"""Files of music for other programs' Ray Data pipelines."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.api.extras import needs
from tunesmith.ingestion.parameters import load_parameters

if TYPE_CHECKING:
    import ray.data

__all__ = ["read_midi"]


@needs("tunesmith.read_midi", "train")
def read_midi(
    sources: str | Path | Sequence[str | Path],
    *,
    label: str | None = None,
    parameters: str | Path | None = None,
    override_num_blocks: int | None = None,
    concurrency: int | None = None,
) -> "ray.data.Dataset":
    """Read files of music into a dataset of Ray Data, a row per file.

    Nothing is written. Archives are read in place. A file that cannot be read is a row with
    ``stage``, ``error`` and ``message`` and no notes; these are missing in all other rows.

    Parameters
    ----------
    sources
        Folders, files, archives, globs or URIs of MIDI files, one or several.
    label
        Rule for labels: ``auto``, ``folder``, ``prefix``, ``none``, ``regex:PATTERN`` or
        ``csv:PATH``; ``auto`` by default.
    parameters
        YAML file with the limits of files and archives, as for `ingest`.
    override_num_blocks, concurrency
        Number of tasks, and how many of them run at a time, as of ``ray.data.read_datasource``.

    Returns
    -------
    ray.data.Dataset
        Columns ``path``, ``label``, ``sha256``, ``stage``, ``error``, ``message``, ``reader``,
        ``length_s``, ``warnings``, and one list per field of `tunesmith.midi.NOTE_DTYPE`:
        ``onset_s``, ``offset_s``, ``pitch``, ``velocity`` and the others.

    Raises
    ------
    UsageError
        When a source does not exist, or the rule for labels cannot be used.

    Examples
    --------
    >>> import tunesmith
    >>> from ray.data.expressions import col
    >>> pieces = tunesmith.read_midi("lakh.tar.gz")  # doctest: +SKIP
    >>> readable = pieces.filter(expr=col("error").is_null())  # doctest: +SKIP
    """
    import ray.data

    from tunesmith.ingestion.datasource import MidiDatasource
    from tunesmith.ingestion.ray_data import data_context

    named = [sources] if isinstance(sources, str | Path) else sources
    settings = load_parameters(parameters, {} if label is None else {"label": label})
    source = MidiDatasource([str(path) for path in named], settings)
    data_context()
    pieces: ray.data.Dataset = ray.data.read_datasource(
        source, override_num_blocks=override_num_blocks, concurrency=concurrency
    )
    return pieces
