import io
import os
import tarfile
import zipfile

import pytest

from tunesmith.errors import UsageError
from tunesmith.ingestion.archives import BrokenArchive
from tunesmith.ingestion.locations import ContentReader
from tunesmith.ingestion.parameters import ArchiveLimits
from tunesmith.ingestion.sources import list_sources

LIMITS = ArchiveLimits()


def pack(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def names(sources, limits=LIMITS):
    return [entry.path for entry in list_sources([str(s) for s in sources], limits).entries]


def contents(listing) -> dict[str, bytes]:
    reader = ContentReader(LIMITS, 10_000_000)
    read = {entry.path: reader.read(entry.location) for entry in listing.entries}
    reader.close()
    return read


def test_a_folder_is_walked_and_what_is_no_midi_is_counted(tmp_path):
    root = tmp_path / "corpus"
    (root / "Bach" / "deep").mkdir(parents=True)
    for name in ("Bach/a.mid", "Bach/deep/b.MID", "c.kar", "readme", "x.txt", "Bach/._a.mid"):
        (root / name).write_bytes(name.encode())
    listing = list_sources([str(root)], LIMITS)
    assert [e.path for e in listing.entries] == [
        "corpus/Bach/a.mid", "corpus/Bach/deep/b.MID", "corpus/c.kar",
    ]  # fmt: skip
    assert listing.ignored == {"": 1, ".txt": 1, "hidden": 1}
    assert (listing.sources[0].found, listing.sources[0].ignored) == (3, 3)
    assert contents(listing)["corpus/Bach/deep/b.MID"] == b"Bach/deep/b.MID"


def test_archives_inside_archives_inside_a_folder_are_read(tmp_path):
    root = tmp_path / "corpus"
    root.mkdir()
    inner = pack({"deepest.mid": b"deepest"})
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        info = tarfile.TarInfo("inner.zip")
        info.size = len(inner)
        archive.addfile(info, io.BytesIO(inner))
    (root / "Bach.zip").write_bytes(
        pack({"a.mid": b"a", "more.tgz": tar.getvalue(), "more/b.mid": b"b"})
    )
    assert contents(list_sources([str(root)], LIMITS)) == {
        "corpus/Bach.zip/a.mid": b"a",
        "corpus/Bach.zip/more.tgz/inner.zip/deepest.mid": b"deepest",
        "corpus/Bach.zip/more/b.mid": b"b",
    }


def test_archives_nested_too_deep_are_one_reject(tmp_path):
    data = pack({"a.mid": b"a"})
    for _ in range(5):
        data = pack({"in.zip": data, "b.mid": b"b"})
    (tmp_path / "x.zip").write_bytes(data)
    listing = list_sources([str(tmp_path / "x.zip")], LIMITS)
    assert len(listing.entries) == 4
    (reject,) = listing.rejects
    assert (reject.stage, reject.error) == ("archive", "ArchiveLimitExceeded")
    assert "4 are allowed" in reject.message


def test_a_broken_archive_is_one_reject_and_the_rest_is_read(tmp_path):
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 and then nothing of the kind")
    (tmp_path / "good.mid").write_bytes(b"x")
    listing = list_sources([str(tmp_path)], LIMITS)
    assert len(listing.entries) == 1
    assert [(r.path.rsplit("/", 1)[1], r.error) for r in listing.rejects] == [
        ("bad.zip", "BrokenArchive")
    ]
    assert listing.sources[0].found == 2


def test_unsafe_members_are_rejects_and_unsafe_readmes_are_nobodys_loss(tmp_path):
    (tmp_path / "x.zip").write_bytes(pack({"../a.mid": b"x", "../readme": b"x", "b.mid": b"b"}))
    listing = list_sources([str(tmp_path / "x.zip")], LIMITS)
    assert [e.path for e in listing.entries] == ["x.zip/b.mid"]
    assert [r.error for r in listing.rejects] == ["UnsafePath"]
    assert listing.ignored.total() == 1


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_folder_that_only_wraps_an_archive_is_no_label(tmp_path, wrapped):
    prefix = "corpus/" if wrapped else ""
    (tmp_path / "corpus.zip").write_bytes(
        pack({f"{prefix}Bach/a.mid": b"a", f"{prefix}Chopin/b.mid": b"b"})
    )
    listing = list_sources([str(tmp_path / "corpus.zip")], LIMITS)
    assert [e.relative for e in listing.entries] == ["Bach/a.mid", "Chopin/b.mid"]


def test_a_single_folder_of_another_name_is_a_label(tmp_path):
    (tmp_path / "corpus.zip").write_bytes(pack({"Bach/a.mid": b"a", "Bach/b.mid": b"b"}))
    listing = list_sources([str(tmp_path / "corpus.zip")], LIMITS)
    assert {e.relative.split("/")[0] for e in listing.entries} == {"Bach"}


def test_several_sources_and_globs(tmp_path):
    for folder in ("one", "two/one"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.mid").write_bytes(folder.encode())
    assert names([tmp_path / "one", tmp_path / "two" / "one"]) == ["one#2/a.mid", "one/a.mid"]
    assert names([tmp_path / "t*" / "**" / "*.mid"]) == ["a.mid"]
    assert names([tmp_path / "one", tmp_path / "one"]) == ["one/a.mid"]


def test_one_file_by_name_needs_no_suffix(tmp_path):
    (tmp_path / "piece.bin").write_bytes(b"x")
    listing = list_sources([str(tmp_path / "piece.bin")], LIMITS)
    assert contents(listing) == {"piece.bin": b"x"}


def test_uris_are_read_through_pyarrow(tmp_path):
    (tmp_path / "Bach").mkdir()
    (tmp_path / "Bach" / "a.mid").write_bytes(b"a")
    (tmp_path / "x.zip").write_bytes(pack({"Chopin/b.mid": b"b"}))
    listing = list_sources([f"file://{tmp_path}"], LIMITS)
    base = tmp_path.name
    assert contents(listing) == {
        f"{base}/Bach/a.mid": b"a",
        f"{base}/x.zip/Chopin/b.mid": b"b",
    }
    assert names([f"file://{tmp_path}/*.zip"]) == ["x.zip/Chopin/b.mid"]
    assert names([f"file://{tmp_path}/x.zip"]) == ["x.zip/Chopin/b.mid"]


def test_a_bucket_behind_an_endpoint_is_read_whatever_its_files_are_called(s3_store):
    s3_store.write_bytes(b"a", "midi", "Bach", "No. 1 = C? 50%.mid")
    s3_store.write_bytes(pack({"Chopin/b.mid": b"b"}), "midi", "x.zip")
    before, options = s3_store.uri.split("?")
    found = contents(listing := list_sources([f"{before}/midi?{options}"], LIMITS))
    assert found == {"midi/Bach/No. 1 = C? 50%.mid": b"a", "midi/x.zip/Chopin/b.mid": b"b"}
    assert "tests:tests" not in listing.sources[0].uri
    assert names([f"{before}/midi/*.zip?{options}"]) == ["x.zip/Chopin/b.mid"]
    assert names([f"{before}/mid?/x.zip?{options}"]) == ["x.zip/Chopin/b.mid"]
    with pytest.raises(UsageError, match="There is nothing at s3://…@ours"):
        list_sources([f"{before}/nowhere?{options}"], LIMITS)


@pytest.mark.parametrize(
    "source", ["nowhere", "no*where", "file:///no/where", "file://{}/no*where", "what://is/this"]
)
def test_a_source_that_is_not_there(source, tmp_path):
    with pytest.raises(UsageError):
        list_sources([source.format(tmp_path)], LIMITS)


def test_no_source_at_all():
    with pytest.raises(UsageError, match="No source"):
        list_sources([], LIMITS)


def test_names_in_any_encoding_can_be_shown_and_read(tmp_path):
    raw = os.fsencode(tmp_path) + b"/f\xfcr elise.mid"
    with open(raw, "wb") as handle:  # noqa: PTH123 - a name that is no text
        handle.write(b"x")
    listing = list_sources([str(tmp_path)], LIMITS)
    assert listing.entries[0].path == f"{tmp_path.name}/für elise.mid"
    assert list(contents(listing).values()) == [b"x"]


def test_links_to_files_are_followed_and_links_to_folders_are_told(tmp_path):
    root = tmp_path / "corpus"
    (root / "Bach").mkdir(parents=True)
    (root / "Bach" / "a.mid").write_bytes(b"a")
    (root / "b.mid").symlink_to(root / "Bach" / "a.mid")
    (root / "circle").symlink_to(root)
    (root / "broken.mid").symlink_to(root / "nothing")
    listing = list_sources([str(root)], LIMITS)
    assert [e.path for e in listing.entries] == ["corpus/Bach/a.mid", "corpus/b.mid"]
    assert [(r.path, r.stage) for r in listing.rejects] == [
        ("corpus/broken.mid", "list"),
        ("corpus/circle", "list"),
    ]


def test_an_unreadable_folder_is_a_reject(tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir()
    (tmp_path / "a.mid").write_bytes(b"a")
    inner = os.scandir

    def scandir(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return inner(path)

    monkeypatch.setattr(os, "scandir", scandir)
    listing = list_sources([str(tmp_path)], LIMITS)
    assert len(listing.entries) == 1
    assert [(r.error, r.stage) for r in listing.rejects] == [("PermissionError", "list")]


def test_reading_a_member_of_an_archive_that_was_replaced_fails_by_type(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(pack({"a.mid": b"a"}))
    (entry,) = list_sources([str(path)], LIMITS).entries
    path.write_bytes(b"gone")
    with pytest.raises(BrokenArchive):
        ContentReader(LIMITS, 100).read(entry.location)
