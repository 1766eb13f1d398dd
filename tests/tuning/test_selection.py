"""Which trial becomes the model."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from optuna.trial import TrialState

from tunesmith.artifacts.store import Store
from tunesmith.errors import SearchError
from tunesmith.tuning.progress import Progress
from tunesmith.tuning.selection import choose
from tunesmith.tuning.space import FAMILY
from tunesmith.tuning.studies import open_study


def _session(folder: Path, trials: list[dict[str, Any]]) -> Any:
    study = open_study(folder / "study.journal", "t")
    with (folder / "history.jsonl").open("w") as file:
        for about in trials:
            trial = study.ask()
            trial.suggest_categorical(FAMILY, ["boosting"])
            trial.suggest_float("boosting.rate", 0, 1)
            trial.set_user_attr("time_total_s", about["duration_s"])
            for step, (_, loss) in enumerate(about["steps"], 1):
                so_far = [score for score, _ in about["steps"][:step]]
                row = {
                    "trial": trial.number, "family": "boosting", "step": step, "fit_s": 1.0 * step,
                    "score": max(so_far), "log_loss": loss,
                    "best_step": so_far.index(max(so_far)) + 1,
                }  # fmt: skip
                file.write(json.dumps(row) + "\n")
            study.tell(trial, 0.0 if about["steps"] else None, state=about.get("state"))
    task = SimpleNamespace(name="t", ensemble=False, metric="accuracy")
    return SimpleNamespace(
        history=folder / "history.jsonl",
        search=SimpleNamespace(study=study),
        progress=Progress(len(trials), growth=2.0),
        task=task,
        run_id="r1",
        staging=SimpleNamespace(store=Store(folder)),
    )


def test_of_equal_scores_the_smaller_loss_where_it_was_best_wins(tmp_path: Path) -> None:
    session = _session(
        tmp_path,
        [
            {"duration_s": 1.0, "steps": [(0.8, 0.30), (0.9, 0.60), (0.7, 0.05)]},
            {"duration_s": 9.0, "steps": [(0.9, 0.20), (0.9, 0.10)]},
            {"duration_s": 1.0, "steps": [(0.89, 0.01)]},
        ],
    )
    selection = choose(session)
    assert selection.winner.trial == 1
    assert selection.winner.steps == 1
    assert selection.members[0].refit_s == 2.0


def test_of_equal_losses_the_shorter_trial_wins(tmp_path: Path) -> None:
    steps = [(0.9, 0.2)]
    session = _session(
        tmp_path, [{"duration_s": 2.0, "steps": steps}, {"duration_s": 1.0, "steps": steps}]
    )
    assert choose(session).winner.trial == 1


@pytest.mark.parametrize(
    ("progress", "message"),
    [
        ({"errors": {0: "ValueError: no"}}, "No trial of t gave a score: ValueError: no"),
        ({"started": 2}, "gave a score: 2 started, and none finished its first step in time"),
        ({}, "the processes of the first ones had not started in time"),
        ({"is_queued": True}, "No trial of t started, because the cluster had no room for one"),
    ],
)
def test_no_score_at_all_is_said_with_the_reason(
    tmp_path: Path, progress: dict[str, Any], message: str
) -> None:
    failed = [{"duration_s": 1.0, "steps": [], "state": TrialState.FAIL}]
    session = _session(tmp_path, failed if "errors" in progress else [])
    vars(session.progress).update(progress)
    with pytest.raises(SearchError, match=rf"{message}.* --resume r1 --store {tmp_path}"):
        choose(session)
