"""The demo's own small parts; the road itself is tested room by room and walked by `make demo`."""

import pytest

from tunesmith.cli import demo


@pytest.mark.parametrize(("seconds", "text"), [(4.4, "4 s"), (89, "89 s"), (91, "2 min")])
def test_time_left_reads_well(seconds: float, text: str) -> None:
    assert demo._clock(seconds) == text


def test_time_left_follows_the_pace_of_this_machine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(demo.time, "monotonic", lambda: now)
    progress = demo.Progress()
    typical_s = sum(demo.TYPICAL_S.values())
    with progress.stage("start", "Starting"):
        now += 3 * demo.TYPICAL_S["start"]
    with progress.stage("scores", "Writing"):
        pass
    first, second = (line for line in capsys.readouterr().err.splitlines() if "left)" in line)
    assert demo._clock(typical_s) in first
    # Three times slower than typical so far: the guess moves half of the way.
    assert demo._clock(2 * (typical_s - demo.TYPICAL_S["start"])) in second
