"""Archives made to hurt their reader, and what is checked before it is read."""

import io
import struct
import tarfile
import time
import zipfile
import zlib

import pytest

from tests.ingestion.test_archives import FILES, LIMITS, MAX_BYTES, PACKED, make_tar, opened
from tunesmith.ingestion import archive_checks, archives, locations
from tunesmith.ingestion.archives import ArchiveLimitExceeded, BrokenArchive
from tunesmith.ingestion.locations import ContentReader
from tunesmith.ingestion.parameters import ArchiveLimits


def entry(name: bytes, offset: int, packed: bytes, size: int, crc: int) -> bytes:
    """Return a line of a zip's table of contents."""
    return struct.pack(
        "<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 8, 0, 33, crc, len(packed), size,
        len(name), 0, 0, 0, 0, 0, offset,
    ) + name  # fmt: skip


def overlapping_zip(n_entries: int, size: int) -> bytes:
    """Return a zip whose entries all are the same bytes."""
    content = bytes(size)
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(content) + packer.flush()
    crc, first = zlib.crc32(content), b"000000.mid"
    local = struct.pack(
        "<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 33, crc, len(packed), size, len(first), 0
    )
    body = local + first + packed
    table = b"".join(entry(b"%06d.mid" % n, 0, packed, size, crc) for n in range(n_entries))
    end = struct.pack(
        "<4s4H2IH", b"PK\x05\x06", 0, 0, n_entries % 65536, n_entries % 65536, len(table),
        len(body), 0,
    )  # fmt: skip
    return body + table + end


def test_entries_that_share_their_bytes_are_not_unpacked():
    archive = opened(overlapping_zip(500, 900_000), "x.zip")
    members = list(archive.members())
    assert len(members) == 500
    assert all(isinstance(member.problem, BrokenArchive) for member in members)
    with pytest.raises(BrokenArchive, match="zip bomb"):
        archive.read(7, MAX_BYTES)


@pytest.mark.parametrize("name", [name for name in PACKED if name.lower().endswith(".zip")])
def test_entries_of_an_honest_zip_do_not_overlap(name):
    infos = zipfile.ZipFile(io.BytesIO(PACKED[name])).infolist()
    assert archive_checks.overlapping(infos) == frozenset()
    for most in (1, 2, 3, 100):
        count = archive_checks.count_zip_entries(io.BytesIO(PACKED[name]), most)
        assert (count > most) == (len(FILES) > most)


def test_the_number_that_a_zip_declares_is_not_trusted(monkeypatch):
    data = bytearray(overlapping_zip(3000, 10))
    struct.pack_into("<2H", data, len(data) - 14, 1, 1)

    def never(*_):
        message = "parsed before it was counted"
        raise AssertionError(message)

    monkeypatch.setattr(archives.zipfile, "ZipFile", never)
    with pytest.raises(ArchiveLimitExceeded, match="more than 2000 members"):
        opened(bytes(data), "x.zip", ArchiveLimits(max_entries=2000))


def test_a_zip64_is_counted_too():
    plain = overlapping_zip(300, 10)
    size, start = struct.unpack_from("<2I", plain, len(plain) - 10)
    record = struct.pack(
        "<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, size, start
    )  # fmt: skip
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, start + size, 1)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    data = plain[:-22] + record + locator + end
    assert len(zipfile.ZipFile(io.BytesIO(data)).infolist()) == 300
    assert archive_checks.count_zip_entries(io.BytesIO(data), 299) == 300
    with pytest.raises(ArchiveLimitExceeded):
        opened(data, "x.zip", ArchiveLimits(max_entries=299))


def _with_size(data: bytes, at: int, field: bytes) -> bytes:
    """Return a tar with the size field of the header at a place, and its checksum, replaced."""
    changed = bytearray(data)
    changed[at + 124 : at + 136] = field
    changed[at + 148 : at + 156] = b" " * 8
    changed[at + 148 : at + 156] = b"%06o\0 " % sum(changed[at : at + 512])
    return bytes(changed)


@pytest.mark.parametrize("size", [-512, -1024, -1])
def test_a_tar_header_with_a_negative_size_ends_the_archive(size):
    data = make_tar({f"{n}.mid": b"x" * 100 for n in range(4)})
    field = (256**12 + size).to_bytes(12, "big")
    started = time.monotonic()
    archive = opened(_with_size(data, 2048, field), "x.tar")
    assert time.monotonic() - started < 5
    *members, end = archive.members()
    assert [member.name for member in members] == ["0.mid", "1.mid"]
    assert isinstance(end.problem, BrokenArchive)


def test_an_extended_header_with_a_negative_size_ends_the_archive():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, headers in (("a.mid", {}), ("b.mid", {"size": "-2048"}), ("c.mid", {})):
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = 5, headers
            archive.addfile(info, io.BytesIO(b"hello"))
    started = time.monotonic()
    members = list(opened(buffer.getvalue(), "x.tar").members())
    assert time.monotonic() - started < 5
    assert [member.name for member in members if member.problem is None][:1] == ["a.mid"]
    assert isinstance(members[-1].problem, BrokenArchive)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_of_names_that_fills_the_memory_is_not_read(kind):
    data = make_tar({"a.mid": b"x", "b.mid": bytes(3_000_000)})
    changed = bytearray(data)
    changed[1024 + 156] = kind[0]
    archive = opened(_with_size(bytes(changed), 1024, b"%011o\0" % 3_000_000), "x.tar")
    *members, end = archive.members()
    assert [member.name for member in members] == ["a.mid"]
    assert isinstance(end.problem, BrokenArchive)


def test_no_more_is_unpacked_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(archive_checks.shutil, "disk_usage", lambda _: _Usage(100_000))
    with pytest.raises(ArchiveLimitExceeded, match=r"the room for it in .* TMPDIR"):
        opened(make_tar({"a.mid": bytes(200_000)}, "w:gz"), "x.tar.gz")


class _Usage:
    def __init__(self, free: int) -> None:
        self.free = free


def test_archives_inside_archives_have_one_budget(tmp_path, monkeypatch):
    monkeypatch.setattr(locations, "_LEAST_NESTED_BYTES", 1000)
    outer = tmp_path / "outer.zip"
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(40):
            inner = io.BytesIO()
            with zipfile.ZipFile(inner, "w", zipfile.ZIP_STORED) as nested:
                nested.writestr("zeros.mid", bytes(500_000))
            archive.writestr(f"{number}.zip", inner.getvalue())
    reader = ContentReader(LIMITS, MAX_BYTES)

    def read_all() -> None:
        for number in range(40):
            assert len(reader.read((str(outer), str(number), f"{number}.zip", "0"))) == 500_000

    with pytest.raises(ArchiveLimitExceeded, match=r"inside outer\.zip unpack to more than 200"):
        read_all()
    reader.close()
