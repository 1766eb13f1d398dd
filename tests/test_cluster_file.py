"""cluster.yaml against Ray's own schema and this project's promises."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def cluster() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    return loaded


def test_ray_accepts_it(cluster: dict[str, Any]) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(cluster))


def test_the_image_has_the_ray_version_that_the_constraints_pin(cluster: dict[str, Any]) -> None:
    pinned = [
        line.removeprefix("ray==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line.startswith("ray==")
    ]
    image = cluster["docker"]["image"]
    assert f"ray:{pinned[0]}-" in image


def test_tokens_are_asked_for_and_the_dashboard_is_not_open(cluster: dict[str, Any]) -> None:
    starts = [c for c in cluster["head_start_ray_commands"] if "ray start" in c]
    starts += [c for c in cluster["worker_start_ray_commands"] if "ray start" in c]
    assert len(starts) == 2
    assert all("RAY_AUTH_MODE=token" in command for command in starts)
    assert "--dashboard-host=127.0.0.1" in starts[0]


def test_gpu_machines_are_there_only_when_asked_for(cluster: dict[str, Any]) -> None:
    with_gpu = [t for t in cluster["available_node_types"].values() if t["resources"].get("GPU")]
    assert with_gpu
    assert all(node.get("min_workers", 0) == 0 for node in with_gpu)
