"""Runs and reports as notebooks show them."""

import base64
import json
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

from tunesmith.api.html import table_html
from tunesmith.artifacts import reports, runs
from tunesmith.artifacts.store import Store
from tunesmith.errors import StoreError, unknown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Report", "Run"]

_SHOWN_TRIALS = 5
_INLINE_FIGURE = "confusion"


class Run:
    """A finished search: its trials and the winner's model.

    Attributes
    ----------
    artifact
        The run in the store.
    """

    def __init__(self, artifact: runs.Run) -> None:
        self.artifact = artifact

    @property
    def store(self) -> Store:
        """Store that holds the run."""
        return self.artifact.store

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.artifact.task

    @property
    def run_id(self) -> str:
        """Name of the run."""
        return self.artifact.run_id

    @property
    def metric(self) -> str:
        """Metric that was searched on."""
        return self.artifact.record.metric

    @property
    def family(self) -> str:
        """Model family of the winner; ``ensemble`` where several were put together."""
        return self.artifact.record.best.family

    @property
    def score(self) -> float:
        """Metric of the winner on validation items, between 0 and 1."""
        return self.artifact.record.best.score

    @property
    def params(self) -> dict[str, Any]:
        """Settings of the winner."""
        return dict(self.artifact.record.best.params)

    @cached_property
    def trials(self) -> "pd.DataFrame":
        """A row a trial, the best first: family, state, score, steps, duration and settings."""
        table = self.artifact.table("trials").set_index("trial")
        table["params"] = table["params"].map(json.loads)
        return table.sort_values("score", ascending=False, na_position="last")

    def __repr__(self) -> str:
        return (
            f"Run({self.task!r}, {self.run_id!r}, family={self.family!r}, "
            f"{self.metric}={self.score:.3f})"
        )

    def _repr_html_(self) -> str:
        table = self.trials.head(_SHOWN_TRIALS)[["family", "state", "score", "duration_s"]]
        left = len(self.trials) - len(table)
        note = f"and {left} more trials" if left > 0 else ""
        title = (
            f"{self.task}: {self.family}, {self.metric} {self.score:.3f} on validation "
            f"({len(self.trials)} trials)"
        )
        return table_html(title, table, note)


class Report:
    """The evaluation of a run on items that its search never saw.

    Attributes
    ----------
    artifact
        The report in the store.
    """

    def __init__(self, artifact: reports.Report) -> None:
        self.artifact = artifact

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.artifact.task

    @property
    def run_id(self) -> str:
        """Name of the run."""
        return self.artifact.run_id

    @property
    def unit(self) -> str:
        """Name of an item: ``piece``, ``song``, ``image``."""
        return self.artifact.record.unit

    @property
    def page(self) -> str:
        """Path of the whole report, an HTML page with every table and figure."""
        return self.artifact.store.path(*self.artifact.parts, "report.html")

    @property
    def verdict(self) -> str:
        """One sentence: how often the model is right, and whether to believe it."""
        from tunesmith.reports.verdict import verdict

        return f"{verdict(self.artifact.record).headline}."

    @cached_property
    def metrics(self) -> "pd.DataFrame":
        """A row a metric of whole items: ``value`` with its 95 % interval, ``low`` and ``high``."""
        return _intervals(self.artifact.record.item_metrics)

    @cached_property
    def baselines(self) -> "dict[str, pd.DataFrame]":
        """The same table for each simple model that the run was compared with."""
        baselines = self.artifact.record.baseline
        return {name: _intervals(levels[self.unit]) for name, levels in baselines.items()}

    @cached_property
    def per_class(self) -> "pd.DataFrame":
        """A row a class: precision, recall, F1 and the number of test items."""
        import pandas as pd

        return pd.DataFrame(
            [scores.json_object() for scores in self.artifact.record.per_class]
        ).set_index("class")

    @cached_property
    def predictions(self) -> "pd.DataFrame":
        """A row a test item: its class, the predicted one and the probability of each."""
        return self.artifact.predictions()

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of the report's figures, sorted."""
        names = self.artifact.store.list(*self.artifact.parts)
        return tuple(sorted(n[: -len(".png")] for n in names if n.endswith(".png")))

    def figure(self, name: str) -> bytes:
        """Return a figure of the report as PNG, for ``IPython.display.Image``.

        Raises
        ------
        UsageError
            When the report has no such figure; the message names near ones.
        """
        try:
            return self.artifact.store.read_bytes(*self.artifact.parts, f"{name}.png")
        except StoreError:
            kind = "figure"
            raise unknown(kind, name, self.figures) from None

    def __repr__(self) -> str:
        value = float(self.metrics["value"][self._headline])
        return f"Report({self.task!r}, {self.run_id!r}, {self._headline}={value:.3f})"

    @property
    def _headline(self) -> str:
        return "macro_f1" if "macro_f1" in self.metrics.index else str(self.metrics.index[0])

    def _repr_html_(self) -> str:
        import pandas as pd

        n_items = self.artifact.record.n_test
        columns = {"model": self.metrics, **self.baselines}
        table = pd.DataFrame({name: _shown(frame) for name, frame in columns.items()})
        table.index = pd.Index([str(name).replace("_", " ") for name in table.index])
        title = f"{self.task}: {n_items} {self.unit}s that the search never saw, 95 % intervals"
        picture = ""
        if _INLINE_FIGURE in self.figures:
            data = base64.b64encode(self.figure(_INLINE_FIGURE)).decode("ascii")
            picture = (
                f'<img alt="Confusion matrix of {escape(self.task)}" style="max-width:640px" '
                f'src="data:image/png;base64,{data}">'
            )
        return table_html(title, table, f"{self.verdict} Whole report: {self.page}") + picture


def _intervals(metrics: reports.Metrics) -> "pd.DataFrame":
    import pandas as pd

    rows = {
        name: {"value": interval.value, "low": interval.low, "high": interval.high}
        for name, interval in metrics.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _shown(metrics: "pd.DataFrame") -> "pd.Series[str]":
    return metrics.apply(lambda row: f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]", axis=1)
