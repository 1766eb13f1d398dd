"""Ingestion in the process of a test."""

from collections.abc import Iterator
from typing import Any

import pytest

from tunesmith.ingestion import pipeline
from tunesmith.ingestion.processing import process_batch


def ingest_in_process(patch: pytest.MonkeyPatch) -> None:
    """Let ingestion run in this process."""

    def run(batches: Iterator[Any], parameters: Any, staging: Any) -> Iterator[Any]:
        for batch in batches:
            yield process_batch(batch, parameters, staging.store, staging.parts)

    patch.setattr(pipeline, "_map_batches", run)
