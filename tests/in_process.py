"""Ingestion and scoring in the process of a test."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tunesmith.ingestion import pipeline
from tunesmith.ingestion.processing import process_batch
from tunesmith.scoring import pipeline as scoring
from tunesmith.scoring.blocks import block_from_json, block_to_json
from tunesmith.scoring.worker import Scorer


def ingest_in_process(patch: pytest.MonkeyPatch) -> None:
    """Let ingestion run in this process."""

    def run(batches: Iterator[Any], parameters: Any, staging: Any) -> Iterator[Any]:
        for batch in batches:
            yield process_batch(batch, parameters, staging.store, staging.parts)

    patch.setattr(pipeline, "_map_batches", run)


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
