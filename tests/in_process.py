"""Ingestion, scoring and searches in the process of a test."""

import itertools
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.ingestion import pipeline, steps
from tunesmith.ingestion.processing import process_batch
from tunesmith.scoring import pipeline as scoring
from tunesmith.scoring.blocks import block_from_json, block_to_json
from tunesmith.scoring.worker import Scorer
from tunesmith.tuning import driver, publishing, trial
from tunesmith.tuning.progress import Watch, silent
from tunesmith.tuning.refit import train_and_export


def ingest_in_process(patch: pytest.MonkeyPatch) -> None:
    """Let ingestion run in this process."""

    def run(batches: Iterator[Any], parameters: Any, staging: Any) -> Iterator[Any]:
        for batch in batches:
            yield process_batch(batch, parameters, staging.store, staging.parts)

    patch.setattr(pipeline, "_map_batches", run)


def steps_in_process(patch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Let work in steps run in this process; return a list that gets each step and its tasks."""
    done: list[tuple[str, int]] = []

    def run(work: Any, items: Any, arguments: Any) -> Iterator[Any]:
        done.append((arguments["step"], len(items)))
        for item in items:
            columns = work({name: [value] for name, value in item.items()}, **arguments)
            yield {name: column[0] for name, column in columns.items()}

    patch.setattr(steps, "results_of", run)
    return done


def score_in_process(patch: pytest.MonkeyPatch) -> list[str]:
    """Let scoring run in this process; return a list that gets the key of each scored block."""
    keys: list[str] = []

    def run(blocks: Iterator[Any], job: Any, say: Any) -> Iterator[Any]:
        with closing(Scorer(job)) as scorer:
            for block in blocks:
                keys.append(block.key)
                yield scorer.score(block_from_json(block_to_json(block)))

    patch.setattr(scoring, "_map_blocks", run)
    return keys


def search_in_process(patch: pytest.MonkeyPatch) -> None:
    """Let the trials and refits of a search run in this process, one after the other.

    The driver's files are written as they are beside Ray Tune, in the same order. No detector is
    learned.
    """

    def run_trials(sessions: Any, references: Any, **_: Any) -> None:
        for session in sessions:
            name = session.task.name
            watch = Watch({name: session.progress}, {name: session.history}, silent, None)
            while not session.search.is_exhausted:
                _run_trial(session.search, watch, references)

    def as_refitted(refits: Any, **_: Any) -> Iterator[Any]:
        for refit in refits:
            options = {key: of for key, of in refit.options.items() if key != "plugins"}
            refit.files = train_and_export(
                refit.trial_data, refit.member.family, refit.member.params, threads=1, **options
            )
            yield refit

    put = SimpleNamespace(put=lambda value: value)
    patch.setattr(driver, "ray", put)
    patch.setattr(trial, "ray", SimpleNamespace(get=lambda value: value, get_gpu_ids=list))
    patch.setattr(driver, "obtainable", dict)
    patch.setattr(publishing, "obtainable", dict)
    patch.setattr(driver, "Detecting", _NoDetector)
    patch.setattr(driver, "run_trials", run_trials)
    patch.setattr(publishing, "as_refitted", as_refitted)


class _NoDetector:
    def __init__(self, *_: object) -> None:
        pass

    def begin(self) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""

    def add_to(self, record: Any, files: Any, *_: object) -> tuple[Any, dict[str, bytes]]:
        return record.model_copy(update={"no_detector": "Not learned."}), dict(files)


def _run_trial(search: Any, watch: Watch, references: Any) -> None:
    config = search.suggest("t")
    trained = trial.SearchTrial.__new__(trial.SearchTrial)
    trained.setup(config, references)
    as_told = SimpleNamespace(config=config, status="RUNNING", last_result={})
    watch.on_trial_start(0, [], as_told)
    for number in itertools.count():
        trained._iteration = number
        result = trained.step() | {"training_iteration": number + 1, "time_total_s": 0.1}
        search.on_trial_result("t", result)
        watch.on_trial_result(0, [], as_told, result)
        as_told.last_result = result
        if result["done"]:
            break
    search.on_trial_complete("t", result)
    watch.on_trial_complete(0, [], as_told)
