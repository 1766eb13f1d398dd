"""What was found so far, across tasks, families and runs, running searches included.

Reads the tables of published runs and the history of unfinished ones; neither Ray nor Optuna.
"""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from tunesmith.artifacts.searches import ROOT, parse_history, unfinished_run
from tunesmith.artifacts.store import Store
from tunesmith.errors import UsageError

__all__ = ["LEVELS", "leaderboard"]

LEVELS = ("run", "family", "trial")
_COLUMNS = ["trial", "family", "params", "state", "score", "steps", "duration_s"]


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
    board: list[dict[str, Any]] = []
    for task in tasks or store.list(ROOT):
        frames = [_rows(about, trials, level) for about, trials in _runs(store, task)]
        if frames:
            rows = pd.concat(frames, ignore_index=True).sort_values("score", ascending=False)
            rows = rows.head(top) if top else rows
            records: Any = rows.astype(object).where(rows.notna(), None).to_dict("records")
            board += records
    return board


def _rows(about: dict[str, Any], trials: pd.DataFrame, level: str) -> pd.DataFrame:
    """Return a run's rows at a level, what is known of the run beside each."""
    scored = trials.dropna(subset=["score"]).sort_values("score", ascending=False)
    if level == "run":
        scored = scored.head(1)
    elif level == "family":
        scored = scored.drop_duplicates("family")
    else:
        scored = pd.concat([scored, trials[trials["score"].isna()]])
    rows = scored.reindex(columns=_COLUMNS)
    n_judged = about.pop("n_judged")
    share = rows["score"].astype(float).clip(0, 1)
    rows["noise"] = 1.96 * np.sqrt(share * (1 - share) / n_judged) if n_judged else np.nan
    test = about.pop("test")
    for name, value in about.items():
        rows[name] = value
    # Figures on unseen items are the winner's alone.
    is_best = rows["trial"] == about["best_trial"]
    rows["test"] = [test if best else None for best in is_best]
    return rows.drop(columns="best_trial")


def _runs(store: Store, task: str) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Yield what is known of each run of a task, and its trials."""
    for run_id in store.list(ROOT, task):
        if not store.exists(ROOT, task, run_id, "run.json"):
            continue
        facts = store.read_json(ROOT, task, run_id, "run.json")
        trials = _table(store, task, run_id, "trials", _COLUMNS)
        parts = _table(store, task, run_id, "split", ["part"])["part"].value_counts()
        n_judged = parts.get("validation", 0)
        if facts.get("folds"):
            n_judged += parts.get("train", 0)
        yield (
            {
                "task": task,
                "run_id": run_id,
                "status": facts["status"],
                "metric": facts["metric"],
                "dataset": facts["dataset"]["name"],
                "is_sample": facts["dataset"].get("is_sample", False),
                "finished": facts["finished"],
                "best_trial": facts["best"]["trial"],
                "n_judged": int(n_judged),
                "test": _report(store, task, run_id),
            },
            trials,
        )
    plan = unfinished_run(store, task)
    if plan is not None:
        yield _unfinished(store, plan)


def _unfinished(store: Store, plan: dict[str, Any]) -> tuple[dict[str, Any], pd.DataFrame]:
    task, run_id = plan["task"], plan["run_id"]
    parts = (ROOT, task, f".staging-{run_id}", "history.jsonl")
    text = store.read_bytes(*parts).decode() if store.exists(*parts) else ""
    history = pd.DataFrame(parse_history(text), columns=["trial", "family", "step", "score"])
    trials = history.groupby("trial", as_index=False).agg(
        family=("family", "first"), score=("score", "max"), steps=("step", "max")
    )
    trials["state"] = "RUNNING OR ENDED"
    about = {
        "task": task,
        "run_id": run_id,
        "status": "unfinished",
        "metric": plan.get("metric"),
        "dataset": plan["dataset"]["name"],
        "is_sample": plan["dataset"].get("is_sample", False),
        "finished": None,
        "best_trial": None,
        "n_judged": 0,
        "test": None,
    }
    return about, trials


def _table(store: Store, task: str, run_id: str, name: str, columns: Sequence[str]) -> pd.DataFrame:
    data = store.read_bytes(ROOT, task, run_id, f"{name}.parquet")
    frame: pd.DataFrame = pq.read_table(io.BytesIO(data), columns=list(columns)).to_pandas()
    return frame


def _report(store: Store, task: str, run_id: str) -> dict[str, Any] | None:
    """Return the figures an item on unseen items, None where nobody evaluated the run."""
    parts = ("reports", task, run_id, "report.json")
    if not store.exists(*parts):
        return None
    metrics: dict[str, Any] = store.read_json(*parts).get("metrics", {})
    by_item: dict[str, Any] = metrics.get("piece") or next(iter(metrics.values()), {})
    return {
        name: {key: found[key] for key in ("value", "low", "high") if key in found}
        for name, found in by_item.items()
        if isinstance(found, dict) and name in {"accuracy", "macro_f1", "balanced_accuracy"}
    }
