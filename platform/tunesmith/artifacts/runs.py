"""Reading a finished run: what a search left behind for evaluation and promotion."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.store import Store
from tunesmith.errors import StoreError, unknown
from tunesmith.inference.classifier import OUTPUT, Classifier

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["REPORT", "REPORTS", "Run", "open_run"]

REPORTS = "reports"
REPORT = "report.json"


@dataclass(frozen=True)
class Run:
    """A run artefact, ``runs/<task>/<run_id>/``.

    Attributes
    ----------
    store, task, run_id
        Where it is.
    facts
        The content of ``run.json``.
    """

    store: Store
    task: str
    run_id: str
    facts: dict[str, Any]

    @property
    def parts(self) -> tuple[str, str, str]:
        """Where the run stands in the store."""
        return ("runs", self.task, self.run_id)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the model's output."""
        return tuple(self.facts["classes"])

    def table(self, name: str) -> "pd.DataFrame":
        """Return a table of the run: ``split``, ``trials`` or ``history``."""
        import pyarrow.parquet as pq

        data = self.store.read_bytes(*self.parts, f"{name}.parquet")
        frame: pd.DataFrame = pq.read_table(io.BytesIO(data)).to_pandas()
        return frame

    def model_bytes(self) -> bytes:
        """Return the winner's ONNX model."""
        return self.store.read_bytes(*self.parts, "model", "model.onnx")

    def report(self) -> dict[str, Any] | None:
        """Return what the evaluation of this run found, None where there was none yet."""
        if not self.store.exists(REPORTS, self.task, self.run_id, REPORT):
            return None
        found: dict[str, Any] = self.store.read_json(REPORTS, self.task, self.run_id, REPORT)
        return found

    def classifier(self, threads: int = 1) -> Classifier:
        """Return the winner, ready to predict."""
        return Classifier(self.model_bytes(), classes=self.classes, threads=threads)

    def reference(self) -> tuple[dict[str, npt.NDArray[Any]], npt.NDArray[np.float32]]:
        """Return inputs by name and what the trained model itself answered to them.

        Raises
        ------
        StoreError
            When the file holds no answers.
        """
        data = self.store.read_bytes(*self.parts, "model", "reference.npz")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            inputs = {name: arrays[name] for name in arrays.files}
        if OUTPUT not in inputs:
            message = f"{'/'.join(self.parts)}/model/reference.npz has no {OUTPUT!r}; tune again."
            raise StoreError(message)
        answers = inputs.pop(OUTPUT)
        return inputs, answers

    def temperature(self) -> float | None:
        """Return the temperature that suited the winner's answers to validation items.

        It was fitted while the winner had learned from the train part alone. None where the search
        did not fit one.
        """
        best, history = self.facts["best"], self.table("history")
        if "temperature" not in history:
            return None
        rows = history[(history["trial"] == best["trial"]) & (history["step"] == best["steps"])]
        known = rows["temperature"].dropna()
        return float(known.iloc[-1]) if len(known) else None


def open_run(store: Store, task: str, run_id: str | None = None) -> Run:
    """Return a run of a task, the latest one by default.

    Raises
    ------
    StoreError
        When the task has no run.
    UsageError
        When `run_id` names none; the message lists near ones.
    """
    if run_id is None:
        if not store.exists("runs", task, "latest.json"):
            message = (
                f"There is no run of {task!r} in {store.uri}. Search first: tunesmith tune {task}."
            )
            raise StoreError(message)
        run_id = str(store.read_json("runs", task, "latest.json")["run_id"])
    elif not store.exists("runs", task, run_id, "run.json"):
        kind = f"run of {task}"
        raise unknown(kind, run_id, [n for n in store.list("runs", task) if n != "latest.json"])
    return Run(store, task, run_id, store.read_json("runs", task, run_id, "run.json"))
