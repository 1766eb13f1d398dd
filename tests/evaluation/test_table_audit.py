"""Leaks planted into tables are found, and clean tables raise no alarm."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from tunesmith.artifacts.reports import AuditFinding, Interval
from tunesmith.datasets.splits import split_pieces
from tunesmith.evaluation.table_audit import audit_table, near_perfect
from tunesmith.evaluation.table_rows import TableSides
from tunesmith.tasks.support.tables import Table, read_table, table_examples

GENRES = np.array(["folk", "jazz", "pop", "rock"])
Random = np.random.Generator


def _songs(n: int = 600, seed: int = 0) -> pd.DataFrame:
    """Return songs whose numbers speak for their genre a little, as texts."""
    random = np.random.default_rng(seed)
    y = random.integers(0, len(GENRES), n)
    numbers = {f"band_{i}": random.normal(size=n) + 0.7 * (y == i % 4) for i in range(6)}
    frame = pd.DataFrame(numbers).round(4).astype(str)
    frame["mode"] = random.choice(["Major", "Minor"], n)
    frame["tempo"] = random.integers(60, 180, n).astype(str)
    return frame.assign(genre=GENRES[y])


def _findings(frame: pd.DataFrame, target: str = "genre", **table: object) -> list[AuditFinding]:
    items = table_examples(frame, Table(target, least_rows=5, **table))  # type: ignore[arg-type]
    examples = items.examples
    parts = split_pieces([examples.classes[i] for i in examples.y], examples.groups)
    sides = (np.flatnonzero(parts != "test"), np.flatnonzero(parts == "test"))
    return audit_table(TableSides(items.source, examples, *sides))


def _alarms(findings: list[AuditFinding]) -> list[AuditFinding]:
    return [finding for finding in findings if finding.result in {"leak", "caution"}]


def _by_class(frame: pd.DataFrame) -> np.ndarray:
    return np.searchsorted(GENRES, frame["genre"].to_numpy(dtype=str))


def _in_class_order(frame: pd.DataFrame, random: Random) -> pd.DataFrame:
    frame = frame.sort_values("genre", ignore_index=True)
    frame["planted"] = [str(number) for number in range(1, len(frame) + 1)]
    return frame.sample(frac=1, random_state=1, ignore_index=True)


def _artists(frame: pd.DataFrame, random: Random, per_artist: int = 6) -> list[int]:
    """Return an artist of the row's own genre for each row."""
    each = len(frame) // per_artist // 4
    names = random.permutation(10 * each)
    own = [4 * random.integers(each) + label for label in _by_class(frame)]
    return [int(names[place]) for place in own]


def _copied(frame: pd.DataFrame, random: Random, noise: float) -> pd.DataFrame:
    """Return the rows and a third of them again with other last digits."""
    copies = frame.sample(frac=0.33, random_state=2).copy()
    for name in [c for c in frame.columns if c.startswith("band") or c == "tempo"]:
        numbers = copies[name].astype(float)
        copies[name] = (numbers + random.normal(0, noise * numbers.std(), len(copies))).astype(str)
    return pd.concat([frame, copies]).sample(frac=1, random_state=1, ignore_index=True)


def _planted(frame: pd.DataFrame, random: Random, values: object) -> pd.DataFrame:
    del random
    return frame.assign(planted=values)


PLANTS: dict[str, Callable[[pd.DataFrame, Random], pd.DataFrame]] = {
    "copy": lambda f, r: _planted(f, r, f["genre"].str.upper()),
    "code": lambda f, r: _planted(f, r, r.permutation(4)[_by_class(f)].astype(str)),
    "texts of one genre each": lambda f, r: _planted(
        f, r, [f"s{5 * label + r.integers(5)}" for label in _by_class(f)]
    ),
    "one column a class": lambda f, r: _planted(f, r, (f["genre"] == "jazz").astype(str)),
    "bucketed target": lambda f, r: _planted(f, r, np.where(_by_class(f) < 2, "soft", "loud")),
    "target and little noise": lambda f, r: _planted(
        f, r, (_by_class(f) + r.normal(0, 0.1, len(f))).astype(str)
    ),
    "target and much noise": lambda f, r: _planted(
        f, r, (_by_class(f) + r.normal(0, 0.3, len(f))).astype(str)
    ),
    "order of the rows": _in_class_order,
    "few artists": lambda f, r: _planted(f, r, [f"a{7 * n}" for n in _artists(f, r, 25)]),
    "known only for one class": lambda f, r: _planted(
        f, r, np.where(f["genre"] == "pop", r.integers(1, 100, len(f)).astype(str), "")
    ),
    "one number a class": lambda f, r: _planted(
        f, r, r.normal(size=4).round(4)[_by_class(f)].astype(str)
    ),
    "one number of one class": lambda f, r: _planted(
        f, r, np.where(f["genre"] == "rock", "7.5", r.normal(size=len(f)).round(4).astype(str))
    ),
    "class in few texts": lambda f, r: _planted(
        f, r, [f"Best {name} {r.choice(['2019', '2020'])}" for name in f["genre"]]
    ),
}


@pytest.mark.parametrize("plant", PLANTS)
def test_a_column_that_gives_the_class_away_is_found(plant: str) -> None:
    frame = PLANTS[plant](_songs(), np.random.default_rng(3))
    leaks = {f.check: f for f in _findings(frame) if f.result == "leak"}
    assert leaks["class in a column"].facts["columns"] == ["planted"]
    assert "`planted`" in leaks["class in a column"].message
    assert "--drop planted" in leaks["class in a column"].message


