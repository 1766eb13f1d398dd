"""The dataset whose pieces are found: chosen, followed, and what is wrong with it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.in_process import ingest_in_process
from tunesmith.artifacts.store import Store
from tunesmith.datasets.index import SimilarityIndex
from tunesmith.errors import StoreUnreachableError
from tunesmith.ingestion import pipeline
from tunesmith.midi.reading import read_score
from tunesmith.serving import similar
from tunesmith.serving.http import problems
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.settings import SimilarSettings
from tunesmith.serving.similar import KnownPieces


def ingest_pieces(store: Store, folder: Path, pieces: dict[str, bytes]) -> str:
    """Make a version of the dataset of the folder's name; return NAME@VERSION."""
    for name, content in pieces.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        ingest_in_process(patch)
        manifest = pipeline.ingest(store, [str(folder)], folder.name)
    return f"{manifest.name}@{manifest.version}"


@pytest.fixture
def mine(store: Store, tmp_path: Path, midi_factory: Callable[..., bytes]) -> str:
    """Return a dataset of two pieces."""
    folder = tmp_path / "mine"
    return ingest_pieces(store, folder, {f"{n}.mid": midi_factory(seed=n) for n in range(2)})


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every look find out whether anything has changed."""
    monkeypatch.setattr(similar, "LOOK_S", 0.0)
    return


def known(store: Store, *learned_from: str, dataset: str | None = None) -> KnownPieces:
    """Return the pieces that a server knows whose models learned from some data."""
    found = KnownPieces(store, SimilarSettings(dataset=dataset), lambda: learned_from)
    found.refresh()
    return found


def refusal(pieces: KnownPieces, midi: bytes) -> ProblemError:
    """Return the problem of a search."""
    with pytest.raises(ProblemError) as caught:
        pieces.nearest(read_score(midi).notes, 1)
    return caught.value


def test_the_first_data_with_an_index_is_searched(
    store: Store, mine: str, midi_factory: Callable[..., bytes]
) -> None:
    pieces = known(store, "gone@0123456789ab", mine)
    assert pieces.dataset == mine
    nearest = pieces.nearest(read_score(midi_factory(seed=1, bpm=80)).notes, 5)
    assert nearest.match is not None
    assert nearest.match.path == "mine/1.mid"
    assert f"{nearest.dataset}@{nearest.version}" == mine
    assert known(store, "gone@0123456789ab", dataset="mine").dataset == mine


def test_the_index_is_opened_once_and_for_the_first_request_alone(
    store: Store,
    mine: str,
    midi_factory: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = []

    def opening(dataset: object) -> SimilarityIndex:
        opened.append(dataset)
        return SimilarityIndex(dataset)  # type: ignore[arg-type]

    monkeypatch.setattr(similar, "SimilarityIndex", opening)
    pieces = known(store, mine)
    assert not opened
    for _ in range(3):
        pieces.refresh()
        pieces.nearest(read_score(midi_factory()).notes, 1)
    assert len(opened) == 1


def test_the_latest_version_of_a_named_dataset_is_followed(
    store: Store, mine: str, tmp_path: Path, midi_factory: Callable[..., bytes]
) -> None:
    pieces = known(store, dataset="mine")
    notes = read_score(midi_factory(seed=7)).notes
    assert pieces.nearest(notes, 1).match is None
    newer = ingest_pieces(store, tmp_path / "mine", {"7.mid": midi_factory(seed=7)})
    assert newer != mine
    pieces.refresh()
    match = pieces.nearest(notes, 1).match
    assert match is not None
    assert match.path == "mine/7.mid"
    pinned = known(store, dataset=mine)
    pinned.refresh()
    assert pinned.nearest(notes, 1).match is None


def test_what_cannot_be_searched_is_told(
    store: Store, mine: str, midi_factory: Callable[..., bytes]
) -> None:
    midi = midi_factory()
    assert "has been promoted" in refusal(known(store), midi).detail
    gone = refusal(known(store, dataset="gone"), midi)
    assert gone.kind is problems.NO_INDEX
    assert gone.detail == "The dataset gone is not in the store of this server."
    name, version = mine.split("@")
    (index,) = Path(store.path("datasets", name, version, "index")).iterdir()
    pieces = known(store, mine)
    index.write_bytes(b"no index")
    damaged = refusal(pieces, midi)
    assert damaged.kind is problems.NO_INDEX
    assert damaged.detail.startswith(f"The dataset {mine} cannot be read")
    index.unlink()
    assert "has no index" in refusal(known(store, mine), midi).detail


def test_a_store_that_is_away_for_a_while_changes_nothing(
    store: Store, mine: str, midi_factory: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    midi = midi_factory()
    pieces = known(store, mine)
    with monkeypatch.context() as patch:

        def unreachable(*_: object) -> bool:
            raise StoreUnreachableError(store.uri)

        patch.setattr(similar, "open_named", unreachable)
        pieces.refresh()
        assert refusal(known(store, mine), midi).kind is problems.STORE_UNREACHABLE
    assert pieces.nearest(read_score(midi).notes, 1).match is not None
