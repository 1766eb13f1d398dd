"""The report as one HTML file: no scripts, no requests, light or dark as the reader prefers."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from tunesmith.evaluation.style import DARK, VARIABLES, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["render"]

LABELS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "weighted_f1": "Weighted F1",
    "log_loss": "Log loss",
    "ece": "Calibration error",
}

_CSS = """
:root { color-scheme: light dark; %(light)s --panel: #f5f7f9; }
@media (prefers-color-scheme: dark) { :root { %(dark)s --panel: #1c2228; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 3rem 1.5rem 5rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; margin: 3.2rem 0 .4rem; letter-spacing: -.005em; }
p { margin: .4rem 0 1rem; max-width: 46rem; }
.quiet, figcaption, caption { color: var(--muted); font-size: .875rem; }
.hero { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 1rem;
  margin: 2rem 0 1rem; }
.hero div { background: var(--panel); border-radius: .6rem; padding: 1rem 1.1rem; }
.hero b { display: block; font-size: 2rem; line-height: 1.15; font-weight: 650;
  font-variant-numeric: tabular-nums; }
.hero span { color: var(--muted); font-size: .8125rem; display: block; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums;
  margin: .6rem 0 1rem; }
th, td { text-align: left; padding: .38rem 1.4rem .38rem 0; border-bottom: 1px solid var(--grid);
  vertical-align: baseline; }
th { font-weight: 600; color: var(--muted); font-size: .8125rem; }
td.number, th.number { text-align: right; }
td small { color: var(--muted); font-size: .8em; white-space: nowrap; }
caption { text-align: left; padding-bottom: .4rem; }
figure { margin: 1rem 0 1.5rem; }
figure svg { display: block; width: 100%%; height: auto; font-family: inherit; }
footer { margin-top: 4rem; border-top: 1px solid var(--grid); padding-top: 1rem; }
"""


def _css() -> str:
    light = " ".join(f"{name}: {colour};" for colour, name in VARIABLES.items())
    dark = " ".join(f"{name}: {DARK[colour]};" for colour, name in VARIABLES.items())
    return _CSS % {"light": light, "dark": dark}


def label_of(metric: str) -> str:
    """Return a metric's name for people."""
    if metric.startswith("top_"):
        return f"Top-{metric.split('_')[1]} accuracy"
    return LABELS.get(metric, metric)


def interval(figure: Mapping[str, float]) -> str:
    """Return a figure with its interval as HTML."""
    value, low, high = (f"{figure[key]:.3f}" for key in ("value", "low", "high"))
    return f"{value} <small>[{low}, {high}]</small>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """Return an HTML table; cells are HTML already, all but the first column are numbers."""
    kinds = ["", *[' class="number"'] * (len(head) - 1)]
    top = "".join(f"<th{kind}>{escape(name)}</th>" for kind, name in zip(kinds, head, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, row, strict=True))
        + "</tr>"
        for row in rows
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="table"><table>{title}<thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def drawing(figures: Mapping[str, "Figure"], name: str, caption: str) -> str:
    """Return a figure with its caption, nothing where there is no such figure."""
    if name not in figures:
        return ""
    picture = svg(figures[name], name)
    width = figures[name].get_figwidth()
    style = f' style="max-width: {width * 6.2:.0f}rem"' if width < 9 else ""
    return f"<figure{style}>{picture}<figcaption>{escape(caption)}</figcaption></figure>"


def render(facts: Mapping[str, Any], figures: Mapping[str, "Figure"]) -> str:
    """Return the page.

    Parameters
    ----------
    facts
        The content of ``report.json``.
    figures
        Drawn figures by name.
    """
    sections = [_head(facts), _metrics(facts), _classes(facts, figures), _foot(facts)]
    title = escape(f"{facts['task']}: evaluation of run {facts['run_id']}")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_css()}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(section for section in sections if section)
        + "\n</main>\n</body>\n</html>\n"
    )


def _head(facts: Mapping[str, Any]) -> str:
    unit = facts["unit"]
    best = facts.get("model") or {}
    data = facts["dataset"]
    figures = facts["metrics"][unit]
    tiles = "".join(
        f"<div><span>{label_of(name)} a {unit}</span><b>{figures[name]['value']:.3f}</b>"
        f"<span>95 %: {figures[name]['low']:.3f} to {figures[name]['high']:.3f}</span></div>"
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "ece")
    )
    return (
        f"<header><h1>{escape(facts['task'])}</h1>"
        f'<p class="quiet">{escape(str(best.get("family", "model")))} of run '
        f"{escape(facts['run_id'])} on {escape(str(data['name']))}@{escape(str(data['version']))}, "
        f"measured on {facts[f'n_test_{unit}s']} {unit}s in {facts['n_test_groups']} groups that "
        f'the search never saw.</p><div class="hero">{tiles}</div></header>'
    )


def _metrics(facts: Mapping[str, Any]) -> str:
    unit = facts["unit"]
    columns: list[tuple[str, Mapping[str, Any]]] = [
        (f"A {level}", figures) for level, figures in facts["metrics"].items()
    ]
    columns += [(name.capitalize(), by[unit]) for name, by in facts["baseline"].items()]
    rows = [
        [label_of(name), *(interval(figures[name]) for _, figures in columns)]
        for name in facts["metrics"][unit]
    ]
    note = f'<p class="quiet">{escape(facts["chunk_note"])}</p>' if facts.get("chunk_note") else ""
    return (
        "<h2>Figures</h2><p>Each with a 95 % bootstrap interval that draws whole groups, so that "
        "duplicates and the parts of one item count together. The majority baseline answers the "
        "share of each class in training.</p>"
        + table(["", *(name for name, _ in columns)], rows)
        + note
    )


def _classes(facts: Mapping[str, Any], figures: Mapping[str, "Figure"]) -> str:
    rows = [
        [
            escape(row["class"]),
            *(f"{row[name]:.3f}" for name in ("precision", "recall", "f1")),
            str(row["support"]),
        ]
        for row in facts["per_class"]
    ]
    return (
        "<h2>Classes</h2>"
        + drawing(figures, "confusion", f"Confusion of the test {facts['unit']}s.")
        + table(["Class", "Precision", "Recall", "F1", "Support"], rows)
    )


def _foot(facts: Mapping[str, Any]) -> str:
    return f'<footer class="quiet">Written {escape(facts["created"])} by Tunesmith.</footer>'
