"""A search from the question to the published run."""

import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pandas as pd
import ray
from optuna.trial import TrialState
from ray import tune

from tunesmith.datasets.manifest import check_name
from tunesmith.errors import SearchError, UsageError, unknown
from tunesmith.models import get_family
from tunesmith.search import artefact
from tunesmith.search.material import Material, material
from tunesmith.search.refit import refit
from tunesmith.search.scheduling import AshaByFamily, placement, resolve, slots
from tunesmith.search.studies import Portfolio, Space, StudySearch, starting_points
from tunesmith.search.trial import SearchTrial
from tunesmith.search.watching import Budget, Progress, Watch, read_history
from tunesmith.store import Staging, Store
from tunesmith.tasks import Request, Task, TaskData, get_task

__all__ = ["Ask", "SearchInterruptedError", "search"]

_ROOT = "runs"
_PLAN = "plan.json"
_STUDY = "study.sqlite3"
_HISTORY = "history.jsonl"
_UNFINISHED = ".unfinished.json"
_MAX_RETRIES = 1
_QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


Say = Callable[[str], None]


def _say_nothing(line: str) -> None:
    del line


class SearchInterruptedError(SearchError):
    """The search was stopped by its user; what it found so far is kept."""

    exit_code = 130


@dataclass(frozen=True)
class Ask:
    """What to search.

    Attributes
    ----------
    task
        Its name.
    request
        Which data.
    families
        Names to search over; the task's own by default.
    trials
        Trials the search is to hold in the end.
    seed
        Fixes sampler, folds, initial weights and order.
    resume
        Continue the search of this task that did not finish, with its own plan.
    """

    task: str
    request: Request = field(default_factory=Request)
    families: tuple[str, ...] | None = None
    trials: int = 12
    seed: int = 0
    resume: bool = False


@dataclass
class _Session:
    """One task's part of a search."""

    task: Task
    plan: dict[str, Any]
    staging: Staging
    folder: Path
    data: TaskData
    material: Material
    search: StudySearch
    progress: Progress

    @property
    def run_id(self) -> str:
        return str(self.plan["run_id"])

    @property
    def history(self) -> Path:
        return self.folder / _HISTORY


def search(
    store: Store,
    asks: Sequence[Ask],
    *,
    time_budget_s: float | None = None,
    max_failed: int | None = None,
    say: Say = _say_nothing,
) -> list[dict[str, Any]]:
    """Search one task or many on the cluster that is connected, and publish a run of each.

    Parameters
    ----------
    store
        Where data is read and runs are written.
    asks
        What to search, one a task.
    time_budget_s
        Everything, refits included, should end within this time.
    max_failed
        Give up after more failed trials than this.
    say
        Prints a line of progress.

    Returns
    -------
    list of dict
        The content of each ``run.json``, and under ``table`` a mapping for each trial.

    Raises
    ------
    UsageError
        When a task or family does not exist or a task is asked for twice.
    SearchError
        When no trial of a task ended with a score.
    SearchInterruptedError
        When the user stopped it; the same search continues with ``resume``.
    """
    started = time.monotonic()
    deadline = None if time_budget_s is None else started + time_budget_s
    names = [ask.task for ask in asks]
    if len(set(names)) < len(names) or not names:
        message = f"Every task once, at least one: {', '.join(names) or 'none'} was asked for."
        raise UsageError(message)
    cluster = dict(ray.cluster_resources())
    n_trials = sum(ask.trials for ask in asks)
    with ExitStack() as stack:
        sessions = [_open(store, stack, ask, cluster, n_trials) for ask in asks]
        for session in sessions:
            for note in session.data.notes:
                say(f"{session.task.name}: {note}")
            say(_describe(session))
        materials = {session.task.name: ray.put(session.material) for session in sessions}
        budget = Budget(deadline, {s.task.name: s.progress for s in sessions}, max_failed)
        _run_trials(sessions, materials, cluster=cluster, budget=budget, deadline=deadline, say=say)
        if budget.reason is not None:
            say(f"Search ended: {budget.reason}.")
        return _finish(
            store,
            sessions,
            materials,
            cluster=cluster,
            time_budget_s=time_budget_s,
            say=say,
        )


