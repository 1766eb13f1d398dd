"""Names in zip files of any code page, and RIFF and gzip files among the members."""

import gzip
import io
import os
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from tunesmith.artifacts.store import Staging
from tunesmith.ingestion.archives import open_archive
from tunesmith.ingestion.notices import archive_notices
from tunesmith.ingestion.parameters import ArchiveLimits, IngestParameters
from tunesmith.ingestion.planning import plan_batches
from tunesmith.ingestion.processing import process_batch
from tunesmith.ingestion.publishing import file_rows
from tunesmith.ingestion.sources import list_sources


def archive_of(names, encoding, extra=lambda _name: b""):
    """Return a zip whose names are in a code page that it does not declare."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for number, name in enumerate(names):
            info = zipfile.ZipInfo("@QZ"[number] * len(name.encode(encoding)))
            info.extra = extra(name)
            packed.writestr(info, str(number))
    data = buffer.getvalue()
    for number, name in enumerate(names):  # in the headers, and in the table of contents
        encoded = name.encode(encoding)
        data = data.replace(b"@QZ"[number : number + 1] * len(encoded), encoded)
    return data


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("cp932", ["ショパン/ソナタ.mid", "表示/能楽堂.mid", "Bach/予定表.mid"]),
        ("gbk", ["贝多芬/月光.mid", "肖邦/夜曲三.mid"]),
        ("big5", ["貝多芬/月光曲.mid", "蕭邦/許功蓋.mid"]),
        ("cp949", ["바흐/평균율곡.mid"]),
        ("cp866", ["Бах/фуга.mid", "Чайковский/озеро.mid"]),
        ("cp1251", ["Бах/фуга.mid", "Чайковский/озеро.mid"]),
        ("cp437", ["Frédéric/étude.mid", "Händel/menü.mid"]),
        ("cp1252", ["Händel/Menü.mid", "Fauré/Élégie.mid"]),
        ("utf-8", ["Händel/a.mid", "ショパン/ソナタ.mid"]),
    ],
)
def test_names_in_an_undeclared_code_page(encoding, names):
    data = archive_of(names, encoding)
    members = list(open_archive(io.BytesIO(data), "x.zip", ArchiveLimits()).members())
    assert [member.name for member in members] == names
    assert all(member.problem is None for member in members)


def test_the_unicode_path_field_is_read_where_it_belongs_to_the_name():
    def field(name, checksum):
        content = b"\x01" + checksum.to_bytes(4, "little") + b"Dvo\xc5\x99\xc3\xa1k/a.mid"
        del name
        return (0x7075).to_bytes(2, "little") + len(content).to_bytes(2, "little") + content

    right = archive_of(["Dvorak/a.mid"], "ascii", lambda n: field(n, zlib.crc32(b"Dvorak/a.mid")))
    stale = archive_of(["Dvorak/a.mid"], "ascii", lambda n: field(n, 1))
    for data, name in ((right, "Dvo\u0159\u00e1k/a.mid"), (stale, "Dvorak/a.mid")):
        (member,) = open_archive(io.BytesIO(data), "x.zip", ArchiveLimits()).members()
        assert member.name == name


def test_backslashes_of_windows_are_separators():
    data = archive_of(["Bach\\a.mid"], "ascii")
    (member,) = open_archive(io.BytesIO(data), "x.zip", ArchiveLimits()).members()
    assert member.name == "Bach/a.mid"


def test_compressed_and_wrapped_files_are_kept(store, tmp_path, midi_factory):
    data = midi_factory(n_notes=20, seed=5)
    sounds = b"DLS " + (5_000_000).to_bytes(4, "little") + bytes(5_000_000)
    body = b"RMIDdata" + len(data).to_bytes(4, "little") + data + bytes(len(data) % 2) + sounds
    riff = b"RIFF" + len(body).to_bytes(4, "little") + body
    folder = tmp_path / "corpus" / "Bach"
    folder.mkdir(parents=True)
    (folder / "a.mid.gz").write_bytes(gzip.compress(midi_factory(n_notes=20, seed=6)))
    (folder / "b.rmi").write_bytes(riff)
    (folder / "c.kar").write_bytes(midi_factory(n_notes=20, seed=7))
    with zipfile.ZipFile(folder / "d.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=0) as packed:
        packed.writestr("e.rmi", riff)
        packed.writestr("f.midi.gz", gzip.compress(midi_factory(n_notes=20, seed=8)))
    listing = list_sources([str(folder.parent)], ArchiveLimits())
    assert len(listing.entries) == 5
    staging = Staging(store, ("x",))
    rows = {}
    for batch in plan_batches(listing.entries):
        process_batch(batch, IngestParameters(), store, staging.parts)
        rows |= file_rows(staging, batch.key)
    assert [row.reject for row in rows.values()] == [None] * 5


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("cp932", ["ショパン/ソナタ.mid", "Bach/予定表.mid"]),
        ("gb18030", ["贝多芬/月光.mid", "肖邦/夜曲三.mid"]),
        ("cp1251", ["Бах/фуга.mid", "Чайковский/озеро.mid"]),
        ("latin-1", ["Faur\u00e9/\u00c9l\u00e9gie.mid", "Bach/a.mid"]),
        ("utf-8", ["Faur\u00e9/a.mid", "ショパン/ソナタ.mid"]),
    ],
)
def test_names_in_a_tar_or_a_folder_in_any_code_page(tmp_path, encoding, names):
    buffer = io.BytesIO()
    kind = tarfile.GNU_FORMAT
    with tarfile.open(fileobj=buffer, mode="w", format=kind, encoding=encoding) as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    members = open_archive(io.BytesIO(buffer.getvalue()), "x.tar", ArchiveLimits()).members()
    assert [member.name for member in members] == names
    for name in names:
        path = os.fsencode(tmp_path) + b"/" + name.encode(encoding)
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 - bytes
        with open(path, "wb"):  # noqa: PTH123 - bytes
            pass
    listing = list_sources([str(tmp_path)], ArchiveLimits())
    assert sorted(entry.relative for entry in listing.entries) == sorted(names)
    assert all(Path(entry.location[0]).exists() for entry in listing.entries)


def test_archives_that_are_not_read_are_told():
    assert archive_notices({".7z": 2, ".rar": 1, ".txt": 5}) == [
        (
            "3 archives or compressed files are not read (.7z: 2, .rar: 1): unpack them, or pack "
            "them as zip or tar."
        )
    ]
    assert archive_notices({".txt": 5}) == []
