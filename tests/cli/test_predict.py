"""Answers in words, as ``tunesmith predict`` prints them."""

from typing import Any

import pytest

from tunesmith.cli.predict import _show

ANSWER = {
    "file": "a.mid", "label": "Bach", "probability": 0.62, "unsure": False,
    "none_of_these": False, "labels_90": ["Bach"], "transcription": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "a.mid: Bach 62%"),
        ({"unsure": True}, "a.mid: Bach 62% (unsure)"),
        ({"labels_90": ["Bach", "Mozart"]}, "a.mid: Bach 62% (or Mozart)"),
        (
            {"unsure": True, "labels_90": ["Bach", "Mozart", "Haydn"]},
            "a.mid: Bach 62% (unsure; or Mozart, Haydn)",
        ),
        ({"none_of_these": True}, "a.mid: none of these (the nearest is Bach, 62%)"),
        ({"none_of_these": None, "labels_90": None}, "a.mid: Bach 62%"),
        ({"labels_90": []}, "a.mid: Bach 62%"),
        (
            {"transcription": {"certainty": 0.571, "heard_s": 44.9}},
            "a.mid: Bach 62%; transcribed from 45 s of the recording, certainty 0.57",
        ),
    ],
)
def test_an_answer_is_a_line(
    changes: dict[str, Any], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _show({"answers": [ANSWER | changes]})
    assert capsys.readouterr().out == f"{line}\n"
