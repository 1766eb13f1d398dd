"""Reports with names that are markup: whatever a file, a class or a task is called, it is text."""

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from tests import artefacts
from tunesmith.artifacts.reports import ReportRecord
from tunesmith.errors import TunesmithError
from tunesmith.reports.evaluation_page import render_report
from tunesmith.reports.publishing import make_report

MARKUP = "</script></title></style>--><img src=x onerror=x>'\"><hostile onclick=x>{{7*7}}"
MOST_ROWS = 2


class Reader(HTMLParser):
    """Collects the tags of a page, the names of their attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def shortened(value: Any) -> Any:
    """Return JSON with few rows in each list of objects."""
    if isinstance(value, dict):
        return {key: shortened(inner) for key, inner in value.items()}
    if isinstance(value, list):
        rows = value[:MOST_ROWS] if value and isinstance(value[0], dict) else value
        return [shortened(inner) for inner in rows]
    return value


def texts(value: Any) -> Iterator[str]:
    """Yield every text in JSON."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)
    elif isinstance(value, str) and value:
        yield value


@pytest.mark.slow
def test_no_text_of_a_report_is_markup(store, monkeypatch):
    dataset = artefacts.FakeDataset(n=90)
    examples = dataset.examples()
    artefacts.write_run(store, examples, artefacts.chunk_model(artefacts.register_weights()))
    artefacts.stand_in(monkeypatch, examples, dataset, drawn=False)
    record = make_report(store, "composer").record
    content, hostile = json.dumps(shortened(record.json_object())), set[str]()
    for number, text in enumerate(dict.fromkeys(texts(json.loads(content)))):
        # Wherever it stands, names of classes as keys, too.
        changed = content.replace(json.dumps(text), json.dumps(f"{number}{MARKUP}"))
        try:
            page = render_report(ReportRecord.parse(json.loads(changed), "report"), {})
        except (TunesmithError, KeyError, ValueError):
            continue  # a word of the program itself, which it looks up
        content = changed
        hostile.add(text)
    reader = Reader()
    reader.feed(page)
    mistake = record.mistakes[0]
    assert {*record.classes, record.task, record.run_id, mistake.id, mistake.path} <= hostile
    assert not {"img", "hostile"} & set(reader.tags)
    assert not {"onerror", "onclick"} & reader.attributes
    assert page.count("</script>") == reader.tags.count("script") == 2
    assert reader.text.count(MARKUP) > len(hostile) / 2
