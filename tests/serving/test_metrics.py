"""What is counted, and the board that shows it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunesmith.serving.http import problems
from tunesmith.serving.metrics import Metrics, RayMetrics

BOARD = Path(__file__).parents[2] / "serve" / "grafana-serving.json"
ALERTS = BOARD.parent / "alerts.yaml"
SUFFIXES = {
    "Counter": {"_total"},
    "Gauge": {""},
    "Histogram": {"_bucket", "_count", "_sum"},
}


class Recorder:
    """Stands for one class of Ray's metrics and keeps what was made and recorded."""

    def __init__(self, kind: str, made: dict[str, "Instrument"]) -> None:
        self.kind = kind
        self.made = made

    def __call__(self, name: str, description: str, *rest: Any) -> "Instrument":
        assert description.endswith(".")
        self.made[name] = Instrument(self.kind, tuple(rest[-1]) if rest else ())
        return self.made[name]


class Instrument:
    """One metric: its kind, the names of its tags, and what was recorded."""

    def __init__(self, kind: str, tags: tuple[str, ...]) -> None:
        self.kind = kind
        self.tags = tags
        self.recorded: list[tuple[float, dict[str, str]]] = []

    def record(self, value: float, tags: dict[str, str] | None = None) -> None:
        assert set(tags or {}) == set(self.tags)
        assert all(isinstance(tag, str) for tag in (tags or {}).values())
        self.recorded.append((value, tags or {}))

    observe = inc = set = record


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, Instrument]:
    """Return the metrics that `RayMetrics` makes, by name, without Ray."""
    found: dict[str, Instrument] = {}
    for kind in SUFFIXES:
        monkeypatch.setattr(f"ray.util.metrics.{kind}", Recorder(kind, found))
    return found


def test_the_board_shows_every_metric_by_the_name_that_prometheus_gives_it(
    made: dict[str, Instrument],
) -> None:
    RayMetrics()
    board = json.loads(BOARD.read_text())
    expressions = [
        target["expr"] for panel in board["panels"] for target in panel.get("targets", ())
    ] + [note["expr"] for note in board["annotations"]["list"]]
    shown = set(re.findall(r"\bray_(tunesmith_\w+)", " ".join(expressions)))
    known = {name + suffix: name for name, one in made.items() for suffix in SUFFIXES[one.kind]}
    assert shown <= set(known)
    assert {known[name] for name in shown} == set(made)
    for expression in expressions:
        for name, labels in re.findall(r"ray_(tunesmith_\w+)\{([^}]*)\}", expression):
            assert set(re.findall(r"(\w+)[=!]", labels)) <= set(made[known[name]].tags)


def test_alerts_watch_metrics_and_labels_that_exist(made: dict[str, Instrument]) -> None:
    RayMetrics()
    known = {name + suffix: name for name, one in made.items() for suffix in SUFFIXES[one.kind]}
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(set(names)) == len(names) >= 9
    for rule in group["rules"]:
        metrics = re.findall(r"ray_(tunesmith_\w+)", rule["expr"])
        assert metrics
        assert set(metrics) <= set(known), rule["alert"]
        for name, labels in re.findall(r"ray_(tunesmith_\w+)\{([^}]*)\}", rule["expr"]):
            assert set(re.findall(r"(\w+)[=!]", labels)) <= set(made[known[name]].tags)
        # A text can name only labels that the expression keeps.
        kept = set(
            ",".join(re.findall(r"by \(([^)]*)\)", rule["expr"])).replace(" ", "").split(",")
        )
        text = " ".join(rule["annotations"].values())
        assert set(re.findall(r"\$labels\.(\w+)", text)) <= kept
        assert {"summary", "description"} == set(rule["annotations"])
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert re.fullmatch(r"\d+[mh]", rule["for"])


def test_alerts_compare_with_values_that_are_recorded(made: dict[str, Instrument]) -> None:
    metrics = RayMetrics()
    metrics.drift("composer", 0.1, 0.2)
    metrics.compared("composer", True, 0.1)
    metrics.compared("composer", False, 0.1)
    metrics.failure("composer", problems.NO_CHAMPION.name)
    recorded = {
        (tag, value)
        for one in made.values()
        for _, tags in one.recorded
        for tag, value in tags.items()
    }
    wanted = re.findall(r'(statistic|agreed|problem)="([\w-]+)"', ALERTS.read_text())
    assert len(wanted) == 3
    assert set(wanted) <= recorded


def test_panels_do_not_overlap_and_each_says_what_it_shows() -> None:
    panels = json.loads(BOARD.read_text())["panels"]
    cells = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["type"] == "row" or panel["description"] for panel in panels)


def test_every_method_records_with_the_tags_that_its_metric_has(
    made: dict[str, Instrument],
) -> None:
    metrics = RayMetrics()
    metrics.request("/v1/composer", 200, 0.1)
    metrics.node("composer", 2, 0.1)
    metrics.failure("composer", "deadline")
    metrics.in_flight(3)
    metrics.champion("composer", 1)
    metrics.refused("composer", 2)
    metrics.challenger("composer", 2)
    metrics.unreachable(True)
    metrics.evidence("composer", "labels", 3, 1)
    metrics.challenger_answered("composer", 1)
    metrics.compared("composer", True, 0.1)
    metrics.drift("composer", 0.1, 0.2)
    metrics.batch("composer", 0.01)
    assert [name for name, one in made.items() if not one.recorded] == []
    methods = {name for name in vars(Metrics) if not name.startswith("_")}
    assert methods == {name for name in vars(RayMetrics) if not name.startswith("_")}
