"""The simple baseline as a run: logistic regression on the features, trained without a search.

Where a search found nothing that is better beyond noise, the simple model is the better choice: it
is smaller, faster and easier to explain. As a run it is evaluated and promoted like any other.
"""

import json

import numpy as np
import pandas as pd

from tunesmith.artifacts import layout
from tunesmith.artifacts.documents import JsonObject
from tunesmith.artifacts.runs import Run, RunRecord, TrialCounts, Winner, name_latest_run, open_run
from tunesmith.errors import SearchError
from tunesmith.models import get_family
from tunesmith.tasks import Request, TaskData, get_task
from tunesmith.tuning import run_artifact
from tunesmith.tuning.label_sets import label_sets
from tunesmith.tuning.planning import read_data
from tunesmith.tuning.refit import MODEL_FOLDER, train_and_export
from tunesmith.tuning.trial import Judged
from tunesmith.tuning.trial_data import TrialData

__all__ = ["FAMILY", "baseline_run"]

FAMILY = "linear"


def baseline_run(run: Run) -> Run:
    """Train logistic regression on the data and the split of a run, and publish it as a run.

    It becomes the task's latest run. Where the run itself is one, it is returned.

    Raises
    ------
    SearchError
        When the items have no features that logistic regression could read, or the data changed
        since the search.
    """
    if run.record.best.family == FAMILY:
        return run
    task, family = get_task(run.task), get_family(FAMILY)
    request = Request.of(run.record.request.model_dump())
    data = read_data(task, run.store, request, (FAMILY,), copies=True)
    if family.view not in data.examples.views:
        message = (
            f"{run.task} has no features for logistic regression; its baseline is the majority "
            "class, which needs no model."
        )
        raise SearchError(message)
    if data.version != run.record.dataset.version:
        message = (
            f"The data of {run.task} is version {data.version} now, run {run.run_id} was searched "
            f"on {run.record.dataset.version}. Search again: tunesmith tune {run.task}."
        )
        raise SearchError(message)
    trial_data = TrialData.of(task, data, run.record.seed)
    params = dict(family.default())
    judged = []
    for train, validation in trial_data.splits():
        steps = family.fit(
            params, train.with_copies(family.view), seed=run.record.seed, max_steps=1, threads=1
        )
        judged.append(Judged.of(next(iter(steps)).model, validation))
    scores = pd.DataFrame([part.scores() for part in judged]).mean().to_dict()
    temperature = float(np.mean([part.temperature() for part in judged]))
    files = train_and_export(
        trial_data, FAMILY, params, steps=1, seed=run.record.seed, threads=1, views=(family.view,)
    )
    if run.record.detector is not None:
        # It does not depend on the model.
        files[f"{MODEL_FOLDER}/known.onnx"] = run.known_bytes()
    answers = np.concatenate([part.by_item for part in judged])
    sets = label_sets(trial_data, answers, temperature)
    record = _record(run, data, params, float(scores[run.record.metric]))
    record = record.model_copy(update={"label_sets": sets})
    trials = _trials(record)
    history = pd.DataFrame(
        [{"trial": 0, "family": FAMILY, "step": 1, "score": record.best.score,
          "temperature": temperature, **scores}]
    )  # fmt: skip
    with run.store.staging(*layout.runs(run.task), key=record.run_id) as staging:
        split = run.store.read_bytes(*run.parts, "split.parquet")
        staging.write_bytes(split, "split.parquet")
        run_artifact.write_run(staging, record, {"trials": trials, "history": history}, files)
        name_latest_run(run.store, run.task, record.run_id)
        staging.publish(*layout.run(run.task, record.run_id), marker=layout.RECORD)
    return open_run(run.store, run.task, record.run_id)


def _record(run: Run, data: TaskData, params: JsonObject, score: float) -> RunRecord:
    """Return the content of ``run.json``: that of the run with another winner."""
    preparation = data.preparation
    return run.record.model_copy(
        update={
            "run_id": run_artifact.new_run_id(),
            "extends": None,
            "created": run_artifact.now(),
            "finished": run_artifact.now(),
            "counts": TrialCounts(planned=1, completed=1),
            "families": (FAMILY,),
            "best": Winner(trial=0, family=FAMILY, params=params, score=score, steps=1),
            "views": ("features",),
            "features": tuple(getattr(preparation, "features", ())) or None,
            "preparation": preparation,
            "versions": run_artifact.versions(),
            "commit": run_artifact.code_commit(),
        }
    )


def _trials(record: RunRecord) -> pd.DataFrame:
    best = record.best
    return pd.DataFrame(
        [{"trial": 0, "family": FAMILY, "params": json.dumps(best.params, sort_keys=True),
          "state": "COMPLETE", "score": best.score, "steps": 1, "best_step": 1, "duration_s": None,
          "error": None}]
    ).astype({"duration_s": "float64", "error": "str"})  # fmt: skip
