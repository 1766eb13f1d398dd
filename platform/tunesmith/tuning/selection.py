"""From the trials of a task to its published run: the best are chosen, refitted and written."""

import io
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd
import ray

from tunesmith.artifacts import layout
from tunesmith.artifacts.runs import Member, Run, RunRecord, TrialCounts, Winner
from tunesmith.artifacts.searches import read_history
from tunesmith.artifacts.store import Store
from tunesmith.errors import SearchError
from tunesmith.models import get_family, merge
from tunesmith.plugins import snapshot
from tunesmith.tuning import run_artifact
from tunesmith.tuning.ensemble import Candidate, Mixture, mix
from tunesmith.tuning.progress import REFIT_MARGIN, Say
from tunesmith.tuning.refit import MODEL_FOLDER, refit
from tunesmith.tuning.scheduler import resolve
from tunesmith.tuning.session import Session, finish_session
from tunesmith.tuning.trial import SCORE, unpacked

__all__ = ["ENSEMBLE", "Selection", "choose", "publish"]

ENSEMBLE = "ensemble"
_GRAPH = f"{MODEL_FOLDER}/model.onnx"
_REFERENCE = f"{MODEL_FOLDER}/reference.npz"


@dataclass(frozen=True)
class Selection:
    """The best model of a task's search.

    Attributes
    ----------
    table
        A row per trial, and one for the ensemble where there is one.
    history
        A row per result.
    members, weights
        The trials to refit: one of weight 1, or those of an ensemble.
    winner
        The best trial or the ensemble, as ``run.json`` holds it.
    """

    table: pd.DataFrame
    history: pd.DataFrame
    members: tuple[Candidate, ...]
    weights: tuple[float, ...]
    winner: Winner

    @property
    def views(self) -> list[str]:
        """Names of the inputs of the model, sorted."""
        return sorted({get_family(member.family).view for member in self.members})


def choose(session: Session, seconds_left: float = math.inf) -> Selection:
    """Return the best trial, or the ensemble of the best of each family.

    Of equal scores the smaller log loss wins, then the shorter trial.

    Parameters
    ----------
    session
        The task's trials.
    seconds_left
        A member other than the best must be refitted within this time.

    Raises
    ------
    SearchError
        When no trial ended with a score.
    """
    history = read_history(session.history)
    table = run_artifact.trial_table(session.search.study, history, session.progress.errors)
    scored = table[table["state"] != "FAILED"].dropna(subset=["score"])
    if scored.empty:
        causes = "; ".join(sorted(set(table["error"].dropna()))) or "none started"
        message = f"No trial of {session.task.name} gave a score: {causes}"
        raise SearchError(message)
    best_step = {result.trial: result.best_step for result in history}
    at = {(result.trial, result.step): result for result in history}
    at_best = {trial: at[trial, step] for trial, step in best_step.items()}
    # On a few hundred items many settings get the same ones right: the loss tells them apart.
    loss = scored["trial"].map(
        {trial: result.metrics["log_loss"] for trial, result in at_best.items()}
    )
    ranked = scored.assign(log_loss=loss).sort_values(
        ["score", "log_loss", "duration_s"], ascending=[False, True, True]
    )
    candidates = [
        Candidate(
            trial=int(row["trial"]),
            family=str(row["family"]),
            params=json.loads(row["params"]),
            steps=int(best_step[row["trial"]]),
            score=float(row["score"]),
            refit_s=at_best[row["trial"]].fit_s * session.progress.growth,
        )
        for row in ranked.drop_duplicates("family").to_dict("records")
    ]
    affordable = [
        candidate
        for candidate in candidates
        if candidate is candidates[0] or candidate.refit_s * REFIT_MARGIN <= seconds_left
    ]
    mixture = _mixture(session, affordable) if session.task.ensemble else None
    frame = pd.DataFrame([result.row() for result in history])
    if mixture is None:
        (first, *_) = candidates
        winner = Winner(
            trial=first.trial,
            family=first.family,
            params=dict(first.params),
            score=first.score,
            steps=first.steps,
        )
        return Selection(table, frame, (first,), (1.0,), winner)
    return _with_ensemble(session, table, frame, mixture)


