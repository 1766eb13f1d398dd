"""Publishing: the winners of a search are refitted, and each task's run is written."""

import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tunesmith.artifacts.open_set import LabelSets
from tunesmith.artifacts.runs import Run, RunRecord, TrialCounts
from tunesmith.artifacts.searches import DataRequest
from tunesmith.artifacts.store import Store
from tunesmith.errors import SearchError
from tunesmith.models import get_family, merge
from tunesmith.plugins import snapshot
from tunesmith.tasks import Task
from tunesmith.tuning import run_artifact
from tunesmith.tuning.capacity import obtainable, resolve
from tunesmith.tuning.detecting import Detecting
from tunesmith.tuning.failures import cause_of
from tunesmith.tuning.label_sets import label_sets
from tunesmith.tuning.progress import Say
from tunesmith.tuning.refit import MODEL_FOLDER
from tunesmith.tuning.refitting import Refit, as_refitted
from tunesmith.tuning.selection import ENSEMBLE, Selection, choose
from tunesmith.tuning.session import Session, finish_session, how_to_continue
from tunesmith.tuning.trial import unpacked

__all__ = ["publish"]

_GRAPH = f"{MODEL_FOLDER}/model.onnx"
_REFERENCE = f"{MODEL_FOLDER}/reference.npz"
# A refit that is not done so long after the time budget is given up.
_OVERTIME_S = 8.0


def publish(
    store: Store,
    sessions: Sequence[Session],
    references: Mapping[str, Any],
    *,
    detectors: Mapping[str, Detecting],
    cluster: Mapping[str, float],
    time_budget_s: float | None,
    deadline: float | None,
    say: Say,
) -> list[Run]:
    """Refit each task's winner, all at once, and publish the runs as they come.

    Raises
    ------
    SearchError
        When a task has no score or its winner could not be refitted; the others are published.
    """
    until = math.inf if deadline is None else deadline
    problems: list[str] = []
    winners: dict[str, Selection] = {}
    for session in sessions:
        try:
            winners[session.task.name] = choose(session, until)
        except SearchError as error:
            problems.append(str(error))
    by_name = {session.task.name: session for session in sessions}
    room = obtainable(cluster)
    n_refits = sum(len(winner.members) for winner in winners.values())
    refits = {
        name: _refits(
            by_name[name], winner, references[name], room=room, n_refits=n_refits, say=say
        )
        for name, winner in winners.items()
    }
    runs: dict[str, Run] = {}
    every = [refit for own in refits.values() for refit in own]
    for name in _tasks_as_refitted(every, until, say):
        session = by_name[name]
        try:
            winner, files = _refitted(session, winners[name], refits[name], until, say)
        except SearchError as error:
            problems.append(str(error))
            continue
        record = _record(session, winner, cluster, time_budget_s)
        record, files = detectors[name].add_to(record, files, until + _OVERTIME_S, say)
        _write(session, record, winner, files)
        finish_session(store, session)
        say(f"{name}: published run {session.run_id}")
        runs[name] = Run(store, record)
    if problems:
        raise SearchError(" ".join(problems))
    return [runs[session.task.name] for session in sessions]


def _refits(
    session: Session,
    winner: Selection,
    reference: Any,
    *,
    room: Mapping[str, float],
    n_refits: int,
    say: Say,
) -> list[Refit]:
    """Return the refits of a winner's members, with as much of the cluster as there is room for."""
    name = session.task.name
    refits = []
    for member, weight in zip(winner.members, winner.weights, strict=True):
        share = f", weight {weight:.2f}" if len(winner.members) > 1 else ""
        say(
            f"{name}: refitting {member.family} #{member.trial} for {member.steps} steps on "
            f"train and validation{share}"
        )
        of_trial = session.search.space.by_family[member.family]["resources"]
        refits.append(
            Refit(
                task=name,
                member=member,
                share=resolve(get_family(member.family).resources, room, n_refits),
                fallback=dict(of_trial),
                trial_data=reference,
                options={
                    "steps": member.steps,
                    "seed": session.plan.seed,
                    "views": winner.views,
                    "plugins": snapshot(),
                },
            )
        )
    return refits


def _tasks_as_refitted(refits: Sequence[Refit], until: float, say: Say) -> Iterator[str]:
    """Yield each task when the last of its refits has ended, or the time is over."""
    names = dict.fromkeys(refit.task for refit in refits)
    for ended in as_refitted(refits, until=until + _OVERTIME_S, say=say):
        if all(refit.has_ended for refit in refits if refit.task == ended.task):
            del names[ended.task]
            yield ended.task
    yield from names


def _refitted(
    session: Session, winner: Selection, refits: Sequence[Refit], until: float, say: Say
) -> tuple[Selection, dict[str, bytes]]:
    """Return the winner with its files, or what is best of the members that were refitted in time.

    Raises
    ------
    SearchError
        When a refit failed, or none ended in time.
    """
    name = session.task.name
    for refit in refits:
        if refit.error is not None:
            what = f"{name}: refitting {refit.member.family} #{refit.member.trial} failed"
            message = f"{what}: {cause_of(str(refit.error))}. {how_to_continue([session])}"
            raise SearchError(message)
    files = {refit.member.trial: refit.files for refit in refits if refit.files is not None}
    if len(files) < len(refits):
        late = [refit.member for refit in refits if refit.files is None]
        names = ", ".join(f"{member.family} #{member.trial}" for member in late)
        if not files:
            message = (
                f"{name}: the time budget ended before {names} was refitted, so there is no model "
                f"yet. {how_to_continue([session])}"
            )
            raise SearchError(message)
        say(f"{name}: not refitted within the time budget and left out: {names}")
        winner = choose(session, until, only=files.keys())
    return winner, _put_together(winner, [files[member.trial] for member in winner.members])


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
        title=_title(task, plan.request),
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
        label_sets=_label_sets(session, winner),
        time_budget_s=time_budget_s,
        resources=held,
        versions=run_artifact.versions(),
        commit=run_artifact.code_commit(),
    )


def _title(task: Task, request: DataRequest) -> str:
    """Return the title of a task, or of a user's own table with a target of its own."""
    table, target = request.options.get("csv"), request.options.get("target")
    if not (table and target):
        return task.title
    return f"{target} of {task.unit}s in {str(table).rsplit('/', 1)[-1]}"


def _label_sets(session: Session, winner: Selection) -> LabelSets | None:
    """Return the limits of sets of labels, None where no answers to held-out items were kept."""
    n_classes = len(session.data.examples.classes)
    mixed: Any = 0.0
    for member, weight in zip(winner.members, winner.weights, strict=True):
        text = session.answers(member.trial)
        if text is None:
            return None
        mixed = mixed + weight * unpacked(text, n_classes)
    return label_sets(session.trial_data, mixed, _temperature(winner))


def _temperature(winner: Selection) -> float:
    """Return the temperature that suited the winner's answers, as its run will say it."""
    best, history = winner.winner, winner.history
    if "temperature" not in history:
        return 1.0
    rows = history[(history["trial"] == best.trial) & (history["step"] == best.steps)]
    known = rows["temperature"].dropna()
    return float(known.iloc[-1]) if len(known) else 1.0


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
    run_artifact.write_run(staging, record, tables, files)
