"""What a refitted winner leaves behind."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests import artefacts
from tunesmith.models import get_family
from tunesmith.models.contract import Step
from tunesmith.registry.gate import LEAST_REFERENCE_ROWS
from tunesmith.tuning.refit import refit
from tunesmith.tuning.trial_data import TrialData


def test_few_items_still_give_the_rows_that_promotion_compares() -> None:
    examples = artefacts.make_examples(30)
    files = refit(
        TrialData(examples, ((20, 30),), "macro_f1"), "linear", {"C": 1.0, "balance": 0.5},
        steps=1, seed=0, threads=1, views=("features",),
    )  # fmt: skip
    with np.load(io.BytesIO(files["model/reference.npz"])) as arrays:
        rows, answers = arrays["features"], arrays["probabilities"]
    own = examples.view("features").x
    assert len(rows) == len(answers) >= LEAST_REFERENCE_ROWS
    np.testing.assert_array_equal(rows[: len(own)], own)
    # Every number is one of its column.
    assert all(np.isin(rows[:, column], own[:, column]).all() for column in range(rows.shape[1]))
    assert len(np.unique(rows, axis=0)) >= LEAST_REFERENCE_ROWS


def test_schedules_are_laid_out_for_as_long_as_it_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    boosting, lengths, steps = get_family("boosting"), [], []
    fit = type(boosting).fit

    def watched(self: Any, *arguments: Any, **options: Any) -> Iterator[Step]:
        lengths.append(options["max_steps"])
        for step in fit(self, *arguments, **options):
            steps.append(step.step)
            yield step

    monkeypatch.setattr(type(boosting), "fit", watched)
    refit(
        TrialData(artefacts.make_examples(30), ((20, 30),), "macro_f1"), "boosting",
        boosting.default(), steps=3, seed=0, threads=1, views=("features",),
    )  # fmt: skip
    assert (lengths, steps) == ([3], [1, 2, 3])
