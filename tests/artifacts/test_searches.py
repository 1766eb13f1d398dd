"""Records that a kill or a full disk cut off go on."""

import json
from pathlib import Path

import pytest

from tunesmith.artifacts.searches import TrialResult, mend, read_history
from tunesmith.tuning.studies import open_study


def test_a_line_that_was_not_finished_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    results = [TrialResult(0, "ann", step, 0.5, 1, 0.1, {"log_loss": 1.0}) for step in (1, 2, 3)]
    first, second, third = (json.dumps(result.row()) + "\n" for result in results)
    path.write_text(first + second + third[:10])
    mend(path)
    with path.open("a") as file:
        file.write(third)
    assert read_history(path) == results
    mend(path)
    assert read_history(path) == results


def test_nothing_is_made_where_there_was_nothing(tmp_path: Path) -> None:
    mend(tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("lost", [1, 20])
def test_a_study_goes_on_after_half_a_line(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "study.journal"
    study = open_study(path, "s")
    for value in (0.1, 0.2):
        study.tell(study.ask(), value)
    path.write_bytes(path.read_bytes()[:-lost])
    mend(path)
    study = open_study(path, "s")
    study.tell(study.ask(), 0.3)
    assert [trial.value for trial in open_study(path, "s").trials] == [0.1, None, 0.3]
