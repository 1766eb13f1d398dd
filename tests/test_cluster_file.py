"""cluster.yaml against Ray's own schema and this project's promises."""

import copy
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunesmith.artifacts.store import Store

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


def test_every_node_is_started_for_the_fast_proxy(cluster: dict[str, Any]) -> None:
    for node in ("head", "worker"):
        (start,) = [c for c in cluster[f"{node}_start_ray_commands"] if "ray start" in c]
        before, _, options = start.partition(" ray start ")
        asked = dict(re.findall(r"\b(RAY_SERVE_\w+)=(\S+)", before))
        # All of these are names that this version of Ray reads.
        assert asked == {
            "RAY_SERVE_ENABLE_HA_PROXY": "1",
            "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
            "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        }
        assert "RAY_SERVE" not in options
    from ray.serve._private import constants

    assert all(isinstance(getattr(constants, name), bool) for name in asked)
    for build in ("cpu", "gpu"):
        assert "\nray-haproxy==" in (ROOT / f"hashes-{build}.txt").read_text()


def test_roles_are_not_given_to_forged_requests_and_disks_are_encrypted(
    cluster: dict[str, Any],
) -> None:
    for node in cluster["available_node_types"].values():
        config = node["node_config"]
        assert config["MetadataOptions"]["HttpTokens"] == "required"
        assert all(disk["Ebs"]["Encrypted"] for disk in config["BlockDeviceMappings"])


def test_every_node_gets_the_token(cluster: dict[str, Any]) -> None:
    mounted = "~/.ray/auth_token"
    assert cluster["file_mounts"]["/home/ray/.ray/auth_token"] == mounted


def test_each_node_installs_the_trainers_for_what_it_has(cluster: dict[str, Any]) -> None:
    assert cluster["head_setup_commands"] == cluster["worker_setup_commands"]
    assert "setup_commands" not in cluster
    for node in cluster["available_node_types"].values():
        commands = node.get("worker_setup_commands") or cluster["worker_setup_commands"]
        build = "gpu" if node["resources"].get("GPU") else "cpu"
        packages, product = commands
        assert packages.endswith(
            f"--no-deps --require-hashes --requirement ~/tunesmith/hashes-{build}.txt"
        )
        # Nothing is fetched that has no hash.
        assert product.endswith("--no-deps --no-build-isolation --no-index --editable ~/tunesmith")
        assert (
            node.get("docker", cluster["docker"])
            .get("worker_image", cluster["docker"]["image"])
            .endswith(f"-{build}")
        )


def test_gpu_machines_are_there_only_when_asked_for(cluster: dict[str, Any]) -> None:
    with_gpu = [t for t in cluster["available_node_types"].values() if t["resources"].get("GPU")]
    assert with_gpu
    assert all(node.get("min_workers", 0) == 0 for node in with_gpu)


def test_a_search_is_told_what_the_cluster_grows_to(cluster: dict[str, Any]) -> None:
    workers = [t for n, t in cluster["available_node_types"].items() if n != "head"]
    total = {
        name: sum(t["max_workers"] * t["resources"].get(name, 0) for t in workers)
        for name in ("CPU", "GPU")
    }
    (start,) = [c for c in cluster["head_start_ray_commands"] if "ray start" in c]
    assert f"TUNESMITH_GROWS_TO=CPU={total['CPU']},GPU={total['GPU']} " in start
    assert cluster["max_workers"] == sum(t["max_workers"] for t in workers)


class Autoscaler:
    """Ray's own scheduler of machines over the types of cluster.yaml, without machines."""

    def __init__(self, cluster: dict[str, Any]) -> None:
        from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig

        # The parser writes into what it is given.
        self.config = AutoscalingConfig(copy.deepcopy(cluster), skip_content_hash=True)
        self.types = self.config.get_node_type_configs()
        self.nodes = [self._node("head", "RUNNING")]

    def _node(self, kind: str, status: str, idle_s: float = 0.0) -> Any:
        from ray.autoscaler.v2.schema import AutoscalerInstance
        from ray.core.generated import autoscaler_pb2
        from ray.core.generated.instance_manager_pb2 import Instance, NodeKind

        number = uuid.uuid4().hex
        total = dict(self.types[kind].resources)
        state = autoscaler_pb2.NodeState(
            node_id=bytes.fromhex(number), ray_node_type_name=kind, instance_id=number,
            total_resources=total, available_resources=total if idle_s else {},
            status=autoscaler_pb2.NodeStatus.Value(status), idle_duration_ms=int(1000 * idle_s),
        )  # fmt: skip
        made = Instance(
            instance_id=number, instance_type=kind, node_id=number, cloud_instance_id=number,
            status=Instance.RAY_RUNNING,
            node_kind=NodeKind.HEAD if kind == "head" else NodeKind.WORKER,
        )  # fmt: skip
        return AutoscalerInstance(cloud_instance_id=number, ray_node=state, im_instance=made)

    def step(self, tasks: list[dict[str, float]], groups: list[dict[str, float]]) -> Any:
        """Return what the scheduler decides for tasks and placement groups that wait."""
        from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
        from ray.autoscaler.v2.utils import ResourceRequestUtil
        from ray.core.generated.autoscaler_pb2 import BundleSelector, GangResourceRequest

        gangs = [
            GangResourceRequest(
                requests=[ResourceRequestUtil.make(group)],
                bundle_selectors=[
                    BundleSelector(resource_requests=[ResourceRequestUtil.make(group)])
                ],
            )
            for group in groups
        ]
        demands = ResourceRequestUtil.group_by_count([ResourceRequestUtil.make(t) for t in tasks])
        return ResourceDemandScheduler().schedule(
            SchedulingRequest(
                disable_launch_config_check=True,
                node_type_configs=self.types,
                max_num_nodes=self.config.get_max_num_nodes(),
                idle_timeout_s=self.config.get_idle_timeout_s(),
                resource_requests=demands,
                gang_resource_requests=gangs,
                current_instances=self.nodes,
            )
        )

    def launch(self, decided: Any, idle_s: float) -> None:
        """Let what was decided come up, and do nothing for so long."""
        for one in decided.to_launch:
            self.nodes += [self._node(one.instance_type, "RUNNING", idle_s)] * one.count


def _launched(decided: Any) -> dict[str, int]:
    return {one.instance_type: one.count for one in decided.to_launch}


def test_ingest_raises_cpu_machines_and_no_gpu(cluster: dict[str, Any]) -> None:
    decided = Autoscaler(cluster).step([{"CPU": 1.0}] * 40, [])
    assert _launched(decided) == {"cpu_worker": 3}
    assert not decided.infeasible_resource_requests


def test_more_files_than_machines_raise_all_cpu_machines_first(cluster: dict[str, Any]) -> None:
    launched = _launched(Autoscaler(cluster).step([{"CPU": 1.0}] * 96, []))
    assert launched == {"cpu_worker": 6}


def test_a_search_with_networks_raises_gpu_machines(cluster: dict[str, Any]) -> None:
    from tunesmith.models import get_family
    from tunesmith.tuning.capacity import resolve

    # As a search plans it on a cluster whose machines are all down.
    grown = {"CPU": 120.0, "GPU": 3.0}
    share = resolve(get_family("cnn1d").resources, grown, 12)
    assert share["GPU"] > 0
    decided = Autoscaler(cluster).step([], [share] * 12)
    launched = _launched(decided)
    assert set(launched) == {"gpu_worker"}
    assert launched["gpu_worker"] <= 3
    # Told nothing of what comes, the same search would never ask for a GPU.
    assert "GPU" not in resolve(get_family("cnn1d").resources, {"memory": 1e9}, 12)


@pytest.mark.parametrize("n_trials", [1, 3, 12, 40])
def test_whatever_a_trial_asks_for_fits_a_machine(cluster: dict[str, Any], n_trials: int) -> None:
    from tunesmith.models import family_names, get_family
    from tunesmith.tuning.capacity import resolve

    grown = {"CPU": 120.0, "GPU": 3.0}
    machines = [node["resources"] for node in cluster["available_node_types"].values()]
    for name in family_names():
        share = resolve(get_family(name).resources, grown, n_trials)
        fitting = [m for m in machines if all(m.get(key, 0) >= n for key, n in share.items())]
        assert fitting, f"{name} asks for {share}"


def test_machines_go_when_nothing_asked_for_them_long_enough(cluster: dict[str, Any]) -> None:
    scaler = Autoscaler(cluster)
    wait_s = 60.0 * cluster["idle_timeout_minutes"]
    for demand in ({"CPU": 1.0, "GPU": 1.0}, {"CPU": 16.0}):
        scaler.launch(scaler.step([demand], []), idle_s=wait_s + 1)
    kinds = [node.im_instance.instance_type for node in scaler.nodes]
    assert kinds == ["head", "gpu_worker", "cpu_worker"]
    gone = [one.instance_type for one in scaler.step([], []).to_terminate]
    assert sorted(gone) == ["cpu_worker", "gpu_worker"]


def test_machines_stay_while_they_were_idle_for_a_moment_only(cluster: dict[str, Any]) -> None:
    scaler = Autoscaler(cluster)
    scaler.launch(scaler.step([{"CPU": 1.0, "GPU": 1.0}], []), idle_s=30)
    assert not scaler.step([], []).to_terminate


@pytest.mark.slow
def test_rays_aws_provider_makes_tags_and_ends_the_machines(
    cluster: dict[str, Any], s3_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ray up` against an AWS in this process: instance types, roles and ports are AWS's own."""
    from ray.autoscaler._private.aws import config as aws
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
    from ray.autoscaler._private.util import prepare_config
    from ray.autoscaler.tags import TAG_RAY_LAUNCH_CONFIG, TAG_RAY_NODE_KIND, TAG_RAY_USER_NODE_TYPE

    # Ray puts the key of the machines into ~/.ssh.
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "tests")
    # A new role takes AWS a while.
    monkeypatch.setattr(aws.time, "sleep", lambda _: None)
    s3_store.write_bytes(b"there", "before")
    with _aws():
        config = aws.bootstrap_aws(prepare_config(copy.deepcopy(cluster)))
        types = config["available_node_types"]
        assert "IamInstanceProfile" in config["head_node"]
        provider = AWSNodeProvider(config["provider"], config["cluster_name"])
        for name, node in types.items():
            wanted = {**node["node_config"], **(config["head_node"] if name == "head" else {})}
            kind = "head" if name == "head" else "worker"
            tags = {
                TAG_RAY_USER_NODE_TYPE: name,
                TAG_RAY_LAUNCH_CONFIG: "one",
                TAG_RAY_NODE_KIND: kind,
            }
            provider.create_node(wanted, tags, 1)
        machines = provider.non_terminated_nodes({})
        assert len(machines) == len(types)
        for machine in machines:
            name = provider.node_tags(machine)[TAG_RAY_USER_NODE_TYPE]
            instance = provider.ec2.Instance(machine)
            assert instance.instance_type == types[name]["node_config"]["InstanceType"]
            is_spot = instance.instance_lifecycle == "spot"
            assert is_spot == ("InstanceMarketOptions" in types[name]["node_config"])
            assert (instance.iam_instance_profile is not None) == (name == "head")
        wanted_group = cluster["provider"]["security_group"]["GroupName"]
        (group,) = provider.ec2.security_groups.filter(GroupNames=[wanted_group])
        ports = {
            rule.get("FromPort")
            for rule in group.ip_permissions
            if any(ip["CidrIp"] == "0.0.0.0/0" for ip in rule["IpRanges"])
        }
        assert ports == {22}
        provider.terminate_nodes(machines)
        assert provider.non_terminated_nodes({}) == []
    assert s3_store.read_bytes("before") == b"there"


@contextmanager
def _aws() -> Iterator[None]:
    """Answer calls of AWS, and leave what the tests' S3 server, which shares moto, holds."""
    from moto import mock_aws
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.iam import iam_backends

    aws = mock_aws(config={"iam": {"load_aws_managed_policies": True}})
    aws.start(reset=False)
    # The server made it, without AWS's policies, when its first request came.
    iam_backends[DEFAULT_ACCOUNT_ID]["aws"].reset()
    try:
        yield
    finally:
        aws.stop(remove_data=False)
