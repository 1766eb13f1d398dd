"""Training the winner on train and validation together, in a worker, and exporting it."""

import io
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import JoinedRows
from tunesmith.errors import ModelError
from tunesmith.models import Fitted, get_family
from tunesmith.plugins import Snapshot, restore
from tunesmith.tuning.trial import hide_gpus_not_given
from tunesmith.tuning.trial_data import TrialData

__all__ = ["MODEL_FOLDER", "refit", "train_and_export"]

MODEL_FOLDER = "model"
# The gate of promotion asks for 200.
_REFERENCE_ROWS = 256


def refit(
    trial_data: TrialData,
    family: str,
    params: Mapping[str, Any],
    *,
    steps: int,
    seed: int,
    threads: int,
    views: Sequence[str],
    plugins: Snapshot | None = None,
) -> dict[str, bytes]:
    """Train a setting in a worker of Ray; see `train_and_export`.

    Parameters
    ----------
    trial_data, family, params, steps, seed, threads, views
        As `train_and_export` takes them.
    plugins
        Those of the search; by default those of this process.
    """
    hide_gpus_not_given()
    if plugins is not None:
        restore(plugins)
    return train_and_export(
        trial_data, family, params, steps=steps, seed=seed, threads=threads, views=views
    )


def train_and_export(
    trial_data: TrialData,
    family: str,
    params: Mapping[str, Any],
    *,
    steps: int,
    seed: int,
    threads: int,
    views: Sequence[str],
) -> dict[str, bytes]:
    """Train a setting on all development items for a number of steps and export it.

    Parameters
    ----------
    trial_data
        The items that the search saw.
    family, params
        The winner.
    steps
        How long it is trained: where its score was best.
    seed, threads
        As in `Family.fit`.
    views
        Inputs of the model that this one is, or is to be a part of.

    Returns
    -------
    dict
        Files by path: ``model/model.onnx``, ``model/reference.npz`` with rows of every input and
        what the trained model itself answers, and the family's own format under ``model/native/``.

    Raises
    ------
    ModelError
        When the family yields no step.
    """
    model = None
    model_family = get_family(family)
    development = trial_data.development.with_copies(model_family.view)
    # Schedules are laid out for these steps: a rate that has not come down leaves a worse model.
    fit = model_family.fit(params, development, seed=seed, max_steps=steps, threads=threads)
    for step in fit:
        model = step.model
    if model is None:
        message = f"{family} ended before its first step."
        raise ModelError(message)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "native").mkdir()
        model.save(folder / "native")
        model.export_onnx(folder / "model.onnx")
        (folder / "reference.npz").write_bytes(_reference(model, trial_data, views))
        return {
            f"{MODEL_FOLDER}/{path.relative_to(folder).as_posix()}": path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }


def _reference(model: Fitted, trial_data: TrialData, views: Sequence[str]) -> bytes:
    """Return an NPZ of rows of the model's view and its own answers to them.

    The rows are the last ones of the widest of `views`. A view with one row an item gives the row
    of each one's item, so that all members of an ensemble answer to the same rows. Where the data
    has fewer, rows are added that are made of others (`_mixed`).
    """
    examples = trial_data.development
    widest = max((examples.view(name) for name in views), key=len)
    last = np.arange(len(widest))[-_REFERENCE_ROWS:]
    # Arrays; NumPy types the names of savez as its own options.
    arrays: dict[str, Any] = {}
    for name in model.views:
        own = examples.view(name)
        rows = last if len(own) == len(widest) else widest.item[last]
        arrays[name] = _mixed(np.asarray(own.x[rows]), _REFERENCE_ROWS)
    (x, *others) = arrays.values()
    arrays["probabilities"] = model.predict_proba(JoinedRows(dict(arrays)) if others else x)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _mixed(x: npt.NDArray[Any], rows: int) -> npt.NDArray[Any]:
    """Return `x` filled up to `rows` rows, each number of the new ones from one of two others.

    Such rows are of no class, but every number is one that the model can meet: enough to see
    whether two forms of a model answer the same. The same rows for the same `x`.
    """
    missing = rows - len(x)
    if missing <= 0:
        return x
    random = np.random.default_rng(0)
    one, other = (x[random.integers(len(x), size=missing)] for _ in range(2))
    taken = random.random(one.shape) < 0.5
    return np.concatenate([x, np.where(taken, one, other).astype(x.dtype)])
