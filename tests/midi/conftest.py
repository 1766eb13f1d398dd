"""Real files, read once a session."""

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MidiFiles = list[tuple[str, bytes]]
SUFFIXES = (".mid", ".midi")


def walk_zip(data: bytes, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every MIDI file, those in zips inside included, in name order."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in sorted(archive.namelist()):
            if name.lower().endswith(SUFFIXES):
                yield prefix + name, archive.read(name)
            elif name.lower().endswith(".zip"):
                yield from walk_zip(archive.read(name), f"{prefix}{name}!")


@pytest.fixture(scope="session")
def real_files(data_dir: Path) -> Callable[[str], MidiFiles]:
    """Return a reader of all MIDI files of a corpus."""
    read: dict[str, MidiFiles] = {}

    def files_of(corpus: str) -> MidiFiles:
        if corpus not in read:
            path = data_dir / f"{corpus}.zip"
            if not path.exists():
                pytest.skip(f"{path.name} is not in the data folder")
            read[corpus] = list(walk_zip(path.read_bytes()))
        return read[corpus]

    return files_of
