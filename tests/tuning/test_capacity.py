"""What a search can have of a cluster, and what each trial asks for."""

from typing import Any

import pytest

from tunesmith.models import Resources
from tunesmith.tuning import adapters
from tunesmith.tuning.capacity import Shortage, larger_share, obtainable, resolve, slots


@pytest.mark.parametrize(
    ("wanted", "cluster", "n_trials", "expected"),
    [
        (Resources(), {"CPU": 2.0}, 12, {"CPU": 1.0}),
        (Resources(), {"CPU": 16.0}, 4, {"CPU": 4.0}),
        (Resources(), {"CPU": 64.0}, 2, {"CPU": 8.0}),
        (Resources(cpus=4), {"CPU": 2.0}, 12, {"CPU": 2.0}),
        (Resources(gpu_fraction=0.25), {"CPU": 8.0}, 99, {"CPU": 1.0}),
        (Resources(gpu_fraction=0.25), {"CPU": 8.0, "GPU": 2.0}, 99, {"CPU": 1.0, "GPU": 0.25}),
        (Resources(), {"CPU": 8.0, "GPU": 2.0}, 99, {"CPU": 1.0}),
    ],
)
def test_a_trial_asks_for_what_the_live_cluster_has(
    wanted: Resources, cluster: dict[str, float], n_trials: int, expected: dict[str, float]
) -> None:
    assert resolve(wanted, cluster, n_trials) == expected


def _two_machines() -> list[dict[str, Any]]:
    return [
        {"Alive": True, "Resources": {"CPU": 6.0, "memory": 3e9}},
        {"Alive": True, "Resources": {"CPU": 2.0, "GPU": 1.0, "memory": 2e9}},
        {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
    ]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Resources(), {"CPU": 6.0}),
        (Resources(gpu_fraction=0.5), {"CPU": 2.0, "GPU": 0.5}),
    ],
)
def test_what_a_trial_asks_for_fits_one_machine(
    monkeypatch: pytest.MonkeyPatch, wanted: Resources, expected: dict[str, float]
) -> None:
    monkeypatch.setattr("ray.nodes", _two_machines)
    monkeypatch.setattr(adapters, "free_by_node", dict)
    cluster = {"CPU": 8.0, "GPU": 1.0, "memory": 5e9}
    assert resolve(wanted, obtainable(cluster), 1) == expected
    assert larger_share({"CPU": 1.0}, 2_000_000_000, obtainable(cluster))["memory"] == 3e9


@pytest.mark.parametrize("grown", [{"CPU": 120.0, "GPU": 3.0}, {"CPU": 8.0, "GPU": 3.0}])
def test_of_machines_to_come_nothing_is_known_but_what_they_have_together(
    monkeypatch: pytest.MonkeyPatch, grown: dict[str, float]
) -> None:
    monkeypatch.setattr("ray.nodes", _two_machines)
    monkeypatch.setattr(adapters, "free_by_node", dict)
    assert obtainable(grown) == grown


def test_slots_are_counted_by_the_least_demanding_family() -> None:
    assert slots({"CPU": 8.0}, [{"CPU": 4.0}, {"CPU": 2.0}]) == 4
    assert slots({"CPU": 1.0}, [{"CPU": 2.0}]) == 1


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        ({"CPU": 1.0}, {"CPU": 1.0}),
        # The search can only wait for a CPU: it asks for the least.
        ({}, {"CPU": 1.0}),
        ({"CPU": 4.0}, {"CPU": 4.0}),
    ],
)
def test_what_others_hold_is_not_planned_with(
    monkeypatch: pytest.MonkeyPatch, free: dict[str, float], expected: dict[str, float]
) -> None:
    machine = {"Alive": True, "NodeID": "a", "Resources": {"CPU": 8.0, "memory": 3e9}}
    monkeypatch.setattr("ray.nodes", lambda: [machine])
    monkeypatch.setattr(adapters, "free_by_node", lambda: {"a": free})
    room = obtainable({"CPU": 8.0, "memory": 3e9}, lag_s=0.0)
    assert resolve(Resources(), room, 1) == expected
    assert slots(room, [{"CPU": 1.0}]) == expected["CPU"]


def test_a_held_gpu_is_not_planned_with(monkeypatch: pytest.MonkeyPatch) -> None:
    resources = {"CPU": 8.0, "GPU": 1.0}
    machine = {"Alive": True, "NodeID": "a", "Resources": resources}
    monkeypatch.setattr("ray.nodes", lambda: [machine])
    monkeypatch.setattr(adapters, "free_by_node", lambda: {"a": {"CPU": 8.0, "GPU": 0.2}})
    room = obtainable(resources, lag_s=0.0)
    assert "GPU" not in resolve(Resources(gpu_fraction=0.25), room, 8)
    assert resolve(Resources(gpu_fraction=0.2), room, 8)["GPU"] == 0.2


def test_machines_to_come_count_beside_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = {"Alive": True, "NodeID": "a", "Resources": {"CPU": 8.0}}
    monkeypatch.setattr("ray.nodes", lambda: [machine])
    monkeypatch.setattr(adapters, "free_by_node", lambda: {"a": {"CPU": 3.0}})
    assert obtainable({"CPU": 24.0, "GPU": 2.0}, lag_s=0.0) == {"CPU": 19.0, "GPU": 2.0}


@pytest.mark.parametrize(
    ("wanted", "free", "text"),
    [
        ({"CPU": 2.0}, {"CPU": 1.0}, "2 CPUs, 1 is free"),
        ({"CPU": 1.0}, {}, "1 CPU, none is free"),
        ({"CPU": 8.0}, {"CPU": 3.0}, "8 CPUs, 3 are free"),
        ({"CPU": 1.0, "GPU": 0.5}, {"CPU": 4.0}, "1 CPU and 0.5 GPU, 4 and 0 are free"),
    ],
)
def test_a_shortage_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, wanted: dict[str, float], free: dict[str, float], text: str
) -> None:
    monkeypatch.setattr(adapters, "free_by_node", lambda: {"a": free})
    assert str(Shortage.of(wanted)) == text