def _describe(session: _Session) -> str:
    examples = session.data.examples
    counts = pd.Series(session.data.parts).value_counts()
    parts = ", ".join(f"{count} {part}" for part, count in counts.items())
    families = ", ".join(session.plan["families"])
    return (
        f"{session.task.name}: {len(examples)} {session.task.unit}s of {len(examples.classes)} "
        f"classes from {session.data.name} {session.data.version} ({parts}); "
        f"{session.search.n_trials - session.search.n_started} trials over {families}; "
        f"run {session.run_id}"
    )


def _open(
    store: Store, stack: ExitStack, ask: Ask, cluster: Mapping[str, float], n_trials: int
) -> _Session:
    """Read the data and open the study, new or continued."""
    task = get_task(ask.task)
    pointer = (_ROOT, task.name, _UNFINISHED)
    plan = _unfinished_plan(store, task.name) if ask.resume else _new_plan(task, ask)
    request = Request(**plan["request"])
    data = task.read(store, request)
    plan.setdefault("dataset", {"name": data.name, "version": data.version})
    if plan["dataset"]["version"] != data.version:
        message = (
            f"The data of {task.name} is version {data.version} now, the search began on "
            f"{plan['dataset']['version']}. Start a new search."
        )
        raise SearchError(message)
    if plan["request"].get("dataset") and not plan["request"].get("version"):
        plan["request"]["version"] = data.version
    staging = stack.enter_context(store.staging(_ROOT, task.name, key=plan["run_id"]))
    folder = Path(staging.path()) if store.is_local else _work_folder(plan["run_id"])
    staging.write_json(plan, _PLAN)
    store.write_json({"run_id": plan["run_id"]}, *pointer)

    seed, families = plan["seed"], tuple(plan["families"])
    seen = material(task, data, seed)
    resources = {name: resolve(get_family(name).resources, cluster, n_trials) for name in families}
    space = Space(
        families,
        fixed={"task": task.name, "seed": seed},
        by_family={
            name: {"resources": bundle, "threads": int(bundle["CPU"])}
            for name, bundle in resources.items()
        },
    )
    study_search = StudySearch(
        folder / _STUDY,
        f"{task.name}/{plan['run_id']}",
        space,
        n_trials=plan["trials"],
        points=starting_points(families, _study(task, cluster)),
        seed=seed,
    )
    n_development = len(seen.development)
    n_train = seen.n_train if seen.fold is None else n_development * (1 - 1 / (seen.fold.max() + 1))
    progress = Progress(plan["trials"], growth=n_development / n_train)
    for row in read_history(folder / _HISTORY):
        progress.saw(row["trial"], row["family"], row)
    for trial in study_search.study.get_trials(deepcopy=False):
        progress.complete += trial.state == TrialState.COMPLETE
        progress.pruned += trial.state == TrialState.PRUNED
        progress.failed += trial.state == TrialState.FAIL
    return _Session(task, plan, staging, folder, data, seen, study_search, progress)


def _study(task: Task, cluster: Mapping[str, float]) -> tuple[str, Mapping[str, Any]] | None:
    """Return the study's own setting, unless only a GPU could train it in reasonable time."""
    reference = task.reference
    if reference is None or reference.family is None:
        return None
    if reference.is_costly and not cluster.get("GPU", 0):
        return None
    return reference.family, reference.params


def _new_plan(task: Task, ask: Ask) -> dict[str, Any]:
    families = ask.families or task.families
    for name in families:
        get_family(name)
        if name not in task.families:
            kind = f"family of the task {task.name}"
            raise unknown(kind, name, task.families)
    if ask.trials < 1:
        message = f"A search needs at least one trial, not {ask.trials}."
        raise UsageError(message)
    if ask.request.dataset is not None:
        check_name(ask.request.dataset)
    return {
        "run_id": artefact.new_run_id(),
        "task": task.name,
        "request": ask.request.facts(),
        "families": list(families),
        "trials": ask.trials,
        "seed": ask.seed,
        "created": artefact.now(),
    }


