"""Leaderboard of trials across tasks, families and runs, including running searches.

Reads the tables of published runs and the history of unfinished ones; neither Ray nor Optuna.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from tunesmith.artifacts import layout
from tunesmith.artifacts.documents import JsonObject
from tunesmith.artifacts.gaps import damaged_as, left_out, readable
from tunesmith.artifacts.reports import open_report
from tunesmith.artifacts.runs import Run, open_run, run_ids
from tunesmith.artifacts.searches import Plan, parse_history, unfinished_plans
from tunesmith.artifacts.store import Store
from tunesmith.errors import UsageError

__all__ = ["LEVELS", "leaderboard"]

LEVELS = ("run", "family", "trial")
_COLUMNS = ["trial", "family", "params", "state", "score", "steps", "duration_s"]


@dataclass(frozen=True)
class _About:
    """Facts about a run that stand beside each of its trials."""

    task: str
    run_id: str
    status: str
    metric: str
    dataset: str
    is_sample: bool
    finished: str | None = None
    best_trial: int | None = None
    n_judged: int = 0
    test: JsonObject | None = None


_OF_RUNS = ("task", "run_id", "status", "metric", "dataset", "is_sample", "finished")


def leaderboard(
    store: Store,
    tasks: Sequence[str] = (),
    *,
    level: str = "family",
    top: int | None = None,
) -> list[dict[str, Any]]:
    """Return the best of each run, of each family of a run, or every trial.

    Parameters
    ----------
    store
        Where the runs are.
    tasks
        Which tasks; all that have runs by default.
    level
        One of `LEVELS`.
    top
        Rows a task, all by default.

    Returns
    -------
    list of dict
        By task, best first: ``task``, ``run_id``, ``status``, ``metric``, ``score``, its
        ``noise`` (half a 95 % interval from the number of validation items alone: what is nearer
        than this is a tie), ``trial``, ``family``, ``params``, ``state``, ``steps``,
        ``duration_s``, ``is_sample``, and ``test``: figures on unseen items where a report exists.

    Raises
    ------
    UsageError
        When the level does not exist.
    """
    if level not in LEVELS:
        message = f"A leaderboard is by {', '.join(LEVELS)}, not by {level!r}."
        raise UsageError(message)
    # Rows of a table whose cells pandas gives, for printing and as JSON.
    board: list[dict[str, Any]] = []
    for task in tasks or store.list(*layout.searched_tasks()):
        frames = [_rows(about, trials, level) for about, trials in _runs(store, task)]
        if frames:
            rows = pd.concat(frames, ignore_index=True).sort_values("score", ascending=False)
            rows = rows.head(top) if top else rows
            records: Any = rows.astype(object).where(rows.notna(), None).to_dict("records")
            board += records
    return board


def _rows(about: _About, trials: pd.DataFrame, level: str) -> pd.DataFrame:
    """Return a run's rows at a level, what is known of the run beside each."""
    scored = trials.dropna(subset=["score"]).sort_values("score", ascending=False)
    if level == "run":
        scored = scored.head(1)
    elif level == "family":
        scored = scored.drop_duplicates("family")
    else:
        scored = pd.concat([scored, trials[trials["score"].isna()]])
    rows = scored.reindex(columns=_COLUMNS)
    n_judged = about.n_judged
    share = rows["score"].astype(float).clip(0, 1)
    rows["noise"] = 1.96 * np.sqrt(share * (1 - share) / n_judged) if n_judged else np.nan
    for name in _OF_RUNS:
        rows[name] = getattr(about, name)
    # Figures on unseen items are the winner's alone.
    is_best = rows["trial"] == about.best_trial
    test: Any = [about.test if best else None for best in is_best]  # pandas has no type for them
    rows["test"] = test
    return rows


def _runs(store: Store, task: str) -> Iterator[tuple[_About, pd.DataFrame]]:
    """Yield what is known of each run of a task, and its trials."""
    yield from readable(
        run_ids(store, task),
        lambda run_id: _published(store, task, run_id),
        lambda run_id: f"Run {run_id} of {task}",
    )
    yield from readable(
        unfinished_plans(store, task),
        lambda plan: _unfinished(store, plan),
        lambda plan: f"The unfinished search {plan.run_id} of {task}",
    )


def _published(store: Store, task: str, run_id: str) -> tuple[_About, pd.DataFrame]:
    run = open_run(store, task, run_id)
    record = run.record
    trials = _table(run, "trials", _COLUMNS)
    parts = _table(run, "split", ["part"])["part"].value_counts()
    n_judged = parts.get("validation", 0)
    if record.folds:
        n_judged += parts.get("train", 0)
    about = _About(
        task=task,
        run_id=run_id,
        status=record.status,
        metric=record.metric,
        dataset=record.dataset.name,
        is_sample=record.dataset.is_sample,
        finished=record.finished,
        best_trial=record.best.trial,
        n_judged=int(n_judged),
        test=_report(store, task, run_id),
    )
    return about, trials


def _unfinished(store: Store, plan: Plan) -> tuple[_About, pd.DataFrame]:
    parts = layout.staged_run(plan.task, plan.run_id, layout.HISTORY)
    with damaged_as("/".join(parts), "Discard the search: tunesmith tune TASK --discard."):
        text = store.read_bytes(*parts).decode() if store.exists(*parts) else ""
        results = [(r.trial, r.family, r.step, r.score) for r in parse_history(text)]
    history = pd.DataFrame(results, columns=["trial", "family", "step", "score"])
    trials = history.groupby("trial", as_index=False).agg(
        family=("family", "first"), score=("score", "max"), steps=("step", "max")
    )
    trials["state"] = "RUNNING OR ENDED"
    about = _About(
        task=plan.task,
        run_id=plan.run_id,
        status="unfinished",
        metric=plan.metric,
        dataset=plan.dataset.name,
        is_sample=plan.dataset.is_sample,
    )
    return about, trials


def _table(run: Run, name: str, columns: Sequence[str]) -> pd.DataFrame:
    file = f"{name}.parquet"
    data = run.store.read_bytes(*run.parts, file)
    with damaged_as(f"{'/'.join(run.parts)}/{file}", "Search again: tunesmith tune TASK."):
        frame: pd.DataFrame = pq.read_table(io.BytesIO(data), columns=list(columns)).to_pandas()
    return frame


def _report(store: Store, task: str, run_id: str) -> JsonObject | None:
    """Return the metrics per item on unseen items, None where the run was not evaluated."""
    report = None
    with left_out(f"The report on run {run_id} of {task}"):
        report = open_report(store, task, run_id)
    if report is None:
        return None
    return {
        name: interval.json_object()
        for name, interval in report.record.item_metrics.items()
        if name in {"accuracy", "macro_f1", "balanced_accuracy"}
    }
