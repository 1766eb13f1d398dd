"""Metrics of a search, as Prometheus gets them, and the board that draws them."""

import json
import re
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.artifacts.searches import TrialResult
from tunesmith.cluster.connection import endpoints
from tunesmith.tuning.progress import Progress
from tunesmith.tuning.prometheus import BEST_SCORE, TRIALS, Meters

BOARD = Path(__file__).parent.parent.parent / "serve" / "grafana-search.json"
_SAMPLE = re.compile(r"(?P<name>ray_tunesmith_\w+)\{(?P<labels>.*)\} (?P<value>\S+)$", re.MULTILINE)


def _exported(task: str) -> dict[tuple[str, str], float]:
    """Return what the node tells of a task, by name and state."""
    (url, *_) = endpoints()["metrics"]
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 (of our own making)
        text = answer.read().decode()
    found = {}
    for sample in _SAMPLE.finditer(text):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', sample["labels"]))
        if labels.get("task") == task:
            found[sample["name"], labels.get("state", "")] = float(sample["value"])
    return found


@pytest.mark.cluster
def test_every_node_tells_where_a_search_stands(ray_cluster: dict[str, float]) -> None:
    progress = Progress(8, complete=3, pruned=1, failed=2)
    progress.saw(TrialResult(5, "boosting", 1, score=0.75, best_step=1, fit_s=1.0, metrics={}))
    trials: list[Any] = [
        SimpleNamespace(status=status, config={"task": "meters"})
        for status in ("RUNNING", "TERMINATED")
    ]
    Meters({"meters": progress}).on_step_end(1, trials)
    expected = {
        (f"ray_{TRIALS}", "planned"): 8,
        (f"ray_{TRIALS}", "running"): 1,
        (f"ray_{TRIALS}", "complete"): 3,
        (f"ray_{TRIALS}", "pruned"): 1,
        (f"ray_{TRIALS}", "failed"): 2,
        (f"ray_{BEST_SCORE}", ""): 0.75,
    }
    deadline = time.monotonic() + 60
    while (found := _exported("meters")) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


def test_the_board_draws_only_what_exists() -> None:
    board = json.loads(BOARD.read_text())
    texts = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    texts += [variable["definition"] for variable in board["templating"]["list"][1:]]
    names = {name for text in texts for name in re.findall(r"\bray_\w+", text)}
    assert {f"ray_{TRIALS}", f"ray_{BEST_SCORE}"} <= names
    ray = find_spec("ray")
    assert ray is not None
    assert ray.origin is not None
    reporter = Path(ray.origin).parent / "dashboard" / "modules" / "reporter" / "reporter_agent.py"
    of_ray = reporter.read_text()
    for name in names - {f"ray_{TRIALS}", f"ray_{BEST_SCORE}"}:
        assert f'"{name.removeprefix("ray_")}"' in of_ray, name
    states = {state for text in texts for state in re.findall(r'state!?=~?"([^"]*)"', text)}
    assert {name for state in states for name in state.split("|")} <= {
        "planned", "running", "complete", "pruned", "failed",
    }  # fmt: skip


def test_gauges_are_set_once_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    progress = Progress(2)
    meters = Meters({"t": progress})
    monkeypatch.setattr(meters, "_set", lambda *args: calls.append(args))
    for iteration in range(1000):
        meters.on_step_end(iteration, [])
    assert 1 <= len(calls) <= 2
    meters.on_experiment_end([])
    assert calls[-1] == ("t", progress, 0)
