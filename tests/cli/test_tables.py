"""Tables in the width of a terminal, and the results of commands in them."""

import os
from typing import Any

import pytest
from click.testing import CliRunner

from tunesmith.cli import evaluate, history, leaderboard, tune
from tunesmith.cli.command import command
from tunesmith.cli.tables import Column, print_table, text_width, wrapped

COLUMNS = (
    Column("name"),
    Column("score", right=True),
    Column("data", rank=1),
    Column("run", rank=2),
    Column("settings", folds=True),
)
ROWS = [
    ["first", "0.9", "digits", "20261129T081809-8521", "learning_rate 0.001, optimizer adam, " * 3],
    ["second", "0.85", "digits", "20261129T081809-8522", "C 5"],
]


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("width", [50, 80, 140])
def test_a_table_fits_the_terminal_and_keeps_what_matters(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    print_table(COLUMNS, ROWS, "A title")
    lines = printed(capsys)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for word in ("A title", "first", "0.85", "C 5"):
        assert word in text
    assert text.count("learning_rate") == 3
    assert ("20261129T081809-8521" in text) == (width >= 80)
    assert ("run. --wide shows" in text.replace("\n", " ")) == (width < 80)


def test_without_a_terminal_nothing_is_folded_or_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert text_width() > 1000
    print_table(COLUMNS, ROWS)
    lines = printed(capsys)
    assert ROWS[0][4].strip() in lines[2]
    assert all(cell in lines[2] for cell in ROWS[0][:4])


def test_a_column_without_text_is_left_out_and_brackets_are_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table((Column("a"), Column("empty")), [["[bold]x", ""]])
    lines = printed(capsys)
    assert "[bold]x" in lines[2]
    assert "empty" not in lines[0]


def test_in_a_pipe_no_line_ends_with_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    print_table((Column("name"), Column("text", folds=True)), [["a", "short"], ["b", "long " * 99]])
    lines = capsys.readouterr().out.splitlines()
    assert all(line == line.rstrip() for line in lines)
    (rule,) = [line for line in lines if set(line) == {"─"}]
    assert len(rule) <= 100


def test_wide_shows_all_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    @command(show=lambda result: print_table(COLUMNS, result["rows"]), uses_store=False, table=True)
    def main() -> dict[str, Any]:
        """Print."""
        return {"rows": ROWS}

    monkeypatch.setenv("COLUMNS", "50")
    runner = CliRunner()
    assert ROWS[0][3] not in runner.invoke(main).stdout
    assert ROWS[0][3] in runner.invoke(main, ["--wide"]).stdout


INTERVAL = {"value": 0.954, "low": 0.928, "high": 1.0}
METRICS = {"accuracy": INTERVAL, "balanced_accuracy": INTERVAL, "log_loss": INTERVAL}
EVALUATION = {
    "task": "composer",
    "run_id": "20261129T081809-8521",
    "unit": "piece",
    "n_test": 242,
    "metrics": {"piece": METRICS, "chunk": METRICS},
    "baseline": {"majority": {"piece": METRICS}, "linear": {"piece": METRICS}},
    "chunk_note": "Chunks of a piece are not independent.",
    "elsewhere": [
        {
            "data": "its own test, as transcribed from a recording",
            "items": 242,
            "left_out": 0,
            "unknown": 0,
            "metrics": METRICS,
            "recall": {"Bach": INTERVAL, "Beethoven": INTERVAL},
        },
        {
            "data": "recitals@b5f5488b8712",
            "items": 1_029,
            "left_out": 133,
            "unknown": 91,
            "metrics": METRICS,
            "recall": {"Bach": INTERVAL},
        },
    ],
    "open_set": {"false_alarms": INTERVAL, "coverage": INTERVAL, "set_size": 1.08},
    "detector": {"promised": 0.05},
    "no_detector": None,
    "other_labels": [
        {"data": "recitals@b5f5488b8712", "items": 1_029, "labels": 91,
         "recognised": INTERVAL, "confidence": 0.55},
    ],
    "audit": [
        {"check": "columns", "result": "leak", "message": "`genre_code` is a copy of the target."},
        {"check": "groups", "result": "clear", "message": "No group is on two sides."},
    ],
    "notes": ["The test part has only 12 independent groups."],
    "comparisons": {
        "champion": {"metric": "accuracy", "version": 3, "difference": INTERVAL, "rows": 242}
    },
    "verdict": "Right on 95 of 100 pieces, and made too good by a leak",
    "report": "/store/reports/composer/20261129T081809-8521/report.html",
}  # fmt: skip
BOARD = {
    "rows": [
        {
            "task": "composer_all",
            "family": "nearest_centroid_x",
            "metric": "accuracy",
            "score": 0.96612,
            "noise": 0.01,
            "test": {"accuracy": INTERVAL},
            "run_id": "20261129T081809-8521",
            "status": "unfinished",
            "trial": 41,
            "steps": 300,
            "dataset": "classical",
            "is_sample": False,
        }
    ]
}
SETTINGS = (
    '{"learning_rate": 0.001, "optimizer": "adam", "units_0": 128, "units_1": 64, "layers": 2}'
)
RUNS = {
    "runs": [
        {
            "task": "digits",
            "run_id": "20261129T081809-8521",
            "metric": "accuracy",
            "best": {"trial": 7},
            "counts": {"planned": 2, "completed": 1, "failed": 1},
            "dataset": {"is_sample": False},
            "table": [
                {"trial": 3, "family": "ann", "state": "FAIL", "score": None, "steps": 1,
                 "duration_s": None, "params": SETTINGS, "error": "ValueError: no"},
                {"trial": 7, "family": "nearest_centroid_x", "state": "COMPLETE", "score": 0.96,
                 "steps": 300, "duration_s": 341.5, "params": SETTINGS, "error": None},
            ],
        }
    ]
}  # fmt: skip
HISTORY = {
    "task": "digits",
    "aliases": {"champion": 2, "previous": 1},
    "mlflow": None,
    "records": [
        {
            "when": "2026-11-29T08:34:04+00:00",
            "action": "promote",
            "champion": 2,
            "replaced": 1,
            "who": "somebody",
            "reason": None,
            "verdicts": [
                {"rule": "better", "message": "accuracy +0.8551 [+0.8333, +0.8913] against the "
                 "majority class on 414 untouched images, McNemar p = 6.9e-96"}
            ],
        }
    ],
}  # fmt: skip


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize(
    ("show", "result", "words"),
    [
        (tune._show, RUNS, ("*7", "0.9600", "ValueError: no", "Next: tunesmith evaluate digits")),
        (leaderboard._show, BOARD, ("composer_all", "0.9661 ± 0.010")),
        (
            evaluate._show,
            EVALUATION,
            (
                "per piece",
                "linear",
                "0.954 [0.928, 1.000]",
                "champion version 3",
                "as transcribed",
                "133 near-duplicates",
                "LEAK, columns",
                "None of these",
                "91 other labels",
            ),
        ),
        (history._show, HISTORY, ("2026-11-29", "promote", "champion version 2")),
    ],
)
def test_the_result_of_a_command_fits(
    width: int,
    show: Any,
    result: dict[str, Any],
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    show(result)
    lines = printed(capsys)
    assert max(len(line) for line in lines if not line.startswith("Report: ")) <= width
    text = "\n".join(lines)
    for word in words:
        assert word in text
    if width == 140:
        assert "--wide" not in text


def test_a_sentence_is_wrapped_under_its_heading(monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = "  data      " + "1,131 train, 242 validation; " * 8
    monkeypatch.setenv("COLUMNS", "80")
    lines = wrapped(sentence, " " * 12).splitlines()
    assert len(lines) > 2
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].startswith("  data      1,131 train")
    assert all(line[:12].isspace() for line in lines[1:])
    assert " ".join(" ".join(lines).split()) == " ".join(sentence.split())


def test_in_a_pipe_a_sentence_stays_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("os.get_terminal_size", _no_terminal)
    assert wrapped("word " * 100).count("\n") == 0


def _no_terminal(_: int) -> os.terminal_size:
    raise OSError


def test_a_withdrawn_challenger_stands_in_the_history(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    withdrawal = {
        **HISTORY["records"][0],
        "action": "withdraw", "champion": 2, "replaced": None, "withdrawn": 3, "verdicts": [],
        "reason": "Of 20 runs in which exactly one model failed, the challenger failed in 20",
    }  # fmt: skip
    history._show({**HISTORY, "records": [withdrawal]})
    (line,) = [line for line in printed(capsys) if "withdraw" in line]
    assert line.split()[3:5] == ["3", "somebody"], line
    assert "failed in 20" in line
