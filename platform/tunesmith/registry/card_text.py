"""A card as a page to read: the sections of a model card, in Markdown with a YAML head.

The sections are those of Mitchell et al. (2019), "Model cards for model reporting"; the head is
what model hubs read. Everything in it comes from ``card.json``.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

from tunesmith.artifacts.cards import Card, Licence
from tunesmith.artifacts.reports import Interval

__all__ = ["card_text"]

_ETHICS = (
    "The model judges music, pictures or texts by its training data. It judges classes that are "
    "rare or absent there worse, and a confident answer proves neither authorship nor worth."
)


def card_text(card: Card) -> str:
    """Return a card as Markdown.

    Parameters
    ----------
    card
        The card of a numbered bundle.
    """
    sections = {
        "Model details": _details(card),
        "Intended use": [_plain(card.intended_use)],
        "Factors": _factors(card),
        "Metrics": _metrics(card),
        "Evaluation data": _evaluation_data(card),
        "Training data": _training_data(card),
        "Quantitative analyses": _analyses(card),
        "None of these": _open_set(card),
        "Ethical considerations": [_ETHICS],
        "Caveats and recommendations": _bullets(card.limits),
    }
    body = "\n\n".join(
        f"## {title}\n\n" + "\n".join(lines) for title, lines in sections.items() if lines
    )
    return f"{_head(card)}\n# {_plain(card.name)}, version {card.version}\n\n{body}\n"


def _head(card: Card) -> str:
    """Return the head; JSON strings are YAML strings whatever they hold."""
    lines = [
        "---",
        "library_name: onnx",
        f"license: {json.dumps(_licence(card).code)}",
        f"tags: [tunesmith, {card.task}]",
        f"datasets: [{json.dumps(_dataset(card))}]",
        "metrics:",
        *(
            f"  - {name}: {interval.value:.4f}  # per {card.unit}"
            for name, interval in card.metrics[card.unit].items()
        ),
        "---",
    ]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Return a text as one line in which Markdown finds no HTML: names can be anything."""
    return " ".join(text.split()).replace("<", "\\<")


def _bullets(lines: Iterable[str]) -> list[str]:
    return [f"- {_plain(line)}" for line in lines]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in cells) + " |"

    return [line(head), "|" + " --- |" * len(head), *(line(row) for row in rows)]


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return "unknown"
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _dataset(card: Card) -> str:
    return card.dataset_name


def _licence(card: Card) -> Licence:
    return card.licence or Licence(code="unknown", data="unknown")


def _details(card: Card) -> list[str]:
    inputs = ", ".join(
        f"`{name}` {schema.dtype} {_shape(schema.shape)}" for name, schema in card.inputs.items()
    )
    variants = [
        f"`model.{name}.onnx`: {scores.speedup or 1.0:.1f} times as fast on one thread, "
        f"accuracy {_interval(scores.accuracy)}"
        for name, scores in card.variants.items()
    ]
    left_out = ", ".join(card.variants_left_out)
    return _bullets(
        [
            *_origin(card),
            f"File: `model.onnx`, {card.bytes:,} bytes, SHA-256 `{card.sha256}`.",
            f"Inputs: {inputs}. Output: `{card.output}` float32 [rows, {len(card.labels)}].",
            f"Labels: {', '.join(card.labels)}.",
            f"Smaller variants: {'; '.join(variants) or 'none worth keeping'}"
            + (f" (tried and left out: {left_out})." if left_out else "."),
            f"Libraries: {_libraries(card.libraries.training)}.",
            f"Licence of the code: {_licence(card).code}.",
        ]
    )


def _origin(card: Card) -> list[str]:
    """Return the run and the commit that a model comes from."""
    lineage = card.lineage
    if lineage is None:
        return [f"Run {card.run_id}, made {card.created}."]
    return [
        f"Family: {lineage.family}, trial {lineage.trial} of run {card.run_id}.",
        f"Made {card.created} from commit {lineage.commit or 'unknown'}.",
    ]


