"""The evaluation report as a page: what the template needs besides the record itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tunesmith.artifacts.reports import Comparison, ReportRecord, VariantScores
from tunesmith.artifacts.runs import Winner
from tunesmith.evaluation.variants import LEAST_SPEEDUP
from tunesmith.reports.metric_text import interval, metric_inside, metric_name, metric_order
from tunesmith.reports.open_set_text import coverage_sentence, detector_sentences
from tunesmith.reports.pages import percent, render, script
from tunesmith.reports.verdict import BASELINES, Verdict, gain_of, verdict
from tunesmith.reports.wrong_answers import WrongAnswers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["render_report"]

_TILES = ("accuracy", "balanced_accuracy", "macro_f1", "ece")
_VARIANTS = {"int8": "8-bit weights", "float16": "16-bit floating point"}
_RESULT_STYLES = {
    "leak": "leak", "caution": "caution", "clear": "clear", "not applicable": "absent",
}  # fmt: skip
_SMALLEST_P = 1e-100

Row = Sequence[str]


def render_report(report: ReportRecord, figures: "Mapping[str, Figure]") -> str:
    """Return the page.

    Parameters
    ----------
    report
        The content of ``report.json``.
    figures
        Plots by name.
    """
    page = _Page(report, dict(figures))
    text, digest = script("clips.js")
    return render(
        "evaluation.html.j2",
        report=report,
        page=page,
        figures=figures,
        script_text=text,
        script_hash=digest,
    )


@dataclass(frozen=True)
class _Page:
    """Rows and sentences of the page, computed from the record.

    Attributes
    ----------
    report
        The record.
    figures
        Plots by name.
    """

    report: ReportRecord
    figures: "Mapping[str, Figure]"
    result_styles = _RESULT_STYLES
    least_speedup = LEAST_SPEEDUP

    @property
    def sections(self) -> list[tuple[str, str]]:
        """Id and title of each section that has content, in order."""
        report, figures = self.report, self.figures
        has_content = {
            "Other music": bool(report.elsewhere),
            "Metrics": True,
            "Classes": True,
            "Wrong answers": bool(report.mistakes),
            "None of these": bool(report.detector or report.no_detector or report.open_set),
            "Leak checks": bool(report.audit),
            "Comparisons": bool(report.comparisons),
            "Robustness": report.behaviour is not None,
            "Slices": "slices" in figures,
            "Calibration": report.calibration is not None,
            "Importance": bool(report.importance or report.words or report.selection),
            "Segments": "segments" in figures,
            "Examples": bool(report.pictures or report.texts),
            "Smaller models": bool(report.variants),
            "Search": report.trials is not None,
            "Data": bool(report.parts),
        }
        titles = [title for title, has in has_content.items() if has]
        return [(title.lower().replace(" ", "-"), title) for title in titles]

    @property
    def verdict(self) -> Verdict:
        """The verdict on the model, in words."""
        return verdict(self.report)

    @property
    def family(self) -> str:
        """Family of the best model."""
        return self.report.model.family if self.report.model else "model"

    @property
    def metric(self) -> str:
        """Name of the metric that the search maximised, inside a sentence."""
        return metric_inside(self.report.metric)

    @property
    def written(self) -> str:
        """Time at which the report was written."""
        return f"{datetime.fromisoformat(self.report.created):%Y-%m-%d %H:%M} UTC"

    @property
    def has_linear(self) -> bool:
        """True where there is a linear baseline."""
        return "linear" in self.report.baseline

    @property
    def tiles(self) -> list[tuple[str, str, str]]:
        """The main metrics per item: name, value and interval."""
        report = self.report
        return [
            (
                f"{metric_name(name)} per {report.unit}",
                f"{value.value:.3f}",
                f"95\N{NO-BREAK SPACE}%: {value.low:.3f} to {value.high:.3f}",
            )
            for name, value in ((name, report.item_metrics[name]) for name in _TILES)
        ]

    @property
    def notes(self) -> list[str]:
        """Warnings about the metrics, leaks first."""
        notes = list(self.report.notes)
        if leaks := self.report.leaks:
            checks = ", ".join(finding.check for finding in leaks)
            notes.insert(0, f"The leak checks failed: {checks}. {self._without_leaks()}")
        return notes

    def _without_leaks(self) -> str:
        """Return what is left of the metrics without the items that leaked."""
        report, left = self.report, self.report.without_leaks
        if not left:
            return "The metrics are too good."
        values = ", ".join(
            f"{metric_inside(name)} {left.metrics[name].value:.3f} instead of "
            f"{report.item_metrics[name].value:.3f}"
            for name in ("accuracy", "macro_f1")
        )
        return (
            f"Without the {left.left_out} of {report.n_test:,} test {report.unit}s concerned: "
            f"{values}."
        )

    @property
    def metric_columns(self) -> list[str]:
        """Heads of the table of metrics: levels first, then baselines."""
        baselines = [name for key, name in BASELINES.items() if key in self.report.baseline]
        return [*(f"Per {level}" for level in self._levels()), *map(str.capitalize, baselines)]

    @property
    def metric_rows(self) -> list[Row]:
        """A row per metric."""
        report = self.report
        columns = [report.metrics[level] for level in self._levels()]
        columns += [
            report.baseline[key][report.unit] for key in BASELINES if key in report.baseline
        ]
        return [
            [metric_name(name), *(interval(metrics[name]) for metrics in columns)]
            for name in sorted(report.item_metrics, key=metric_order)
        ]

    @property
    def elsewhere_rows(self) -> list[Row]:
        """A row per set of copies of the test pieces, and per other dataset."""
        return [
            [
                row.data,
                f"{row.items:,}",
                interval(row.metrics["accuracy"]),
                interval(row.metrics["balanced_accuracy"]),
                interval(row.metrics["macro_f1"]),
            ]
            for row in self.report.elsewhere
        ]

    @property
    def recall_rows(self) -> list[Row]:
        """A row per set of pieces as in `elsewhere_rows`: the recall of every class."""
        return [
            [
                row.data,
                *(
                    f"{row.recall[label].value:.2f}" if label in row.recall else ""
                    for label in self.report.classes
                ),
            ]
            for row in self.report.elsewhere
        ]

    @property
    def open_set(self) -> list[str]:
        """Sentences about items of no class, and about sets of labels."""
        coverage = coverage_sentence(self.report)
        return [*detector_sentences(self.report), *([coverage] if coverage else [])]

    @property
    def open_set_rows(self) -> list[Row]:
        """A row per class: its false alarms and the coverage of its sets of labels."""
        scores = self.report.open_set
        if scores is None:
            return []
        columns = scores.false_alarms_by_class, scores.coverage_by_class
        return [
            [label, *(interval(column[label]) if label in column else "" for column in columns)]
            for label in self.report.classes
            if any(label in column for column in columns)
        ]

    @property
    def other_label_rows(self) -> list[Row]:
        """A row per other dataset with pieces of no class."""
        return [
            [
                row.data,
                f"{row.items:,}",
                f"{row.labels:,}",
                interval(row.recognised),
                "" if row.confidence is None else f"{row.confidence:.2f}",
            ]
            for row in self.report.other_labels
        ]

    @property
    def left_out(self) -> list[str]:
        """Sentences about the pieces of other datasets that could not be judged."""
        return [
            f"{row.data}: {row.left_out:,} pieces are left out because they are near-duplicates "
            f"of pieces that the model learned from, and {row.unknown:,} because their label is "
            "none of its classes."
            for row in self.report.elsewhere
            if row.left_out or row.unknown
        ]

    def _levels(self) -> list[str]:
        return sorted(self.report.metrics, key=lambda level: level != self.report.unit)

    @property
    def class_rows(self) -> list[Row]:
        """A row per class."""
        return [
            [
                row.label,
                *(f"{value:.3f}" for value in (row.precision, row.recall, row.f1)),
                f"{row.support:,}",
            ]
            for row in self.report.per_class
        ]

    def _comparisons(self) -> Iterator[tuple[str, Comparison]]:
        """Yield the models compared with, by their names."""
        for key in (*BASELINES, "champion"):
            if key in self.report.comparisons:
                comparison = self.report.comparisons[key]
                champion = f"Champion, version {comparison.version}"
                name = BASELINES.get(key, champion).capitalize()
                yield f"{name}, also on copies" if comparison.copies else name, comparison

    @property
    def wrong(self) -> WrongAnswers:
        """The ribbons and clips of the pieces with a wrong prediction."""
        return WrongAnswers(self.report.mistakes)

    @property
    def comparison_rows(self) -> list[Row]:
        """A row per model compared with."""
        return [
            [
                name,
                interval(comparison.difference, "+"),
                str(comparison.only_first),
                str(comparison.only_second),
                f"{comparison.p_value:.2g}" if comparison.p_value > _SMALLEST_P else "< 1e-100",
                gain_of(comparison),
            ]
            for name, comparison in self._comparisons()
            if comparison.difference is not None
        ]

    @property
    def not_compared(self) -> list[tuple[str, str]]:
        """Models that could not be compared with, and why."""
        return [
            (name, comparison.problem)
            for name, comparison in self._comparisons()
            if comparison.problem is not None
        ]

    @property
    def selection_rows(self) -> list[Row]:
        """A row per selection of columns."""
        selection = self.report.selection
        return [
            [
                row.choice.capitalize(),
                str(row.columns),
                interval(row.accuracy),
                interval(row.macro_f1),
                interval(row.against_all, "+") if row.against_all else "",
            ]
            for row in (selection.choices if selection else ())
        ]

    @property
    def dropped(self) -> list[str]:
        """Columns that correlation drops."""
        selection = self.report.selection
        return [
            column.name for column in (selection.columns if selection else ()) if column.dropped
        ]

    def _variants(self) -> list[tuple[str, VariantScores]]:
        variants = self.report.variants
        return [(name, variants[key]) for key, name in _VARIANTS.items() if key in variants]

    @property
    def variant_rows(self) -> list[Row]:
        """A row per smaller model."""
        return [
            [
                name,
                interval(variant.accuracy),
                percent(variant.agreement or 0.0, 1),
                f"{variant.speedup:.2f}",
                f"{(variant.bytes or 0) / 1e6:.2f} MB",
                "kept" if variant.kept else "not kept",
            ]
            for name, variant in self._variants()
            if variant.accuracy is not None
        ]

    @property
    def not_converted(self) -> list[str]:
        """Variants that could not be made."""
        return [name for name, variant in self._variants() if variant.problem]

    @property
    def trials(self) -> str:
        """Numbers of the trials by how they ended."""
        counts = self.report.trials
        if counts is None:
            return ""
        ends = {
            "completed": counts.completed,
            "pruned": counts.pruned,
            "failed": counts.failed,
            "not started": counts.not_started,
        }
        ended = ", ".join(f"{number} {name}" for name, number in ends.items() if number)
        return f"{counts.planned} planned, {ended}" if ended else f"{counts.planned} planned"

    @property
    def winner(self) -> str:
        """Family and settings of the best trial, or the members of the ensemble."""
        best = self.report.model
        return _winner(best) if best else "none"

    @property
    def data_rows(self) -> list[Row]:
        """A row per class with its items by part, and their sums."""
        parts = [self.report.parts[name] for name in ("train", "validation", "test")]
        rows = [[label, *(f"{part[label]:,}" for part in parts)] for label in parts[0]]
        return [*rows, ["All", *(f"{sum(part.values()):,}" for part in parts)]]


def _winner(best: Winner) -> str:
    if best.members:
        members = ", ".join(
            f"{member.family} #{member.trial} (weight {member.weight:.2f})"
            for member in best.members
        )
        return f"{best.family} of {members}"
    settings = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in best.params.items()
    )
    return f"{best.family} with {settings}" if settings else best.family
