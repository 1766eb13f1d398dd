"""The tables of a dataset version, column by column.

`pieces` also carries the musical statistics, one column each: whatever ingest computed, named in
the manifest's `schema`.
"""

from dataclasses import fields

import pyarrow as pa

from tunesmith.midi.damage import Damage
from tunesmith.midi.fingerprints import ENTRY_FORMAT
from tunesmith.midi.score import NOTE_DTYPE

__all__ = [
    "DUPLICATES",
    "FINGERPRINTS",
    "LINKS",
    "N_PITCHES",
    "PIECE_KEYS",
    "REJECTS",
    "STATISTICS",
    "TABLES",
    "chunk_schema",
    "note_schema",
    "piece_schema",
    "result_schema",
]

TABLES = ("pieces", "chunks", "notes", "rejects", "duplicates", "links", "fingerprints")
N_PITCHES = 128

_DAMAGE = pa.struct([pa.field(field.name, pa.int64()) for field in fields(Damage)])

PIECE_KEYS = pa.schema(
    [
        pa.field("piece_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("raw_label", pa.string()),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("note_hash", pa.string(), nullable=False),
        pa.field("cluster", pa.int64(), nullable=False),
        pa.field("reader", pa.string(), nullable=False),
        pa.field("n_chunks", pa.int32(), nullable=False),
        pa.field("n_silent_chunks", pa.int32(), nullable=False),  # models do not read them
        pa.field("warnings", pa.list_(pa.string()), nullable=False),
        pa.field("damage", _DAMAGE),  # counts of what was wrong with the file; null for nothing
    ]
)
"""First columns of `pieces`; `STATISTICS` and ``features: list<float>`` follow."""

STATISTICS = pa.schema(
    [
        pa.field("length_s", pa.float64()),
        pa.field("n_notes", pa.int64()),
        pa.field("n_pitched_notes", pa.int64()),
        pa.field("notes_per_second", pa.float64()),
        pa.field("n_pitches", pa.int64()),
        pa.field("pitch_min", pa.int64()),
        pa.field("pitch_max", pa.int64()),
        pa.field("pitch_mean", pa.float64()),
        pa.field("pitch_std", pa.float64()),
        pa.field("duration_mean_s", pa.float64()),
        pa.field("velocity_mean", pa.float64()),
        pa.field("velocity_std", pa.float64()),
        pa.field("velocity_min", pa.int64()),
        pa.field("velocity_max", pa.int64()),
        pa.field("polyphony_mean", pa.float64()),
        pa.field("polyphony_max", pa.int64()),
        pa.field("n_tempo_changes", pa.int64()),
        pa.field("tempo_first_qpm", pa.float64()),
        pa.field("tempo_mean_qpm", pa.float64()),
        pa.field("tempo_min_qpm", pa.float64()),
        pa.field("tempo_max_qpm", pa.float64()),
        pa.field("time_signature", pa.string()),
        pa.field("n_time_signatures", pa.int64()),
        pa.field("key_signature", pa.string()),
        pa.field("n_key_signatures", pa.int64()),
        pa.field("n_instruments", pa.int64()),
        pa.field("n_tracks", pa.int64()),
        pa.field("has_drums", pa.bool_()),
        pa.field("has_pedal", pa.bool_()),
        pa.field("ticks_per_quarter", pa.int64()),
    ]
)
"""Columns of `pieces` that `tunesmith.midi.statistics.piece_statistics` computes."""

FEATURES = pa.field("features", pa.list_(pa.float32()), nullable=False)

REJECTS = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("error", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("sha256", pa.string()),
    ]
)

DUPLICATES = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("piece_id", pa.string(), nullable=False),
        pa.field("label", pa.string()),
    ]
)

FINGERPRINTS = pa.schema(
    [
        pa.field("piece_id", pa.string(), nullable=False),
        pa.field("fingerprint", pa.list_(pa.uint64()), nullable=False, metadata=ENTRY_FORMAT),
    ]
)

LINKS = pa.schema(
    [
        pa.field("piece_id", pa.string(), nullable=False),
        pa.field("other_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # same notes, or same music
        pa.field("shared", pa.float32(), nullable=False),
        pa.field("in_order", pa.float32()),
        pa.field("onsets", pa.int32()),
        pa.field("strength", pa.float32()),
    ]
)
"""Pairs of pieces that are the same music, with the evidence (`tunesmith.midi.matching`)."""


def piece_schema() -> pa.Schema:
    """Return the schema of `pieces`."""
    return pa.schema([*PIECE_KEYS, *STATISTICS, FEATURES])


def result_schema() -> pa.Schema:
    """Return the schema of a piece before it has a path, label and cluster."""
    known = [f for f in PIECE_KEYS if f.name not in {"path", "label", "raw_label", "cluster"}]
    return pa.schema([*known, *STATISTICS, FEATURES, FINGERPRINTS.field("fingerprint")])


def chunk_schema(chunk_frames: int) -> pa.Schema:
    """Return the schema of `chunks`.

    A roll is one fixed-size binary cell of ``chunk_frames * 128`` uint8 velocities, frame by frame
    (C order): every reader of Parquet gets it back as bytes, twenty times faster to encode than a
    list of numbers. The shape stands in the field's metadata and in the manifest.
    """
    shape = f"[{chunk_frames}, {N_PITCHES}]"
    metadata = {"shape": shape, "dtype": "uint8", "dimensions": '["frame", "pitch"]'}
    roll = pa.field("roll", pa.binary(chunk_frames * N_PITCHES), False, metadata)
    return pa.schema(
        [
            pa.field("piece_id", pa.string(), nullable=False),
            pa.field("index", pa.int32(), nullable=False),
            pa.field("start_s", pa.float32(), nullable=False),
            pa.field("padded_frames", pa.int32(), nullable=False),
            roll,
        ]
    )


def note_schema() -> pa.Schema:
    """Return the schema of `notes`: a row per piece, a list per field of `NOTE_DTYPE`."""
    columns = [pa.field("piece_id", pa.string(), nullable=False)]
    for name in NOTE_DTYPE.names or ():
        item = pa.from_numpy_dtype(NOTE_DTYPE[name])
        columns.append(pa.field(name, pa.list_(item), nullable=False))
    return pa.schema(columns)