def test_a_column_named_as_known_later_is_found_where_it_is_strong() -> None:
    frame, random = _songs(), np.random.default_rng(0)
    strong = ((_by_class(frame) + 1) * 10 + random.normal(0, 4, len(frame))).astype(str)
    (finding,) = _alarms(_findings(frame.assign(weeks_after_release=strong)))
    assert finding.facts["columns"] == ["weeks_after_release"]
    assert "known only after" in finding.message
    weak = random.normal(size=len(frame)).astype(str)
    assert not _alarms(_findings(frame.assign(weeks_after_release=weak)))
    # The same column by a name that says nothing is legitimate: strong columns exist.
    assert not _alarms(_findings(frame.assign(brightness=strong)))


@pytest.mark.parametrize("as_number", [False, True])
def test_artists_on_both_sides_are_found_with_what_to_do(as_number: bool) -> None:
    frame = _songs()
    artists = _artists(frame, np.random.default_rng(1))
    names = [str(7919 * n % 1_000_003) if as_number else f"artist {n}" for n in artists]
    frame = frame.assign(artist=names)
    findings = {f.check: f for f in _findings(frame)}
    shared = findings["values on both sides"]
    assert shared.result == "leak"
    (column,) = shared.facts["columns"]
    assert column["column"] == "artist"
    assert f"{column['rows']:,} of" in shared.message
    assert "--group artist" in shared.message
    assert len(shared.leaked_ids or ()) == column["rows"]
    assert not _alarms(_findings(frame, groups=("artist",)))


def test_artists_that_say_nothing_of_the_class_raise_no_alarm() -> None:
    random = np.random.default_rng(1)
    frame = _songs().assign(listener=[f"listener {n}" for n in random.integers(0, 100, 600)])
    assert not _alarms(_findings(frame))


@pytest.mark.parametrize("noise", [0.001, 0.02])
def test_rows_copied_with_small_changes_are_found(noise: float) -> None:
    frame = _copied(_songs(), np.random.default_rng(0), noise)
    findings = {f.check: f for f in _findings(frame)}
    assert findings["near-duplicate rows"].result == "leak"
    assert findings["near-duplicate rows"].facts["items"] > 50


def test_rows_that_differ_in_one_column_are_found() -> None:
    frame = _songs()
    copies = frame.sample(frac=0.3, random_state=0)
    copies = copies.assign(band_0=np.random.default_rng(0).normal(size=len(copies)).astype(str))
    frame = pd.concat([frame, copies]).sample(frac=1, random_state=1, ignore_index=True)
    findings = {f.check: f for f in _findings(frame)}
    assert findings["near-duplicate rows"].result == "leak"


@pytest.mark.parametrize("relation", ["difference", "sum", "combination"])
def test_two_columns_that_make_up_the_class_are_found(relation: str) -> None:
    frame, random = _songs(), np.random.default_rng(5)
    code, mask = _by_class(frame), random.integers(0, 1000, len(frame))
    if relation == "combination":
        mask %= 4
        other = (code - mask) % 4
    else:
        other = mask + code if relation == "difference" else 5000 - mask + code
    frame = frame.assign(one=mask.astype(str), two=other.astype(str))
    leaks = {f.check: f for f in _findings(frame) if f.result == "leak"}
    assert leaks["class in a pair of columns"].facts["pairs"] == [["one", "two"]]


def test_a_column_that_is_not_learned_from_is_a_caution_at_most() -> None:
    frame = _songs().sort_values("genre", ignore_index=True)
    frame = frame.assign(id=[f"TR{number:05d}" for number in range(len(frame))])
    (finding,) = _alarms(_findings(frame))
    assert finding.result == "caution"
    assert "`id`" in finding.message
    assert "does not read it" in finding.message
    assert not _alarms(_findings(frame, leave_out=("id",)))


def test_columns_that_repeat_each_other_are_told_and_are_no_leak() -> None:
    frame = _songs()
    frame = frame.assign(bpm_half=[str(int(tempo) / 2) for tempo in frame["tempo"]])
    findings = {f.check: f for f in _findings(frame)}
    assert findings["columns that repeat each other"].facts["pairs"] == [["tempo", "bpm_half"]]
    assert not _alarms(list(findings.values()))


def _bundled(name: str) -> pd.DataFrame:
    loaded = getattr(datasets, f"load_{name}")(as_frame=True)
    names = [str(loaded.target_names[label]) for label in loaded.target]
    return loaded.data.astype(str).assign(genre=names)


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
def test_a_clean_table_raises_no_alarm(name: str) -> None:
    assert not _alarms(_findings(_bundled(name)))


def test_a_made_up_table_raises_no_alarm() -> None:
    for seed in range(3):
        assert not _alarms(_findings(_songs(seed=seed)))


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "target", "groups"),
    [
        ("moodify_sample.csv.gz", "labels", ()),
        ("music_genre.csv.gz", "music_genre", ("artist_name", "track_name")),
    ],
)
def test_a_real_table_raises_no_alarm(
    file: str, target: str, groups: tuple[str, ...], data_dir: Path
) -> None:
    frame = read_table(data_dir / file).sample(6000, random_state=0)
    assert not _alarms(_findings(frame, target, groups=groups))


def test_a_near_perfect_accuracy_is_a_caution_where_many_rows_show_it() -> None:
    assert near_perfect(Interval(value=1, low=0.99, high=1)).result == "caution"
    # All right of 27: honest tables of that size give this, such as the wines.
    assert near_perfect(Interval(value=1, low=0.87, high=1)).result == "clear"
