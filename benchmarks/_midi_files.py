"""MIDI files of an archive."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path


def members(path: Path) -> list[tuple[str, bytes]]:
    """Return the MIDI files of a zip, those of zips inside included."""
    return sorted(_walk(path.read_bytes(), ""))


def _walk(data: bytes, prefix: str) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            if name.lower().endswith((".mid", ".midi")):
                yield prefix + name, archive.read(name)
            elif name.lower().endswith(".zip"):
                yield from _walk(archive.read(name), f"{prefix}{name}!")