def _mixture(session: Session, candidates: Sequence[Candidate]) -> Mixture | None:
    n_classes = len(session.data.examples.classes)
    answered = []
    for candidate in candidates:
        text = session.answers(candidate.trial)
        answers = None if text is None else unpacked(text, n_classes)
        answered.append(replace(candidate, answers=answers))
    return mix(answered, session.trial_data.held_out_y, session.task.metric)


def _with_ensemble(
    session: Session, table: pd.DataFrame, history: pd.DataFrame, mixture: Mixture
) -> Selection:
    """Return the ensemble as one more row of the tables, after all trials."""
    number = int(table["trial"].max()) + 1
    members = tuple(
        Member(
            trial=member.trial,
            family=member.family,
            params=dict(member.params),
            steps=member.steps,
            score=member.score,
            weight=weight,
        )
        for member, weight in zip(mixture.members, mixture.weights, strict=True)
    )
    score = mixture.figures[session.task.metric]
    row = {
        "trial": number,
        "family": ENSEMBLE,
        "params": json.dumps(
            {
                member.family: round(weight, 3)
                for member, weight in zip(mixture.members, mixture.weights, strict=True)
            }
        ),
        "state": "COMPLETE",
        "score": score,
        "steps": 1,
        "best_step": 1,
    }
    result = {
        "trial": number,
        "family": ENSEMBLE,
        "step": 1,
        "best_step": 1,
        SCORE: score,
        "temperature": mixture.temperature,
        **mixture.figures,
    }
    winner = Winner(trial=number, family=ENSEMBLE, params={}, score=score, steps=1, members=members)
    table = pd.concat([table, pd.DataFrame([row])], ignore_index=True).astype(table.dtypes)
    history = pd.concat([history, pd.DataFrame([result])], ignore_index=True)
    return Selection(table, history, mixture.members, mixture.weights, winner)


def publish(
    store: Store,
    sessions: Sequence[Session],
    references: Mapping[str, Any],
    *,
    cluster: Mapping[str, float],
    time_budget_s: float | None,
    deadline: float | None,
    say: Say,
) -> list[Run]:
    """Refit each task's winner, all at once, and publish the runs as they come."""
    left_s = math.inf if deadline is None else deadline - time.monotonic()
    winners = [choose(session, left_s) for session in sessions]
    n_refits = sum(len(winner.members) for winner in winners)
    pending = []
    for session, winner in zip(sessions, winners, strict=True):
        begin = _refitter(session, winner, references[session.task.name], cluster, n_refits)
        for member, weight in zip(winner.members, winner.weights, strict=True):
            share = f", weight {weight:.2f}" if len(winner.members) > 1 else ""
            say(
                f"{session.task.name}: refitting {member.family} #{member.trial} for "
                f"{member.steps} steps on train and validation{share}"
            )
        pending.append([begin(member) for member in winner.members])
    runs = []
    for session, winner, refits in zip(sessions, winners, pending, strict=True):
        files = _put_together(winner, [ray.get(files) for files in refits])
        record = _record(session, winner, cluster, time_budget_s)
        _write(session, record, winner, files)
        finish_session(store, session)
        say(f"{session.task.name}: published run {session.run_id}")
        runs.append(Run(store, record))
    return runs


def _refitter(
    session: Session, winner: Selection, reference: Any, cluster: Mapping[str, float], n_refits: int
) -> Callable[[Candidate], Any]:
    """Return what begins to refit a member in a worker and gives the reference to its files."""
    remote: Any = ray.remote(cast("Any", refit))

    def begin(member: Candidate) -> Any:
        share = resolve(get_family(member.family).resources, cluster, n_refits)
        return remote.options(num_cpus=share["CPU"], num_gpus=share.get("GPU", 0)).remote(
            reference,
            member.family,
            dict(member.params),
            steps=member.steps,
            seed=session.plan.seed,
            threads=int(share["CPU"]),
            views=winner.views,
            plugins=snapshot(),
        )

    return begin


