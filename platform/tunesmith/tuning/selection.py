"""The best model of a task's search: a single trial, or an ensemble."""

import json
import math
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from tunesmith.artifacts.runs import Member, Winner
from tunesmith.artifacts.searches import read_history
from tunesmith.errors import SearchError
from tunesmith.models import get_family
from tunesmith.tuning import run_artifact
from tunesmith.tuning.ensemble import Candidate, Mixture, mix
from tunesmith.tuning.progress import REFIT_MARGIN
from tunesmith.tuning.session import Session, how_to_continue
from tunesmith.tuning.trial import SCORE, unpacked

__all__ = ["ENSEMBLE", "Selection", "choose"]

ENSEMBLE = "ensemble"


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
        return sorted({v for member in self.members for v in get_family(member.family).views})


def choose(
    session: Session, until: float = math.inf, *, only: Collection[int] | None = None
) -> Selection:
    """Return the best trial, or the ensemble of the best of each family.

    Of equal scores the smaller log loss wins, then the shorter trial.

    Parameters
    ----------
    session
        The task's trials.
    until
        `time.monotonic` by which members other than the best must be refitted.
    only
        Trials to choose from; by default all.

    Raises
    ------
    SearchError
        When no trial ended with a score.
    """
    history = read_history(session.history)
    table = run_artifact.trial_table(session.search.study, history, session.progress.errors)
    scored = table[table["state"] != "FAILED"].dropna(subset=["score"])
    if scored.empty:
        raise SearchError(_no_score(session, table))
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
        if only is None or row["trial"] in only
    ]
    left_s = until - time.monotonic()
    affordable = [
        candidate
        for candidate in candidates
        if only is not None
        or candidate is candidates[0]
        or candidate.refit_s * REFIT_MARGIN <= left_s
    ]
    mixture = _mixture(session, affordable, until) if session.task.ensemble else None
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


def _no_score(session: Session, table: pd.DataFrame) -> str:
    """Return the sentence about a search without any score: the reason, and what to do."""
    name, started = session.task.name, session.progress.started
    causes = "; ".join(sorted(set(table["error"].dropna())))
    if causes:
        return f"No trial of {name} gave a score: {causes}. {how_to_continue([session])}"
    if not session.progress.is_queued:
        late = (
            f"{started} started, and none finished its first step in time"
            if started
            else "the processes of the first ones had not started in time"
        )
        return f"No trial of {name} gave a score: {late}. {how_to_continue([session])}"
    return (
        f"No trial of {name} started, because the cluster had no room for one. Stop what holds its "
        f"CPUs (`ray status` shows how many are in use), or let the search start a Ray of its own: "
        f"unset RAY_ADDRESS. {how_to_continue([session])}"
    )


def _mixture(session: Session, candidates: Sequence[Candidate], until: float) -> Mixture | None:
    n_classes = len(session.data.examples.classes)
    answered = []
    for candidate in candidates:
        text = session.answers(candidate.trial)
        answers = None if text is None else unpacked(text, n_classes)
        answered.append(replace(candidate, answers=answers))
    return mix(answered, session.trial_data.held_out_y, session.task.metric, until=until)


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
