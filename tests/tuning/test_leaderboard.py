"""The leaderboard over what searches left behind."""

import io
import json
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from tests import records
from tunesmith.artifacts.store import Store
from tunesmith.cli.leaderboard import main
from tunesmith.errors import UsageError
from tunesmith.tuning.leaderboard import leaderboard


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _write_run(store: Store, run_id: str, trials: list[dict[str, Any]]) -> None:
    frame = pd.DataFrame(trials).assign(params="{}", steps=3, duration_s=1.5)
    best = frame.sort_values("score", ascending=False).iloc[0]
    parts = ["train"] * 70 + ["validation"] * 100 + ["test"] * 15
    where = ("runs", "noise", run_id)
    store.write_bytes(_parquet(frame), *where, "trials.parquet")
    store.write_bytes(_parquet(pd.DataFrame({"part": parts})), *where, "split.parquet")
    winner = {"trial": int(best["trial"]), "family": best["family"], "params": {},
              "score": best["score"], "steps": 3}  # fmt: skip
    records.write_run(store, records.make_run(run_id, best=winner))


def _trial(
    number: int, family: str, score: float | None, state: str = "COMPLETE"
) -> dict[str, Any]:
    return {"trial": number, "family": family, "score": score, "state": state}


@pytest.fixture
def board_store(store: Store) -> Store:
    trials = [
        _trial(0, "ann", 0.5),
        _trial(1, "boosting", 0.7),
        _trial(2, "ann", 0.6),
        _trial(3, "ann", None, "FAILED"),
    ]
    _write_run(store, "r1", trials)
    _write_run(store, "r2", [_trial(0, "ann", 0.65)])
    records.write_report(store, records.make_report("r1"))
    return store


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("run", [("r1", 1), ("r2", 0)]),
        ("family", [("r1", 1), ("r2", 0), ("r1", 2)]),
        ("trial", [("r1", 1), ("r2", 0), ("r1", 2), ("r1", 0), ("r1", 3)]),
    ],
)
def test_rows_are_the_best_of_their_level(
    board_store: Store, level: str, expected: list[tuple[str, int]]
) -> None:
    rows = leaderboard(board_store, ["noise"], level=level)
    assert [(row["run_id"], row["trial"]) for row in rows] == expected
    assert leaderboard(board_store, level=level, top=1) == rows[:1]


def test_figures_on_unseen_items_stand_beside_the_winner_alone(board_store: Store) -> None:
    best, *others = leaderboard(board_store, level="trial")
    assert best["test"]["accuracy"] == {"value": 0.6, "low": 0.5, "high": 0.7}
    assert all(row["test"] is None for row in others)
    assert best["noise"] == pytest.approx(1.96 * (0.7 * 0.3 / 100) ** 0.5)


def test_a_search_that_did_not_finish_is_on_the_board(store: Store) -> None:
    folder = Path(store.path("runs", "noise", ".staging-r9"))
    records.write_unfinished(store, records.make_plan("r9"))
    assert leaderboard(store) == []
    lines = [
        json.dumps({"trial": 0, "family": "ann", "step": step, "score": 0.1 * step,
                    "best_step": step, "fit_s": 0.1})
        for step in (1, 2)
    ]  # fmt: skip
    (folder / "history.jsonl").write_text("\n".join(lines) + '\n{"trial": 1, "fam')
    (row,) = leaderboard(store)
    assert (row["status"], row["score"], row["steps"]) == ("unfinished", 0.2, 2)


def test_an_unknown_level_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="run, family, trial"):
        leaderboard(store, level="class")


def test_a_thousand_trials_take_no_time(store: Store) -> None:
    _write_run(store, "r1", [_trial(n, f"family{n % 7}", n / 1000) for n in range(1000)])
    leaderboard(store, level="trial")
    started = time.perf_counter()
    assert len(leaderboard(store, level="trial")) == 1000
    assert time.perf_counter() - started < 1


def test_the_command_prints_a_table_and_json(board_store: Store) -> None:
    arguments = ["noise", "--store", board_store.uri]
    shown = CliRunner().invoke(main, arguments)
    assert shown.exit_code == 0
    assert "0.600 [0.500, 0.700]" in shown.stdout
    assert "boosting" in shown.stdout
    result = CliRunner().invoke(main, [*arguments, "--json", "--by", "run"])
    assert [row["run_id"] for row in json.loads(result.stdout)["rows"]] == ["r1", "r2"]
    empty = CliRunner().invoke(main, ["digits", "--store", board_store.uri])
    assert "No search has been run yet" in empty.stdout
