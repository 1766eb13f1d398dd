"""The container file and KubeRay's manifests agree with cluster.yaml and each other."""

import json
import lzma
import re
import runpy
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.nodes import proxy_variables

ROOT = Path(__file__).parent.parent
GENERATE = runpy.run_path(str(ROOT / "kuberay" / "generate.py"), run_name="not main")
EVERYWHERE = "0.0.0.0"  # noqa: S104 - inside a container
KINDS = {"cluster.yaml": "RayCluster", "job.yaml": "RayJob", "service.yaml": "RayService"}
SCHEMAS = sorted((Path(__file__).parent / "schemas").glob("kuberay-*.json.xz"))


@pytest.fixture(scope="module")
def cluster() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    return loaded


def _written(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "kuberay" / name).read_text())
    return loaded


def _cluster_spec(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = _written(name)["spec"]
    key = {"RayCluster": None, "RayJob": "rayClusterSpec", "RayService": "rayClusterConfig"}
    inner = key[KINDS[name]]
    return spec[inner] if inner else spec


@pytest.mark.parametrize("name", [*KINDS, "policies.yaml"])
def test_the_written_files_are_what_the_numbers_give(name: str) -> None:
    text = (ROOT / "kuberay" / name).read_text()
    assert text == GENERATE["rendered"]()[name], "run python kuberay/generate.py"


def _strict(schema: Any) -> Any:
    """Return a schema that refuses fields which it does not name; Kubernetes drops them."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items()}
    keeps_unknown = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        strict.setdefault("additionalProperties", bool(keeps_unknown))
    return strict


@cache
def _schema(path: Path, kind: str) -> Draft202012Validator:
    return Draft202012Validator(_strict(json.loads(lzma.decompress(path.read_bytes()))[kind]))


def _faults(path: Path, manifest: dict[str, Any]) -> list[str]:
    """Return what the schema of a version of KubeRay refuses in a manifest."""
    # Kubernetes itself checks the metadata of an object; the schema has no fields for it.
    checked = {key: value for key, value in manifest.items() if key != "metadata"}
    faults = _schema(path, manifest["kind"]).iter_errors(checked)
    return [f"{fault.json_path}: {fault.message[:200]}" for fault in faults]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.name.removesuffix(".json.xz"))
@pytest.mark.parametrize("name", KINDS)
def test_the_manifests_meet_the_schemas_of_kuberay(name: str, schema: Path) -> None:
    manifest = _written(name)
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", KINDS[name])
    assert _faults(schema, manifest) == []
    for group in _cluster_spec(name)["workerGroupSpecs"]:
        # Names become part of pods' names.
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", group["groupName"])


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.name.removesuffix(".json.xz"))
def test_the_schemas_find_a_misspelt_field_and_a_wrong_type(schema: Path) -> None:
    manifest = _written("cluster.yaml")
    head = manifest["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    head["imagePulPolicy"] = "Always"
    manifest["spec"]["workerGroupSpecs"][0]["maxReplicas"] = "6"
    faults = " ".join(_faults(schema, manifest))
    assert "imagePulPolicy" in faults
    assert "maxReplicas" in faults


@pytest.mark.parametrize("name", KINDS)
def test_the_groups_have_the_numbers_of_the_cluster_file(
    name: str, cluster: dict[str, Any]
) -> None:
    spec = _cluster_spec(name)
    assert spec["autoscalerOptions"]["idleTimeoutSeconds"] == 60 * cluster["idle_timeout_minutes"]
    for group in spec["workerGroupSpecs"]:
        node = cluster["available_node_types"][group["groupName"].replace("-", "_")]
        assert group["minReplicas"] == node["min_workers"]
        assert group["maxReplicas"] == node["max_workers"]
        (container,) = group["template"]["spec"]["containers"]
        limits = container["resources"]["limits"]
        assert int(limits["cpu"]) == node["resources"]["CPU"]
        assert int(limits.get("nvidia.com/gpu", 0)) == node["resources"].get("GPU", 0)


@pytest.mark.parametrize("name", KINDS)
def test_every_pod_is_started_for_the_fast_proxy_as_cluster_yaml_does(name: str) -> None:
    spec = _cluster_spec(name)
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        given = {each["name"]: each["value"] for each in container["env"]}
        assert proxy_variables().items() <= given.items()
        assert proxy_variables()["RAY_SERVE_ENABLE_HA_PROXY"] == "1"


def test_a_head_and_workers_with_different_proxies_are_refused(cluster: dict[str, Any]) -> None:
    (start,) = [c for c in cluster["worker_start_ray_commands"] if "ray start" in c]
    changed = {**cluster, "worker_start_ray_commands": [start.replace("HA_PROXY=1", "HA_PROXY=0")]}
    with pytest.raises(ValueError, match="starts the head with"):
        GENERATE["proxy_variables"](changed)


@pytest.mark.parametrize("name", KINDS)
def test_tokens_are_asked_for_nothing_is_public_and_nobody_is_root(name: str) -> None:
    spec = _cluster_spec(name)
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "runAsGroup": 100,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        is_head = group is spec["headGroupSpec"]
        assert group["template"]["spec"]["automountServiceAccountToken"] is is_head
        assert container["envFrom"] == [
            {"secretRef": {"name": "tunesmith-store", "optional": True}}
        ]
        assert "/dev/shm" in {  # noqa: S108 - Ray's store
            mount["mountPath"] for mount in container["volumeMounts"]
        }


def test_only_the_cluster_its_operator_and_named_clients_reach_the_pods() -> None:
    text = (ROOT / "kuberay" / "policies.yaml").read_text()
    network, budget = yaml.safe_load_all(text)
    assert (network["apiVersion"], network["kind"]) == ("networking.k8s.io/v1", "NetworkPolicy")
    assert (budget["apiVersion"], budget["kind"]) == ("policy/v1", "PodDisruptionBudget")
    for policy in (network["spec"]["podSelector"], budget["spec"]["selector"]):
        assert policy == {"matchLabels": {"ray.io/is-ray-node": "yes"}}
    own, operator, clients = network["spec"]["ingress"]
    assert own == {"from": [{"podSelector": {"matchLabels": {"ray.io/is-ray-node": "yes"}}}]}
    assert {port["port"] for port in operator["ports"]} == {8265, 8000}
    assert [port["port"] for port in clients["ports"]] == [8000]
    assert all(rule["from"] for rule in network["spec"]["ingress"])


def test_servers_in_pods_and_containers_ask_everyone_for_a_key() -> None:
    written = (ROOT / "serve" / "container-config.yaml").read_text()
    assert written == GENERATE["rendered_container_config"](), "run python kuberay/generate.py"
    alone = yaml.safe_load(written)
    in_pods = yaml.safe_load(_written("service.yaml")["spec"]["serveConfigV2"])
    for config in (alone, in_pods):
        assert config["http_options"]["host"] == EVERYWHERE
        for application in config["applications"]:
            assert application["args"]["access"]["keys"] == "always"
            assert application["args"].get("listen", {}).get("host") in {None, EVERYWHERE}
    from tunesmith.serving.settings import Settings

    for application in alone["applications"]:
        assert Settings.model_validate(application["args"]).access.keys == "always"
    assert '"serve/container-config.yaml"' in dict(_instructions())["CMD"]


def test_the_server_starts_no_machine_with_a_gpu() -> None:
    groups = _cluster_spec("service.yaml")["workerGroupSpecs"]
    assert [group["groupName"] for group in groups] == ["cpu-worker"]


def test_serve_accepts_the_servers_configuration() -> None:
    with warnings.catch_warnings():
        # Ray declares its own fields in a way that pydantic has deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        from ray.serve.schema import ServeDeploySchema
    config = yaml.safe_load(_written("service.yaml")["spec"]["serveConfigV2"])
    accepted = ServeDeploySchema.model_validate(config)
    assert accepted.applications[0].import_path == "tunesmith.serving.app:build"


def _instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def test_the_image_is_rays_of_the_pinned_version_and_not_roots(cluster: dict[str, Any]) -> None:
    given = dict(_instructions())
    tag = given["FROM"].split("/")[-1].replace("${BUILD}", "cpu")
    assert cluster["docker"]["image"].endswith(tag)
    # A name would keep every pod from starting: `runAsNonRoot` is checked on the number.
    assert given["USER"] == "1000:100"


def test_the_image_installs_nothing_whose_hash_is_not_known() -> None:
    packages, product = (rest for name, rest in _instructions() if name == "RUN")
    assert packages.endswith("--no-deps --require-hashes --requirement hashes-${BUILD}.txt")
    assert product.endswith("--no-deps --no-build-isolation --no-index --editable .")
    assert "://" not in (ROOT / "Containerfile").read_text()


def test_everything_that_is_copied_is_there_and_not_ignored() -> None:
    kept = {
        line[1:]
        for line in (ROOT / ".containerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        word
        for name, rest in _instructions() if name == "COPY"
        for word in rest.split()[1:-1]
    }  # fmt: skip
    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)
