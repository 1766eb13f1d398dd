import io
import lzma
import struct
import tarfile
import zipfile
from contextlib import suppress

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.ingestion.archives import (
    ArchiveError,
    ArchiveLimitExceeded,
    BrokenArchive,
    LinkInArchive,
    UnsafePath,
    is_archive,
    open_archive,
)
from tunesmith.ingestion.parameters import ArchiveLimits

LIMITS = ArchiveLimits()
MAX_BYTES = 1_000_000


def make_zip(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def make_tar(files: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def opened(data: bytes, name: str, limits: ArchiveLimits = LIMITS):
    return open_archive(io.BytesIO(data), name, limits)


FILES = {"a/b.mid": b"first", "a/c.mid": b"second" * 1000, "empty.mid": b""}
PACKED = {
    "x.zip": make_zip(FILES),
    "stored.ZIP": make_zip(FILES, zipfile.ZIP_STORED),
    "bz.zip": make_zip(FILES, zipfile.ZIP_BZIP2),
    "lz.zip": make_zip(FILES, zipfile.ZIP_LZMA),
    "x.tar": make_tar(FILES),
    "x.tar.gz": make_tar(FILES, "w:gz"),
    "x.tgz": make_tar(FILES, "w:gz"),
    "x.tar.bz2": make_tar(FILES, "w:bz2"),
    "x.tar.xz": make_tar(FILES, "w:xz"),
    "x.tbz": make_tar(FILES, "w:bz2"),
    "x.tar.lzma": lzma.compress(make_tar(FILES), lzma.FORMAT_ALONE),
    "x.tar.zst": pa.Codec("zstd").compress(make_tar(FILES), asbytes=True),
}


@pytest.mark.parametrize("name", PACKED)
def test_members_are_listed_and_read_in_any_order(name):
    archive = opened(PACKED[name], name)
    members = list(archive.members())
    assert {m.name: m.size for m in members} == {n: len(d) for n, d in FILES.items()}
    assert all(m.problem is None for m in members)
    for member in reversed(members):
        assert archive.read(member.number, MAX_BYTES) == FILES[member.name]
    archive.close()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.zip", True), ("A.TAR.GZ", True), ("a.tgz", True), ("a.mid", False), ("a.gz", False)],
)
def test_is_archive(name, expected):
    assert is_archive(name) is expected


@pytest.mark.parametrize("name", ["../up.mid", "/etc/x.mid", "a/../../b.mid", "C:/x.mid"])
@pytest.mark.parametrize("kind", ["x.zip", "x.tar"])
def test_names_that_lead_out_are_refused(name, kind):
    data = make_zip({name: b"x"}) if kind == "x.zip" else make_tar({name: b"x"})
    (member,) = opened(data, kind).members()
    assert isinstance(member.problem, UnsafePath)


def test_backslashes_are_folders():
    (member,) = opened(make_zip({"Bach\\x.mid": b"x"}), "x.zip").members()
    assert member.name == "Bach/x.mid"


@pytest.mark.parametrize("kind", ["x.zip", "x.tar"])
def test_the_dots_of_tar_are_no_folder(kind):
    names = ["./Bach/a.mid", "././b.mid", "Bach/./c.mid", "Bach/.d.mid"]
    make = make_zip if kind == "x.zip" else make_tar
    members = list(opened(make(dict.fromkeys(names, b"x")), kind).members())
    assert [m.name for m in members] == ["Bach/a.mid", "b.mid", "Bach/c.mid", "Bach/.d.mid"]
    assert all(m.problem is None for m in members)


def test_links_in_a_zip_are_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("link.mid")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    (member,) = opened(buffer.getvalue(), "x.zip").members()
    assert isinstance(member.problem, LinkInArchive)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(kind):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("link.mid")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    (member,) = opened(buffer.getvalue(), "x.tar").members()
    assert isinstance(member.problem, LinkInArchive)


def test_old_zips_hold_utf8_declared_as_code_page_437():
    data = bytearray(make_zip({"Können.mid": b"x"}))
    # Clear the flag that says UTF-8, in the local header and in the table of contents.
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(signature) + offset
        (flags,) = struct.unpack_from("<H", data, at)
        struct.pack_into("<H", data, at, flags & ~0x800)
    (member,) = opened(bytes(data), "x.zip").members()
    assert member.name == "Können.mid"


def test_two_members_of_one_name_are_two_files():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.mid", b"one")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.mid", b"two")
    archive = opened(buffer.getvalue(), "x.zip")
    assert [archive.read(m.number, MAX_BYTES) for m in archive.members()] == [b"one", b"two"]


