"""The demo's own small parts; the road itself is tested room by room and walked by `make demo`."""

import socket

import pytest

from tunesmith.cli import demo
from tunesmith.errors import UsageError


def test_a_taken_port_is_found_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"Port {port} .* is taken"):
            demo._require_free(port)
    demo._require_free(port)


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
