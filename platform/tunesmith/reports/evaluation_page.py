"""The report as one HTML file: no scripts, no requests, light or dark as the reader prefers."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from tunesmith.reports.style import DARK, VARIABLES, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["render"]

Facts = Mapping[str, Any]
Figures = Mapping[str, "Figure"]

LABELS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "weighted_f1": "Weighted F1",
    "log_loss": "Log loss",
    "ece": "Calibration error",
}

_SMALLEST_P = 1e-100
_FITS_A_PHONE_REM = 32

_CSS = """
:root { color-scheme: light dark; %(light)s --panel: #f4f6f8; --bad: #b3392f; --good: #2f7d5f; }
@media (prefers-color-scheme: dark) {
  :root { %(dark)s --panel: #1d232a; --bad: #ee8a80; --good: #6cc9a4; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 3rem 1.5rem 5rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 3.4rem 0 .4rem; letter-spacing: -.005em; }
h3 { font-size: 1rem; margin: 1.8rem 0 .2rem; }
p { margin: .4rem 0 1rem; max-width: 46rem; }
nav { font-size: .875rem; margin: 1.2rem 0 0; display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; }
nav a { color: var(--series-0); text-decoration: none; }
.quiet, figcaption, caption { color: var(--muted); font-size: .875rem; }
.hero { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1rem;
  margin: 1.8rem 0 1rem; }
.hero div { background: var(--panel); border-radius: .6rem; padding: 1rem 1.1rem; }
.hero b { display: block; font-size: 2rem; line-height: 1.15; font-weight: 650;
  font-variant-numeric: tabular-nums; }
.hero span { color: var(--muted); font-size: .8125rem; display: block; }
.note { border-left: 3px solid var(--series-1); padding: .1rem 0 .1rem 1rem; margin: 1.2rem 0; }
.note p { margin: .3rem 0; font-size: .9375rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums;
  margin: .6rem 0 1rem; }
th, td { text-align: left; padding: .4rem 1.5rem .4rem 0; border-bottom: 1px solid var(--grid);
  vertical-align: baseline; }
th { font-weight: 600; color: var(--muted); font-size: .8125rem; }
td.number, th.number { text-align: right; }
td small { color: var(--muted); font-size: .8em; white-space: nowrap; }
td.mark, td.name { white-space: nowrap; }
td.mark { font-weight: 600; }
.leak { color: var(--bad); } .caution { color: var(--series-1); } .clear { color: var(--good); }
.absent, td.absent { color: var(--muted); font-weight: 400; }
caption { text-align: left; padding-bottom: .4rem; }
figure { margin: 1rem 0 1.6rem; }
.plot { overflow-x: auto; }
figure svg { display: block; width: 100%%; height: auto; }
figure text { font-family: system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
@media (max-width: 40rem) {
  main { padding: 2rem 1rem 4rem; }
  .hero { grid-template-columns: 1fr 1fr; }
  .hero div { padding: .8rem .9rem; }
  .hero b { font-size: 1.6rem; }
  /* Wide drawings are scrolled rather than shrunk until nothing can be read. */
  figure svg { min-width: min(var(--natural), 38rem); }
  th, td { padding-right: 1rem; }
  .told thead { display: none; }
  .told tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--grid); }
  .told td { display: block; border: 0; padding: .1rem 0; }
}
figcaption { margin-top: .3rem; max-width: 46rem; }
footer { margin-top: 4rem; border-top: 1px solid var(--grid); padding-top: 1rem; }
@media print { main { max-width: none; padding: 0; } nav { display: none; }
  figure, table { break-inside: avoid; } }
"""


def render(facts: Facts, figures: Figures) -> str:
    """Return the page.

    Parameters
    ----------
    facts
        The content of ``report.json``.
    figures
        Drawn figures by name.
    """
    sections = {
        "Figures": _metrics(facts),
        "Classes": _classes(facts, figures),
        "Trust": _audit(facts),
        "Comparisons": _comparisons(facts),
        "Behaviour": _behaviour(facts, figures),
        "Slices": _slices(figures),
        "Calibration": _calibration(facts, figures),
        "Importance": _importance(facts, figures),
        "Moments": _segments(facts, figures),
        "Examples": _pictures(facts, figures) + _texts(facts),
        "Variants": _variants(facts),
        "Search": _search(facts, figures),
        "Data": _data(facts, figures),
    }
    written = {name: body for name, body in sections.items() if body}
    links = "".join(f'<a href="#{name.lower()}">{name}</a>' for name in written)
    body = "".join(
        f'<section><h2 id="{name.lower()}">{name}</h2>{text}</section>\n'
        for name, text in written.items()
    )
    title = escape(f"{facts['task']}: evaluation of run {facts['run_id']}")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_css()}</style>\n</head>\n<body>\n<main>\n"
        f"{_head(facts)}<nav>{links}</nav>\n{body}{_foot(facts)}"
        "</main>\n</body>\n</html>\n"
    )


def _css() -> str:
    light = " ".join(f"{name}: {colour};" for colour, name in VARIABLES.items())
    dark = " ".join(f"{name}: {DARK[colour]};" for colour, name in VARIABLES.items())
    return _CSS % {"light": light, "dark": dark}


def label_of(metric: str) -> str:
    """Return a metric's name for people."""
    if metric.startswith("top_"):
        return f"Top-{metric.split('_')[1]} accuracy"
    return LABELS.get(metric, metric)


def _a(unit: str) -> str:
    """Return the unit with its article."""
    return f"{'an' if unit[0] in 'aeiou' else 'a'} {unit}"


def _rank(metric: str) -> float:
    """Return the place of a metric in tables, whatever the order of a file's keys."""
    order = [*LABELS]
    return order.index(metric) if metric in order else order.index("log_loss") - 0.5


def interval(figure: Mapping[str, float], sign: str = "") -> str:
    """Return a figure with its interval as HTML."""
    texts = (f"{figure[key]:{sign}.3f}" for key in ("value", "low", "high"))
    value, low, high = (text.replace("-", "\u2212") for text in texts)
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


def drawing(figures: Figures, name: str, caption: str) -> str:
    """Return a figure with its caption, nothing where there is no such figure."""
    if name not in figures:
        return ""
    width_rem = min(figures[name].get_figwidth() * 6.4, 59)
    least_rem = 0.8 * width_rem if width_rem > _FITS_A_PHONE_REM else 0.0
    return (
        f'<figure style="max-width: {width_rem:.0f}rem; --natural: {least_rem:.0f}rem">'
        f'<div class="plot">{svg(figures[name], name)}</div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _paragraph(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def _head(facts: Facts) -> str:
    unit = facts["unit"]
    family = str((facts.get("model") or {}).get("family", "model"))
    data = facts["dataset"]
    figures = facts["metrics"][unit]
    tiles = "".join(
        f"<div><span>{label_of(name)} {_a(unit)}</span><b>{figures[name]['value']:.3f}</b>"
        f"<span>95&nbsp;%: {figures[name]['low']:.3f} to {figures[name]['high']:.3f}</span></div>"
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "ece")
    )
    notes = [*facts["notes"]]
    if leaks := [row["check"] for row in facts["audit"] if row["result"] == "leak"]:
        notes.insert(0, f"The audit found leaks: {', '.join(leaks)}. {_without_leaks(facts)}")
    told = "".join(_paragraph(note) for note in notes)
    told = f'<div class="note">{told}</div>' if notes else ""
    return (
        f"<header><h1>{escape(facts.get('title') or facts['task'])}</h1>"
        f'<p class="quiet">Task {escape(facts["task"])}: {escape(family)}, '
        f"the winner of run {escape(facts['run_id'])} on {escape(str(data['name']))}@"
        f"{escape(str(data['version']))}, measured on {facts['n_test']:,} {unit}s in "
        f"{facts['n_test_groups']:,} independent groups that the search never saw.</p>"
        f'<div class="hero">{tiles}</div>{told}</header>\n'
    )


def _without_leaks(facts: Facts) -> str:
    """Return what is left of the figures without the items that leaked."""
    left = facts.get("without_leaks")
    if not left:
        return "The figures are too good."
    whole, part = facts["metrics"][facts["unit"]], left["metrics"]
    told = ", ".join(
        f"{label_of(name).lower()} {part[name]['value']:.3f} instead of {whole[name]['value']:.3f}"
        for name in ("accuracy", "macro_f1")
    ).replace("macro f1", "macro F1")
    return (
        f"Without the {left['left_out']} of {facts['n_test']:,} test {facts['unit']}s that they "
        f"concern: {told}."
    )


def _metrics(facts: Facts) -> str:
    unit = facts["unit"]
    levels = sorted(facts["metrics"], key=lambda level: level != unit)
    columns: list[tuple[str, Mapping[str, Any]]] = [
        (_a(level).capitalize(), facts["metrics"][level]) for level in levels
    ]
    names = {"majority": "Majority", "linear": "Linear baseline"}
    columns += [
        (name, facts["baseline"][key][unit])
        for key, name in names.items()
        if key in facts["baseline"]
    ]
    rows = [
        [label_of(name), *(interval(figures[name]) for _, figures in columns)]
        for name in sorted(facts["metrics"][unit], key=_rank)
    ]
    text = (
        "Each with a 95\u00a0% bootstrap interval that draws whole groups, so that duplicates and "
        "the parts of one item count together. The majority baseline answers the share of each "
        "class in training; the linear one is logistic regression on the plain numbers of an item."
    )
    note = _paragraph(facts["chunk_note"], "quiet") if facts.get("chunk_note") else ""
    return _paragraph(text) + table(["", *(name for name, _ in columns)], rows) + note


def _classes(facts: Facts, figures: Figures) -> str:
    rows = [
        [
            escape(row["class"]),
            *(f"{row[name]:.3f}" for name in ("precision", "recall", "f1")),
            str(row["support"]),
        ]
        for row in facts["per_class"]
    ]
    return drawing(figures, "confusion", f"What was answered to test {facts['unit']}s.") + table(
        ["Class", "Precision", "Recall", "F1", f"Test {facts['unit']}s"], rows
    )


def _audit(facts: Facts) -> str:
    kinds = {"leak": "leak", "caution": "caution", "clear": "clear", "not applicable": "absent"}
    rows = "".join(
        f'<tr><td class="mark {kinds[row["result"]]}">{escape(row["result"])}</td>'
        f'<td class="name">{escape(row["check"])}</td><td>{escape(row["message"])}</td></tr>'
        for row in facts["audit"]
    )
    text = (
        "Ways in which a test item could be known without being understood. A leak makes the "
        "figures wrong; a caution says that they may rest on something other than the task."
    )
    body = f'<table class="told"><tbody>{rows}</tbody></table>'
    return f'{_paragraph(text)}<div class="table">{body}</div>'


def _comparisons(facts: Facts) -> str:
    names = {"majority": "Majority class", "linear": "Linear baseline"}
    rows, problems = [], ""
    against = facts["comparisons"]
    for name in (key for key in (*names, "champion") if key in against):
        found = against[name]
        who = names.get(name) or f"Champion, version {found['version']}"
        if "difference" not in found:
            problems += _paragraph(f"{who}: {found['problem']}.", "quiet")
            continue
        rows.append(
            [
                who,
                interval(found["difference"], "+"),
                f"{found['only_first']} : {found['only_second']}",
                f"{found['p_value']:.2g}" if found["p_value"] > _SMALLEST_P else "< 1e-100",
                "yes"
                if found["beyond_noise"]
                else "worse"
                if found["difference"]["high"] < 0
                else "no",
            ]
        )
    metric = label_of(facts["metric"])
    head = ["Against", f"{metric} gained", "Right alone, this : other", "McNemar p", "Beyond noise"]
    text = (
        f"Both models on the same {facts['unit']}s; the interval is that of the difference, drawn "
        "together."
    )
    published = facts.get("reference")
    if published:
        problems += _paragraph(
            f"Published figure: {published['value']:.4g} ({published['text']}). Where that is not "
            "how this report measures, the two are not comparable as they stand."
        )
    return _paragraph(text) + table(head, rows) + problems


def _behaviour(facts: Facts, figures: Figures) -> str:
    found = facts.get("behaviour")
    if not found:
        return ""
    near = found["near_keys"]
    text = (
        f"The same piece in another key or tempo is the same piece. Of {found['pieces']} test "
        f"pieces, {near['value']:.1%} (95\u00a0%: {near['low']:.1%} to {near['high']:.1%}) get the "
        "same answer in every key within three semitones."
    )
    return _paragraph(text) + drawing(
        figures, "behaviour", "How often the answer stays when a piece is changed."
    )


def _slices(figures: Figures) -> str:
    return drawing(
        figures,
        "slices",
        "Parts of the test items, with how many they are. Parts hold different classes, so compare "
        "balanced accuracies rather than accuracies.",
    )


def _calibration(facts: Facts, figures: Figures) -> str:
    found = facts["calibration"]
    text = found["note"]
    if "before" in found:
        after = facts["metrics"][facts["unit"]]
        text += (
            f" Temperature {found['temperature']:.2f}: calibration error "
            f"{found['before']['ece']['value']:.3f} before and {after['ece']['value']:.3f} after, "
            f"log loss {found['before']['log_loss']['value']:.3f} before and "
            f"{after['log_loss']['value']:.3f} after. All other figures are those after."
        )
    return _paragraph(text) + drawing(
        figures,
        "calibration",
        "Of answers given with some confidence, the share that is right, with its interval at "
        "95\u00a0%; larger dots stand for more answers, at least a dozen each. On the dashed line "
        "a model is as sure as it is right.",
    )


def _importance(facts: Facts, figures: Figures) -> str:
    found = facts.get("importance")
    words = drawing(
        figures,
        "words",
        "How the answer moves, on average over test texts that hold a word, when it is left out; "
        "beside each word the texts that hold it, of 600. Words were chosen by how much they go "
        "with the model's own answers.",
    )
    if not found:
        return words + _selection(facts, figures)
    return drawing(
        figures,
        "importance",
        f"How much worse the model gets, as log loss above {found['log_loss']:.3f}, when one part "
        "of the input says nothing any more. Parts that tell the same stand in for each other.",
    ) + _selection(facts, figures)


def _selection(facts: Facts, figures: Figures) -> str:
    found = facts.get("selection")
    if not found:
        return ""
    rows = [
        [
            f"{escape(row['choice']).capitalize()}",
            str(row["columns"]),
            interval(row["accuracy"]),
            interval(row["macro_f1"]),
            interval(row["against_all"], "+") if "against_all" in row else "",
        ]
        for row in found["choices"]
    ]
    lost = [column["name"] for column in found["columns"] if column["dropped"]]
    text = (
        "A common way to fewer columns drops what goes together: "
        f"of two columns whose correlation is above {found['threshold']:g} the later one. Here "
        f"that drops {len(lost)}: {', '.join(lost)}. The other way is to ask a model "
        f"({found['model']}) which columns it misses most. Both keep as many columns; the same "
        "model is fitted on each and judged by the test items."
    )
    head = ["Columns chosen", "Number", "Accuracy", "Macro F1", "Accuracy against all columns"]
    return (
        "<h3>Chosen by importance or by correlation</h3>"
        + _paragraph(text)
        + table(head, rows)
        + drawing(
            figures,
            "selection",
            "What the model misses, and what correlation drops; of many columns the first dozen "
            "and those that are dropped.",
        )
    )


def _segments(facts: Facts, figures: Figures) -> str:
    if not facts.get("segments"):
        return ""
    return drawing(
        figures,
        "segments",
        "Moments of test pieces as the model met them, darker where louder, with the probabilities "
        "it gave; the true class is green.",
    )


def _pictures(facts: Facts, figures: Figures) -> str:
    if not (facts.get("pictures") or {}).get("rows"):
        return ""
    return drawing(
        figures,
        "pictures",
        "Test pictures that were answered surely and right, surely and wrong, and unsurely: what "
        "each is, what was answered where that differs, and the confidence of the answer.",
    )


def _texts(facts: Facts) -> str:
    rows = facts.get("texts") or ()
    if not rows:
        return ""
    body = "".join(
        f'<tr><td class="name">{escape(row["kind"])}</td>'
        f'<td class="name">{_told(row)}<br><small>{row["confidence"]:.2f}</small></td>'
        f"<td>{escape(row['text'])}</td></tr>"
        for row in rows
    )
    text = (
        "The last words of test texts that were answered surely and right, surely and wrong, and "
        "unsurely, as the model reads them; … stands for words it does not know."
    )
    head = "<tr><th></th><th>Answer</th><th>Text</th></tr>"
    return (
        _paragraph(text) + f'<div class="table"><table class="told"><thead>{head}</thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _told(row: Mapping[str, Any]) -> str:
    """Return what an item is, and in warning colour what was answered where that differs."""
    if row["label"] == row["answer"]:
        return escape(row["label"])
    return f'{escape(row["label"])} <span class="caution">as {escape(row["answer"])}</span>'


def _variants(facts: Facts) -> str:
    names = {"int8": "Weights in 8 bits", "float16": "16-bit floating point"}
    rows, problems = [], ""
    tried = facts.get("variants") or {}
    for name in (key for key in names if key in tried):
        found = tried[name]
        if "problem" in found:
            what = f"{names[name]}: this graph cannot be converted."
            problems += _paragraph(what, "quiet")
            continue
        rows.append(
            [
                names[name],
                interval(found["accuracy"]),
                f"{found['agreement']:.1%}",
                f"{found['speedup']:.2f}",
                f"{found['bytes'] / 1e6:.2f} MB",
                "kept" if found["kept"] else "not worth it",
            ]
        )
    if not rows:
        return problems
    head = ["Variant", "Accuracy", "Same answers", "Times as fast", "Size", "Verdict"]
    text = (
        "A smaller model is kept beside the model where its accuracy lies in the model's interval "
        "and one thread predicts at least 1.1 times as fast."
    )
    return _paragraph(text) + table(head, rows) + problems


def _search(facts: Facts, figures: Figures) -> str:
    trials = facts.get("trials") or {}
    best = facts.get("model") or {}
    order = ("planned", "completed", "pruned", "failed", "not_started")
    counts = ", ".join(
        f"{trials[name]} {name.replace('_', ' ')}" for name in order if trials.get(name)
    )
    settings = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in (best.get("params") or {}).items()
    )
    members = ", ".join(
        f"{member['family']} #{member['trial']} (weight {member['weight']:.2f})"
        for member in best.get("members") or ()
    )
    text = f"Trials: {counts}. Winner: {best.get('family')} of {members or settings}."
    return (
        _paragraph(text)
        + drawing(figures, "search", "Score of each trial on validation, and the best so far.")
        + drawing(figures, "curves", "Trials step by step; the winner is drawn strongly.")
        + drawing(
            figures,
            "by_setting",
            "Validation loss step by step, coloured by the settings that go with the score most; "
            "the family with most trials that learn step by step.",
        )
        + drawing(
            figures,
            "settings",
            "How much of what a forest of regression trees explains of the scores is due to each "
            "setting. A few dozen trials make it rough.",
        )
        + drawing(
            figures,
            "parallel",
            "Settings of the trials of each family, stronger the better they scored; axes next to "
            "the score go with it most.",
        )
    )


def _data(facts: Facts, figures: Figures) -> str:
    parts = {name: facts["parts"][name] for name in ("train", "validation", "test")}
    rows = [
        [escape(label), *(str(parts[name][label]) for name in parts)]
        for label in next(iter(parts.values()))
    ]
    total = [f"<b>{sum(counts.values()):,}</b>" for counts in parts.values()]
    protocol = f"Split: {facts['protocol']}." if facts.get("protocol") else ""
    if facts.get("licence"):
        protocol += f" Licence of the data: {facts['licence']}."
    return (
        _paragraph(protocol)
        + table(["Class", *(name.capitalize() for name in parts)], [*rows, ["<b>All</b>", *total]])
        + drawing(figures, "balance", "Items of each class: train, validation, test.")
        + drawing(
            figures,
            "downsampling",
            "What downsampling to the smallest class throws away. Here "
            "every item is kept, and a setting of most families weighs rare classes up.",
        )
        + drawing(
            figures,
            "correlation",
            "Correlation of the columns; blue together, orange against each other.",
        )
    )


def _foot(facts: Facts) -> str:
    return (
        f'<footer class="quiet">Written {escape(facts["created"])} by Tunesmith. Model SHA-256 '
        f"{escape(facts['sha256'][:16])}…; the numbers are in report.json beside this file, the "
        "answers in predictions.parquet.</footer>\n"
    )