def test_too_many_members():
    with pytest.raises(ArchiveLimitExceeded, match="more than 2 members"):
        opened(PACKED["x.zip"], "x.zip", ArchiveLimits(max_entries=2))
    with pytest.raises(ArchiveLimitExceeded, match="more than 2 members"):
        opened(PACKED["x.tar"], "x.tar", ArchiveLimits(max_entries=2))


def test_a_member_that_expands_too_much_is_not_unpacked():
    bomb = make_zip({"bomb.mid": bytes(20_000_000), "small.mid": bytes(10_000)})
    bad, good = opened(bomb, "x.zip").members()
    assert isinstance(bad.problem, ArchiveLimitExceeded)
    assert good.problem is None


def test_a_compressed_tar_that_expands_too_much_is_not_unpacked():
    bomb = make_tar({"bomb.mid": bytes(30_000_000)}, "w:gz")
    with pytest.raises(ArchiveLimitExceeded, match="200 times"):
        opened(bomb, "x.tar.gz")


def test_a_member_larger_than_allowed_is_not_returned():
    archive = opened(PACKED["x.zip"], "x.zip")
    with pytest.raises(ArchiveLimitExceeded):
        archive.read(1, 100)
    archive = opened(PACKED["x.tar"], "x.tar")
    with pytest.raises(ArchiveLimitExceeded):
        archive.read(1, 100)


def test_a_size_that_lies_is_noticed():
    data = bytearray(make_zip({"a.mid": b"x" * 5000}))
    at = data.index(b"PK\x01\x02") + 24
    struct.pack_into("<I", data, at, 10)
    archive = opened(bytes(data), "x.zip")
    (member,) = archive.members()
    assert member.size == 10
    with pytest.raises(ArchiveError):
        archive.read(member.number, MAX_BYTES)


def test_encrypted_members_are_refused():
    data = bytearray(PACKED["x.zip"])
    at = data.index(b"PK\x01\x02") + 8
    struct.pack_into("<H", data, at, struct.unpack_from("<H", data, at)[0] | 1)
    first = next(opened(bytes(data), "x.zip").members())
    assert isinstance(first.problem, BrokenArchive)


def test_a_tar_cut_short_keeps_what_is_whole():
    data = make_tar({f"{i}.mid": bytes([i]) * 3000 for i in range(10)})[:20_000]
    archive = opened(data, "x.tar")
    members = list(archive.members())
    assert [m.name for m in members[:4]] == ["0.mid", "1.mid", "2.mid", "3.mid"]
    assert archive.read(2, MAX_BYTES) == bytes([2]) * 3000
    assert any(m.problem for m in members) or _broken(archive, members[-1].number)


def _broken(archive, number: int) -> bool:
    with pytest.raises(BrokenArchive):
        archive.read(number, MAX_BYTES)
    return True


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tar.bz2", "x.tar.xz"])
@pytest.mark.parametrize("data", [b"", b"not an archive at all" * 100])
def test_what_is_no_archive_is_broken(name, data):
    with pytest.raises(BrokenArchive):
        opened(data, name)


@settings(max_examples=400, deadline=None)
@given(
    name=st.sampled_from(["x.zip", "bz.zip", "lz.zip", "x.tar", "x.tar.gz", "x.tar.xz"]),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=12),
    cut=st.integers(0, 10**6),
)
def test_a_mutated_archive_raises_nothing_but_its_own_errors(name, changes, cut):
    data = bytearray(PACKED[name])
    for position, value in changes:
        data[position % len(data)] = value
    if cut % 3 == 0:
        del data[cut % len(data) :]
    with suppress(ArchiveError):
        archive = opened(bytes(data), name)
        for member in archive.members():
            with suppress(ArchiveError):
                assert len(archive.read(max(member.number, 0), MAX_BYTES)) <= MAX_BYTES
        archive.close()
