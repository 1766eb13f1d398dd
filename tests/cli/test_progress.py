"""Progress on stderr, with and without a terminal."""

import dataclasses
import io

import pytest

from tests.tuning.test_display import HALF_WAY
from tunesmith.cli import progress
from tunesmith.cli.progress import counting, searching


class Terminal(io.StringIO):
    """Text that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_without_a_terminal_counting_prints_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with counting("files") as advance:
        for done in range(41):
            advance(done, 40, f"{done} good" if done == 40 else "")
            now += 0.5
    assert capsys.readouterr().err.splitlines() == [
        "files: 20 of 40, 2.0 a second, 10 s left",
        "files: 40 of 40, 2.0 a second; 40 good",
    ]


def test_what_an_earlier_run_had_finished_does_not_count_for_the_rate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with counting("files") as advance:
        advance(900, 1000)
        now = 20.0
        advance(920, 1000)
    assert capsys.readouterr().err.splitlines() == [
        "files: 920 of 1,000, 1.0 a second, 1:20 min left"
    ]


def test_on_a_terminal_a_search_is_a_bar_with_lines_above_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with searching() as say:
        say.show(HALF_WAY)  # type: ignore[attr-defined]
        say("digits: trial 3 (ann) failed: [no]")
        say.show(dataclasses.replace(HALF_WAY, ended=3))  # type: ignore[attr-defined]
    text = screen.getvalue()
    for part in ("digits: trial 3 (ann) failed: [no]", "3/6", "1 a minute", "best 0.9661 (svm #1)"):
        assert part in text


def test_without_a_terminal_a_search_prints_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with searching() as say:
        say("a line")
    assert capsys.readouterr().err == "a line\n"
