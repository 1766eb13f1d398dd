"""Numbers and times as people read them."""

import time
from collections.abc import Iterator

import pytest

from tunesmith.cli.wording import count, duration, local_time, settings, size


@pytest.fixture
def in_paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_paris")
@pytest.mark.parametrize(
    "moment", ["2026-11-29T08:34:04+00:00", "2026-11-29T08:34:04.123456", 1795941244.0]
)
def test_moments_are_local_and_to_the_minute(moment: str | float) -> None:
    assert local_time(moment) == "2026-11-29 09:34"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1:00 min"), (185, "3:05 min"),
     (3600, "1:00 h"), (7384, "2:03 h")],
)  # fmt: skip
def test_lengths_of_time(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_numbers_with_their_nouns() -> None:
    assert (count(1, "check"), count(0, "fault"), count(2000, "file")) == (
        "1 check", "0 faults", "2,000 files",
    )  # fmt: skip
    assert [size(n) for n in (700, 2_500_000, 3.2e9)] == ["0.7 kB", "2.5 MB", "3.2 GB"]
    assert settings('{"C": 5, "rate": 0.00012345, "kind": "a"}') == "C 5, rate 0.000123, kind a"
