"""The tables of a dataset version, column by column.

`pieces` also carries the musical statistics, one column each: whatever ingest computed, named in
the manifest's `schema`.
"""

import pyarrow as pa

from tunesmith.midi.score import NOTE_DTYPE

__all__ = [
    "DUPLICATES",
    "FINGERPRINTS",
    "N_PITCHES",
    "PIECE_KEYS",
    "REJECTS",
    "TABLES",
    "chunk_schema",
    "note_schema",
]

TABLES = ("pieces", "chunks", "notes", "rejects", "duplicates", "fingerprints")
N_PITCHES = 128

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
        pa.field("warnings", pa.list_(pa.string()), nullable=False),
    ]
)
"""First columns of `pieces`; statistics and ``features: list<float>`` follow."""

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
        pa.field("fingerprint", pa.list_(pa.uint64()), nullable=False),
    ]
)


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
    """Return the schema of `notes`: one row a piece, one list a field of `NOTE_DTYPE`."""
    columns = [pa.field("piece_id", pa.string(), nullable=False)]
    for name in NOTE_DTYPE.names or ():
        item = pa.from_numpy_dtype(NOTE_DTYPE[name])
        columns.append(pa.field(name, pa.list_(item), nullable=False))
    return pa.schema(columns)
