"""The studies side by side: published, ours by the study's protocol, ours honestly."""

from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.artifacts import layout
from tunesmith.artifacts.gaps import readable
from tunesmith.artifacts.reports import open_report
from tunesmith.artifacts.store import Store
from tunesmith.replications.contract import CUT_DOWN, Replication, Result, Row, Setting

__all__ = ["honest_figure", "markdown", "table"]

_COLUMNS = (
    "study",
    "protocol",
    "published",
    "ours by the study's protocol",
    "ours by the honest protocol",
    "what the difference is made of",
    "what ran",
)
_NOTHING = "-"


def honest_figure(store: Store, task: str, metric: str = "accuracy") -> dict[str, Any] | None:
    """Return a figure of the newest evaluation of a task on real data, None without one.

    Returns
    -------
    dict or None
        ``value``, ``low``, ``high``, ``text`` and ``run_id``.
    """
    opened = readable(
        store.list(*layout.reports(task)),
        lambda run_id: open_report(store, task, run_id),
        lambda run_id: f"The report on run {run_id} of {task}",
    )
    reports = [r.record for r in opened if r is not None and not r.record.dataset.is_sample]
    if not reports:
        return None
    newest = max(reports, key=lambda record: record.created)
    family = newest.model.family if newest.model else "model"
    return {
        **newest.item_metrics[metric].json_object(),
        "text": f"{family}, {newest.n_test:,} {newest.unit}s",
        "run_id": newest.run_id,
    }


def table(
    replications: Sequence[tuple[Replication, Mapping[str, Result], str | None]], setting: Setting
) -> list[dict[str, Any]]:
    """Return the lines of the table as JSON.

    Parameters
    ----------
    replications
        Each replication, its results, and what is missing to run it.
    setting
        Where evaluations are, and what was asked for.
    """
    lines = []
    for replication, results, missing in replications:
        for row in replication.rows(results):
            evaluated = honest_figure(setting.store, replication.task, row.metric)
            lines.append(_line(replication, row, evaluated, missing))
    return lines


def _line(
    replication: Replication, row: Row, evaluated: Mapping[str, Any] | None, missing: str | None
) -> dict[str, Any]:
    honest = row.honest or evaluated
    command = None
    if honest is None:
        command = f"tunesmith tune {replication.task} && tunesmith evaluate {replication.task}"
    nothing = row.same is None and row.better is None
    ran = (
        row.ran
        if not nothing
        else (missing or "not run yet: tunesmith reproduce --only " + replication.name)
    )
    return {
        "study": replication.name,
        "title": replication.title,
        "protocol": row.protocol,
        "published": row.published,
        "ours": row.same,
        "ours_better": {"value": row.better[0], "model": row.better[1]} if row.better else None,
        "honest": dict(honest) if honest else None,
        "honest_command": command,
        "difference": row.difference,
        "ran": ran,
    }


def markdown(lines: Sequence[Mapping[str, Any]], seconds: float) -> str:
    """Return the table as Markdown, what was cut down said above it and in its lines."""
    head = ["# The studies, side by side", ""]
    if any(CUT_DOWN in line["ran"] for line in lines):
        note = (
            f"**{CUT_DOWN}** marks lines whose training was shorter than the study's: such figures "
            "show that it runs, not what it reaches."
        )
        head += [note, ""]
    head += [f"Trainings took {seconds:,.0f} s in all.", ""]
    body = [_cells(_COLUMNS), _cells("---" for _ in _COLUMNS)]
    return "\n".join([*head, *body, *(_cells(_texts(line)) for line in lines)]) + "\n"


def _texts(line: Mapping[str, Any]) -> list[str]:
    ours = [] if line["ours"] is None else [f"{line['ours']:.4f} (its own setting)"]
    if line["ours_better"]:
        ours.append(f"{line['ours_better']['value']:.4f} ({line['ours_better']['model']})")
    honest = line["honest"]
    if honest:
        honest_text = f"{honest['value']:.4f} [{honest['low']:.4f}, {honest['high']:.4f}]"
        honest_text += f" ({honest['text']})"
    else:
        honest_text = f"{_NOTHING} `{line['honest_command']}`"
    return [
        line["title"],
        line["protocol"],
        f"{line['published']:.4f}",
        ", ".join(ours) or _NOTHING,
        honest_text,
        line["difference"] or _NOTHING,
        line["ran"] or "all of it",
    ]


def _cells(texts: Any) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"
