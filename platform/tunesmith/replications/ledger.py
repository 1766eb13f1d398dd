"""Results of measurements, kept in the store as soon as they are there."""

import hashlib
import json
from datetime import UTC, datetime

from tunesmith.artifacts import layout
from tunesmith.artifacts.measurements import EffortRecord, MeasurementRecord
from tunesmith.artifacts.store import Store
from tunesmith.replications.contract import Effort, Measurement, Replication, Result

__all__ = ["Ledger"]


def _is_whole(result: Result) -> bool:
    names = ("epochs", "rows")
    return all(name in result and result[name] >= result[f"{name}_planned"] for name in names)


class Ledger:
    """The records of one replication on one version of its data, ``studies/<study>/<key>.json``.

    Parameters
    ----------
    store
        Where they are.
    replication
        The replication.
    version
        Of its data.
    """

    def __init__(self, store: Store, replication: Replication, version: str) -> None:
        self.store = store
        self.replication = replication
        self.version = version

    def find(self, measurement: Measurement, effort: Effort) -> Result | None:
        """Return what is recorded of a measurement with at least this effort."""
        record = self._read(measurement)
        if record is None or not Effort(**record.effort.model_dump()).covers(effort):
            return None
        return record.result

    def keep(
        self, measurement: Measurement, result: Result, effort: Effort, seconds: float
    ) -> Result:
        """Record a result, whole or not at all, and return it with its seconds."""
        # Some trainings are too small for a lower effort to cut anything.
        done = Effort() if _is_whole(result) else effort
        whole = {**result, "seconds": round(seconds, 1), "is_full": done.is_full}
        record = MeasurementRecord(
            study=self.replication.name,
            key=measurement.key,
            title=measurement.title,
            fingerprint=self._fingerprint(measurement),
            about=dict(measurement.about),
            data=self.version,
            effort=EffortRecord(rows=done.rows, epochs_share=done.epochs_share),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            result=whole,
        )
        record.write(self.store, *self._place(measurement))
        return whole

    def results(self) -> dict[str, Result]:
        """Return what is recorded of all measurements of the study, by key, whatever its effort."""
        records = {m.key: self._read(m) for m in self.replication.measurements}
        return {key: dict(record.result) for key, record in records.items() if record is not None}

    def _read(self, measurement: Measurement) -> MeasurementRecord | None:
        place = self._place(measurement)
        if not self.store.exists(*place):
            return None
        record = MeasurementRecord.read(self.store, *place)
        return record if record.fingerprint == self._fingerprint(measurement) else None

    def _place(self, measurement: Measurement) -> layout.Parts:
        return layout.measurement(self.replication.name, measurement.key)

    def _fingerprint(self, measurement: Measurement) -> str:
        text = json.dumps([self.version, dict(measurement.about)], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
