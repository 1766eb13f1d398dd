"""A search on a Ray that others use: it takes what is free, says what it waits for, and ends."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tunesmith import plugins
from tunesmith.artifacts.store import Store
from tunesmith.errors import SearchError
from tunesmith.tuning import SearchRequest, publishing, refitting, search
from tunesmith.tuning.ensemble import Candidate
from tunesmith.tuning.refitting import Refit, as_refitted

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

# A family that never finishes a step.
HUNG = """
import time
from tunesmith.models.linear import Linear

class Hung(Linear):
    name = "hung"
    def fit(self, params, train, **options):
        time.sleep(3600)
        yield from ()

FAMILY = Hung()
"""


@pytest.fixture
def hold(ray_cluster: dict[str, float]) -> Iterator[Callable[[int], None]]:
    """Return what starts an actor, as a replica of a server is one, that holds some CPUs."""
    import ray

    class Replica:
        def ready(self) -> bool:
            return True

    actors = []

    def start(cpus: int) -> None:
        kind: Any = ray.remote(num_cpus=cpus)(Replica)
        actors.append(kind.remote())
        assert ray.get(actors[-1].ready.remote(), timeout=60)

    yield start
    for actor in actors:
        ray.kill(actor)
    deadline = time.monotonic() + 30
    while ray.available_resources().get("CPU", 0.0) < ray_cluster["CPU"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _hung(folder: Path) -> Path:
    path = folder / "hung.py"
    path.write_text(HUNG)
    return path


def test_a_search_and_its_refit_fit_beside_a_server(
    hold: Callable[[int], None], store: Store
) -> None:
    hold(1)
    # A single trial of two free CPUs would ask for both.
    (run,) = search(store, [SearchRequest("noise", trials=1, families=("linear",))])
    assert run.record.counts.completed == 1
    assert run.record.best.family == "linear"


def test_a_search_without_a_free_cpu_says_so_and_ends_with_its_budget(
    hold: Callable[[int], None], store: Store
) -> None:
    hold(2)
    lines: list[str] = []
    request = SearchRequest("noise", trials=2, families=("linear",))
    started = time.monotonic()
    with pytest.raises(SearchError, match=r"No trial of noise started.*no room.*--resume"):
        search(store, [request], time_budget_s=14, say=lines.append)
    assert time.monotonic() - started < 14 + 20
    (line,) = [line for line in lines if "waiting" in line]
    assert re.fullmatch(r"noise: waiting 1\d s for 1 CPU, none is free", line)


def test_a_search_goes_on_when_a_cpu_becomes_free(
    hold: Callable[[int], None], store: Store, tmp_path: Path
) -> None:
    import ray

    told = tmp_path / "told"

    def until_told() -> bool:
        deadline = time.monotonic() + 120
        while not told.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        return told.exists()

    def say(line: str) -> None:
        if "waiting" in line:
            told.touch()

    hold(1)
    holder = ray.remote(num_cpus=1)(until_told).remote()
    request = SearchRequest("noise", trials=2, families=("linear",))
    (run,) = search(store, [request], say=say)
    assert run.record.counts.completed == 2
    assert ray.get(holder)


def test_a_first_trial_that_hangs_ends_with_the_budget(
    ray_cluster: dict[str, float], store: Store, tmp_path: Path
) -> None:
    started = time.monotonic()
    with plugins.using([_hung(tmp_path)]):
        request = SearchRequest("noise", trials=2, families=("hung",))
        with pytest.raises(SearchError, match=r"(finished its first step|had not started) in time"):
            search(store, [request], time_budget_s=12)
    assert time.monotonic() - started < 12 + 20


def test_a_refit_that_is_late_is_said_and_the_other_task_is_published(
    ray_cluster: dict[str, float], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_time(refits: list[Refit], **options: Any) -> Iterator[Refit]:
        yield from as_refitted([refit for refit in refits if refit.task != "noise"], **options)

    monkeypatch.setattr(publishing, "as_refitted", in_time)
    requests = [SearchRequest(name, trials=1, families=("linear",)) for name in ("noise", "digits")]
    late = r"^noise: the time budget ended before linear #0 was refitted.*noise --resume"
    with pytest.raises(SearchError, match=late):
        search(store, requests)
    assert store.exists("runs", "digits", "latest.json")
    assert not store.exists("runs", "noise", "latest.json")
    assert len(store.staged("runs", "noise")) == 1


def test_a_refit_that_hangs_is_ended(
    hold: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setattr(refitting, "refit", lambda *_, **__: time.sleep(3600))
    member = Candidate(0, "linear", {}, 1, 0.5)
    planned = Refit("noise", member, {"CPU": 2.0}, {"CPU": 1.0}, trial_data=None, options={})
    assert list(as_refitted([planned], until=time.monotonic() + 3, say=str)) == []
    deadline = time.monotonic() + 60
    while ray.available_resources().get("CPU", 0.0) < 2.0:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert not planned.has_ended


def test_a_refit_whose_room_went_to_others_takes_what_its_trial_had(
    hold: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(1)
    monkeypatch.setattr(refitting, "_FALL_BACK_S", 0.5)
    monkeypatch.setattr(refitting, "refit", lambda _, family, *__, threads: {family: threads})
    member = Candidate(0, "linear", {}, 1, 0.5)
    planned = Refit("noise", member, {"CPU": 2.0}, {"CPU": 1.0}, trial_data=None, options={})
    (ended,) = as_refitted([planned], until=time.monotonic() + 60, say=str)
    assert ended.error is None
    assert ended.files == {"linear": 1}