def _unfinished_plan(store: Store, task: str) -> dict[str, Any]:
    if not store.exists(_ROOT, task, _UNFINISHED):
        message = (
            f"There is no unfinished search of {task!r} in {store.uri}. "
            f"Start one: python jobs/tune.py {task}."
        )
        raise SearchError(message)
    run_id = store.read_json(_ROOT, task, _UNFINISHED)["run_id"]
    plan: dict[str, Any] = store.read_json(_ROOT, task, f".staging-{run_id}", _PLAN)
    return plan


def _work_folder(run_id: str) -> Path:
    """Return a folder of this machine for a store that is not: SQLite needs a real file."""
    folder = Path.home() / ".tunesmith" / "work" / run_id
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run_trials(
    sessions: Sequence[_Session],
    materials: Mapping[str, Any],
    *,
    cluster: Mapping[str, float],
    budget: Budget,
    deadline: float | None,
    say: Say,
) -> None:
    """Run every trial that is left, as the cluster has room."""
    bundles = [
        bundle["resources"] for s in sessions for bundle in s.search.space.by_family.values()
    ]
    n_slots = slots(cluster, bundles)
    portfolio = Portfolio({session.task.name: session.search for session in sessions}, n_slots)
    if portfolio.n_left == 0:
        return
    settings = {**_QUIET, "TUNE_MAX_PENDING_TRIALS_PG": str(n_slots)}
    os.environ.update({name: os.environ.get(name, value) for name, value in settings.items()})
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    watch = Watch(
        {session.task.name: session.progress for session in sessions},
        {session.task.name: session.history for session in sessions},
        say,
        deadline,
    )
    trainable = tune.with_resources(
        tune.with_parameters(SearchTrial, materials=dict(materials)), placement
    )
    # Ray Tune keeps its own state while it runs; what counts is in the studies and histories.
    with tempfile.TemporaryDirectory(prefix="tunesmith-tune-") as scratch:
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=portfolio,
                scheduler=AshaByFamily(),
                num_samples=portfolio.n_left,
                # TensorFlow gives GPU memory back only when its process ends.
                reuse_actors=not any("GPU" in bundle for bundle in bundles),
            ),
            run_config=tune.RunConfig(
                name="search",
                storage_path=scratch,
                callbacks=[watch],
                stop=budget,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=_MAX_RETRIES),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        ).fit()
    ended = portfolio.n_left == 0 and all(s.n_running == 0 for s in portfolio.searches.values())
    if not ended and budget.reason is None:
        names = " ".join(session.task.name for session in sessions)
        done = sum(session.progress.ended for session in sessions)
        message = (
            f"Interrupted after {done} of {sum(s.progress.n_trials for s in sessions)} trials; "
            f"all results are kept. Continue with: python jobs/tune.py {names} --resume"
        )
        raise SearchInterruptedError(message)
    for session in sessions:
        session.search.close()


