"""A card as a page to read: the sections of a model card, in Markdown with a YAML head.

The sections are those of Mitchell et al. (2019), "Model cards for model reporting"; the head is
what model hubs read. Everything in it comes from ``card.json``.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["card_text"]

Card = Mapping[str, Any]

_ETHICS = (
    "The model judges music, pictures or texts by what its training data held. Who is rare or "
    "absent there is judged worse, and a confident answer is no proof of authorship or of worth."
)


def card_text(card: Card) -> str:
    """Return a card as Markdown.

    Parameters
    ----------
    card
        The content of ``card.json``.
    """
    sections = {
        "Model details": _details(card),
        "Intended use": [str(card["intended_use"])],
        "Factors": _factors(card),
        "Metrics": _metrics(card),
        "Evaluation data": _evaluation_data(card),
        "Training data": _training_data(card),
        "Quantitative analyses": _analyses(card),
        "Ethical considerations": [_ETHICS],
        "Caveats and recommendations": _bullets(card["limits"]),
    }
    body = "\n\n".join(
        f"## {title}\n\n" + "\n".join(lines) for title, lines in sections.items() if lines
    )
    return f"{_head(card)}\n# {card['task']}, version {card['version']}\n\n{body}\n"


def _head(card: Card) -> str:
    """Return the head; JSON strings are YAML strings whatever they hold."""
    unit = card["unit"]
    figures = card["metrics"][unit]
    lines = [
        "---",
        "library_name: onnx",
        f"license: {json.dumps(card['licence']['code'])}",
        f"tags: [tunesmith, {card['task']}]",
        f"datasets: [{json.dumps(_dataset(card))}]",
        "metrics:",
        *(f"  - {name}: {figure['value']:.4f}  # a {unit}" for name, figure in figures.items()),
        "---",
    ]
    return "\n".join(lines) + "\n"


def _bullets(lines: Iterable[str]) -> list[str]:
    return [f"- {line}" for line in lines]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(head), "|" + " --- |" * len(head), *(line(row) for row in rows)]


def _interval(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def _dataset(card: Card) -> str:
    return f"{card['dataset'].get('name')}@{card['dataset'].get('version')}"


def _details(card: Card) -> list[str]:
    lineage = card["lineage"]
    inputs = ", ".join(
        f"`{name}` {schema['dtype']} {_shape(schema['shape'])}"
        for name, schema in card["inputs"].items()
    )
    variants = [
        f"`model.{name}.onnx`: {found['speedup']:.1f} times as fast on one thread, "
        f"accuracy {_interval(found['accuracy'])}"
        for name, found in (card.get("variants") or {}).items()
    ]
    left_out = ", ".join(card.get("variants_left_out") or ())
    return _bullets(
        [
            f"Family: {lineage['family']}, trial {lineage['trial']} of run {card['run_id']}.",
            f"Made {card['created']} from commit {lineage['commit'] or 'unknown'}.",
            f"File: `model.onnx`, {card['bytes']:,} bytes, SHA-256 `{card['sha256']}`.",
            f"Inputs: {inputs}. Output: `{card['output']}` float32 [rows, {len(card['labels'])}].",
            f"Labels: {', '.join(card['labels'])}.",
            f"Smaller variants: {'; '.join(variants) or 'none worth keeping'}"
            + (f" (tried and left out: {left_out})." if left_out else "."),
            f"Libraries: {_libraries(card['libraries']['training'])}.",
            f"Licence of the code: {card['licence']['code']}.",
        ]
    )


def _shape(sizes: Sequence[int | None]) -> str:
    return "[" + ", ".join("rows" if size is None else str(size) for size in sizes) + "]"


def _libraries(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items()) or "unknown"


def _factors(card: Card) -> list[str]:
    rows = [
        [f"{row['by']}: {row['slice']}", str(row["items"]), _interval(row["accuracy"])]
        for row in card.get("slices") or ()
    ]
    return _table(["Part of the test", "Items", "Accuracy"], rows) if rows else []


def _metrics(card: Card) -> list[str]:
    # A file's keys are sorted; what an item is comes first.
    levels = dict(sorted(card["metrics"].items(), key=lambda pair: pair[0] != card["unit"]))
    names = list(levels[card["unit"]])
    rows = [
        [name.replace("_", " "), *(_interval(figures[name]) for figures in levels.values())]
        for name in names
    ]
    calibration = card.get("calibration") or {}
    return [
        "Each with a 95 % bootstrap interval that draws whole groups.",
        "",
        *_table(["Metric", *(f"a {level}" for level in levels)], rows),
        "",
        f"Calibration: {calibration.get('note') or 'not looked at'}",
    ]


def _evaluation_data(card: Card) -> list[str]:
    split = card["split"]
    audit = [f"{row['check']}: {row['result']}. {row['message']}" for row in card["audit"]]
    count, groups = split["parts"].get("test", 0), split["test_groups"]
    text = (
        f"{count:,} items in {groups:,} independent groups that the search never saw. "
        f"Split: {split['protocol']}; {split['rule']}. Audit for leaks:"
    )
    return [text, "", *_bullets(audit)]


def _training_data(card: Card) -> list[str]:
    parts = card["split"]["parts"]
    learned = parts.get("train", 0) + parts.get("validation", 0)
    licence = card["licence"]["data"]
    return [f"{learned:,} items of {_dataset(card)}. Licence of the data: {licence}."]


def _analyses(card: Card) -> list[str]:
    rows = [
        [row["class"], *(f"{row[name]:.3f}" for name in ("precision", "recall", "f1")),
         str(row["support"])]
        for row in card["per_class"]
    ]  # fmt: skip
    found = _table(["Class", "Precision", "Recall", "F1", "Test items"], rows)
    behaviour = card.get("behaviour")
    if behaviour:
        near = behaviour["near_keys"]
        found += ["", f"Same answer in every key within three semitones: {_interval(near)}."]
    return found