def _put_together(winner: Selection, files: Sequence[Mapping[str, bytes]]) -> dict[str, bytes]:
    """Return the files of the winner: its own, or those of its members and one graph of all."""
    if len(files) == 1:
        return dict(files[0])
    together: dict[str, bytes] = {}
    inputs: dict[str, Any] = {}  # arrays; NumPy types the names of savez as its own options
    mixed: Any = 0.0
    for member, weight, own in zip(winner.members, winner.weights, files, strict=True):
        for path, content in own.items():
            if path not in {_GRAPH, _REFERENCE}:
                native = path.replace("/native/", f"/native/{member.family}/")
                together[native] = content
        with np.load(io.BytesIO(own[_REFERENCE]), allow_pickle=False) as arrays:
            mixed = mixed + weight * arrays["probabilities"].astype(np.float64)
            inputs |= {name: arrays[name] for name in arrays.files if name != "probabilities"}
    together[_GRAPH] = merge(
        [(own[_GRAPH], weight) for own, weight in zip(files, winner.weights, strict=True)]
    )
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **inputs, probabilities=mixed.astype(np.float32))
    together[_REFERENCE] = buffer.getvalue()
    weights = dict(zip((m.family for m in winner.members), winner.weights, strict=True))
    together[f"{MODEL_FOLDER}/native/ensemble.json"] = json.dumps(weights).encode()
    return together


def _record(
    session: Session,
    winner: Selection,
    cluster: Mapping[str, float],
    time_budget_s: float | None,
) -> RunRecord:
    """Return the content of ``run.json``."""
    task, data, plan = session.task, session.data, session.plan
    trials = winner.table[winner.table["family"] != ENSEMBLE]
    states = trials["state"].value_counts()
    counts = TrialCounts(
        planned=plan.trials,
        completed=int(states.get("COMPLETE", 0)),
        pruned=int(states.get("PRUNED", 0)),
        failed=int(states.get("FAILED", 0)),
        not_started=plan.trials - len(trials),
    )
    preparation = data.preparation
    held = {key: value for key, value in cluster.items() if key in {"CPU", "GPU", "memory"}}
    return RunRecord(
        run_id=session.run_id,
        extends=plan.extends,
        task=task.name,
        title=task.title,
        kind=task.kind,
        unit=task.unit,
        is_noise_check=task.is_noise_check,
        request=plan.request,
        dataset=plan.dataset,
        notes=tuple(data.notes),
        protocol=task.protocol(data),
        folds=task.folds,
        metric=task.metric,
        seed=plan.seed,
        created=plan.created,
        finished=run_artifact.now(),
        classes=tuple(data.examples.classes),
        counts=counts,
        families=plan.families,
        best=winner.winner,
        views=tuple(winner.views),
        features=tuple(getattr(preparation, "features", ())) or None,
        preparation=preparation,
        time_budget_s=time_budget_s,
        resources=held,
        versions=run_artifact.versions(),
        commit=run_artifact.code_commit(),
    )


def _write(
    session: Session, record: RunRecord, winner: Selection, files: Mapping[str, bytes]
) -> None:
    """Write the run's files into the session's folder, ``run.json`` last."""
    examples, staging = session.data.examples, session.staging
    split = pd.DataFrame(
        {
            "id": list(examples.ids),
            "part": session.data.parts,
            "group": examples.groups,
            "label": [examples.classes[index] for index in examples.y],
        }
    )
    tables = {"split": split, "trials": winner.table, "history": winner.history}
    for name, table in tables.items():
        staging.write_bytes(run_artifact.parquet(table), f"{name}.parquet")
    for path, content in files.items():
        staging.write_bytes(content, *path.split("/"))
    record.write(staging, layout.RECORD)