def _finish(
    store: Store,
    sessions: Sequence[_Session],
    materials: Mapping[str, Any],
    *,
    cluster: Mapping[str, float],
    time_budget_s: float | None,
    say: Say,
) -> list[dict[str, Any]]:
    """Refit each task's winner, all at once, and publish the runs."""
    tables, pending = [], []
    remote_refit: Any = ray.remote(cast("Any", refit))
    for session in sessions:
        history = read_history(session.history)
        table = artefact.trial_table(session.search.study, history, session.progress.errors)
        scored = table[table["state"] != "FAILED"].dropna(subset=["score"])
        if scored.empty:
            causes = "; ".join(sorted(set(table["error"].dropna()))) or "none started"
            message = f"No trial of {session.task.name} gave a score: {causes}"
            raise SearchError(message)
        winner = scored.sort_values(["score", "duration_s"], ascending=[False, True]).iloc[0]
        family = str(winner["family"])
        params = json.loads(winner["params"])
        steps = next(r["best_step"] for r in reversed(history) if r["trial"] == winner["trial"])
        bundle = resolve(get_family(family).resources, cluster, len(sessions))
        say(
            f"{session.task.name}: refitting {family} #{winner['trial']} for {steps} steps on "
            f"train and validation"
        )
        pending.append(
            remote_refit.options(num_cpus=bundle["CPU"], num_gpus=bundle.get("GPU", 0)).remote(
                materials[session.task.name],
                family,
                params,
                steps=int(steps),
                seed=session.plan["seed"],
                threads=int(bundle["CPU"]),
            )
        )
        best = {
            "trial": int(winner["trial"]),
            "family": family,
            "params": params,
            "score": float(winner["score"]),
            "steps": int(steps),
        }
        tables.append((table, pd.DataFrame(history), best))
    results = []
    for session, (table, history_table, best), reference in zip(
        sessions, tables, pending, strict=True
    ):
        files: dict[str, bytes] = ray.get(reference)
        facts = _facts(session, table, best, cluster, time_budget_s)
        _publish(store, session, facts, {"trials": table, "history": history_table}, files)
        say(f"{session.task.name}: published run {session.run_id}")
        rows = table.astype(object).where(table.notna(), None)
        results.append({**facts, "table": rows.to_dict("records")})
    return results


def _facts(
    session: _Session,
    table: pd.DataFrame,
    best: Mapping[str, Any],
    cluster: Mapping[str, float],
    time_budget_s: float | None,
) -> dict[str, Any]:
    """Return the content of ``run.json``."""
    task, data = session.task, session.data
    states = table["state"].value_counts()
    counts = {
        "planned": session.plan["trials"],
        "completed": int(states.get("COMPLETE", 0)),
        "pruned": int(states.get("PRUNED", 0)),
        "failed": int(states.get("FAILED", 0)),
    }
    counts["not_started"] = counts["planned"] - len(table)
    parameters = dict(data.parameters)
    return {
        "run_id": session.run_id,
        "task": task.name,
        "title": task.title,
        "kind": task.kind,
        "unit": task.unit,
        "request": session.plan["request"],
        "dataset": {"name": data.name, "version": data.version, "is_sample": data.is_sample},
        "notes": list(data.notes),
        "protocol": task.protocol,
        "folds": task.folds,
        "metric": task.metric,
        "seed": session.plan["seed"],
        "created": session.plan["created"],
        "finished": artefact.now(),
        "status": "finished",
        "classes": list(data.examples.classes),
        "counts": counts,
        "families": session.plan["families"],
        "best": dict(best),
        "views": [get_family(best["family"]).view],
        "aggregate": "mean",
        "features": parameters.pop("features", None),
        "parameters": parameters,
        "time_budget_s": time_budget_s,
        "resources": {
            key: value for key, value in cluster.items() if key in {"CPU", "GPU", "memory"}
        },
        "versions": artefact.versions(),
        "commit": artefact.code_commit(),
    }


def _publish(
    store: Store,
    session: _Session,
    facts: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    files: Mapping[str, bytes],
) -> None:
    """Write the run's files, publish the folder and point ``latest.json`` at it."""
    examples, staging = session.data.examples, session.staging
    split = pd.DataFrame(
        {
            "id": list(examples.ids),
            "part": session.data.parts,
            "group": examples.groups,
            "label": [examples.classes[index] for index in examples.y],
        }
    )
    for name, table in {"split": split, **tables}.items():
        staging.write_bytes(artefact.parquet(table), f"{name}.parquet")
    for path, content in files.items():
        staging.write_bytes(content, *path.split("/"))
    if not store.is_local:
        for file in session.folder.iterdir():
            staging.write_bytes(file.read_bytes(), file.name)
        shutil.rmtree(session.folder)
    staging.write_json(dict(facts), "run.json")
    task = session.task.name
    staging.publish(_ROOT, task, session.run_id, marker="run.json")
    store.write_json({"run_id": session.run_id}, _ROOT, task, "latest.json")
    store.remove(_ROOT, task, _UNFINISHED)