def _shape(sizes: Sequence[int | None]) -> str:
    return "[" + ", ".join("rows" if size is None else str(size) for size in sizes) + "]"


def _libraries(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items()) or "unknown"


def _factors(card: Card) -> list[str]:
    rows = [
        [f"{row.by}: {row.slice}", str(row.items), _interval(row.accuracy)] for row in card.slices
    ]
    return _table(["Slice of the test", "Items", "Accuracy"], rows) if rows else []


def _metrics(card: Card) -> list[str]:
    # A file's keys are sorted; what an item is comes first.
    levels = dict(sorted(card.metrics.items(), key=lambda pair: pair[0] != card.unit))
    rows = [
        [name.replace("_", " "), *(_interval(metrics[name]) for metrics in levels.values())]
        for name in levels[card.unit]
    ]
    calibration = card.calibration.note if card.calibration else "not measured"
    return [
        "Each with a 95 % bootstrap interval that draws whole groups.",
        "",
        *_table(["Metric", *(f"per {level}" for level in levels)], rows),
        "",
        _plain(f"Calibration: {calibration}"),
    ]


def _evaluation_data(card: Card) -> list[str]:
    split = card.split
    audit = [f"{row.check}: {row.result}. {row.message}" for row in card.audit]
    count, groups = split.parts.get("test", 0), split.test_groups or 0
    text = (
        f"{count:,} items in {groups:,} independent groups that the search never saw. "
        f"Split: {split.protocol}; {split.rule}. Audit for leaks:"
    )
    return [_plain(text), "", *_bullets(audit)]


def _training_data(card: Card) -> list[str]:
    parts = card.split.parts
    learned = parts.get("train", 0) + parts.get("validation", 0)
    licence = _licence(card).data
    return [_plain(f"{learned:,} items of {_dataset(card)}. Licence of the data: {licence}.")]


def _open_set(card: Card) -> list[str]:
    """Return what the model says of inputs of no class, and how sure its sets of labels are."""
    detector, scores = card.detector, card.open_set
    lines = []
    if detector is not None:
        sources = "; ".join(f"{of.items:,} of {of.source}" for of in detector.exposures)
        file = f"File: `known.onnx`, SHA-256 `{detector.sha256}`."
        lines.append(
            f"{file} Promised share of false alarms: {detector.promise}. "
            f"Learned as of no class: {sources}."
        )
        if detector.recognised is not None:
            lines.append(
                f"It recognised {detector.recognised:.0%} of {detector.recognised_of:,} items of "
                f"{detector.recognised_labels:,} labels that it had not met; area under the ROC "
                f"curve {detector.auroc or 0.0:.3f}."
            )
    if card.no_detector:
        lines.append(f"The model has no detector of items of no class: {card.no_detector}")
    if scores is not None and scores.false_alarms is not None:
        alarms, by_class = scores.false_alarms, scores.false_alarms_by_class
        lines.append(
            f"False alarms on {scores.items:,} test items: {_interval(alarms)}; by class "
            + ", ".join(f"{label} {of.value:.3f}" for label, of in by_class.items())
            + "."
        )
    if scores is not None and scores.coverage is not None:
        lines.append(
            f"Sets of labels for 90 %: {_interval(scores.coverage)} hold the true one, "
            f"{scores.set_size or 0.0:.2f} labels on average."
        )
    return _bullets(lines)


def _analyses(card: Card) -> list[str]:
    rows = [
        [
            row.label,
            *(f"{value:.3f}" for value in (row.precision, row.recall, row.f1)),
            str(row.support),
        ]
        for row in card.per_class
    ]
    lines = _table(["Class", "Precision", "Recall", "F1", "Test items"], rows)
    if card.behaviour:
        near = _interval(card.behaviour.near_keys)
        lines += ["", f"Same answer in every key within three semitones: {near}."]
    return lines
