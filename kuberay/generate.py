"""Write the manifests for KubeRay from the numbers of cluster.yaml and serve/cluster-config.yaml.

python kuberay/generate.py

The three files beside this one are its output; a test says so when they no longer agree. Fields are
those of KubeRay 1.6's API (ray.io/v1).
"""

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent
HOME = "/home/ray/tunesmith"
# Memory of the machines that cluster.yaml names; Kubernetes is asked for a share of it, for the
# system and Kubernetes' own processes need the rest.
MEMORY_GIB = {"m7i.xlarge": 16, "c7i.4xlarge": 32, "g6.2xlarge": 32}
SHARE = 0.85
# The head runs drivers and Serve's proxy, though Ray schedules nothing on it.
HEAD_CPUS = 4
STORE = "s3://bucket/prefix"
HEADER = (
    "# Made by kuberay/generate.py from cluster.yaml and serve/cluster-config.yaml: change those.\n"
)


def _load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return loaded


def _version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def _ray_version() -> str:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return next(line.removeprefix("ray==") for line in lines if line.startswith("ray=="))


def grows_to(cluster: dict[str, Any]) -> str:
    """Return what the cluster has when every machine is up, as TUNESMITH_GROWS_TO says it."""
    types = dict(cluster["available_node_types"])
    types.pop(cluster["head_node_type"])
    total: Counter[str] = Counter()
    for node in types.values():
        for resource, amount in node["resources"].items():
            total[resource] += node["max_workers"] * amount
    return ",".join(f"{name}={amount}" for name, amount in total.items())


def _pod(node: dict[str, Any], cpus: int, variables: dict[str, str]) -> dict[str, Any]:
    """Return the pod of a node type: its container, and memory for Ray's object store."""
    memory_gib = int(MEMORY_GIB[node["node_config"]["InstanceType"]] * SHARE)
    gpus = int(node["resources"].get("GPU", 0))
    resources: dict[str, Any] = {"cpu": str(cpus), "memory": f"{memory_gib}Gi"}
    if gpus:
        resources["nvidia.com/gpu"] = str(gpus)
    build = "gpu" if gpus else "cpu"
    container = {
        "name": "ray",
        "image": f"tunesmith:{_version()}-{build}",
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        # Ray counts the limit as what the node has.
        "resources": {"requests": resources, "limits": resources},
        "securityContext": {"allowPrivilegeEscalation": False, "runAsNonRoot": True},
        "volumeMounts": [{"name": "shared-memory", "mountPath": "/dev/shm"}],  # noqa: S108
    }
    # A third of the memory, as Ray takes by default; Kubernetes' own 64 MB would break its start.
    shared = {"medium": "Memory", "sizeLimit": f"{memory_gib // 3}Gi"}
    spec: dict[str, Any] = {
        "containers": [container],
        "volumes": [{"name": "shared-memory", "emptyDir": shared}],
    }
    if gpus:
        spec["tolerations"] = [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
        ]
    return {"spec": spec}


def cluster_spec(cluster: dict[str, Any]) -> dict[str, Any]:
    """Return the ``spec`` of a RayCluster with the node types of cluster.yaml."""
    types = dict(cluster["available_node_types"])
    head = types.pop(cluster["head_node_type"])
    variables = {"TUNESMITH_STORE": STORE, "TUNESMITH_GROWS_TO": grows_to(cluster)}
    idle_s = int(cluster["idle_timeout_minutes"] * 60)
    return {
        "rayVersion": _ray_version(),
        "authOptions": {"mode": "token"},
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": {"idleTimeoutSeconds": idle_s, "upscalingMode": "Default"},
        "headGroupSpec": {
            # Reached through `kubectl port-forward` alone.
            "serviceType": "ClusterIP",
            "rayStartParams": {"num-cpus": str(head["resources"]["CPU"])},
            "template": _pod(head, HEAD_CPUS, variables),
        },
        "workerGroupSpecs": [
            {
                "groupName": name.replace("_", "-"),
                "replicas": node["min_workers"],
                "minReplicas": node["min_workers"],
                "maxReplicas": node["max_workers"],
                "rayStartParams": {},
                "template": _pod(node, node["resources"]["CPU"], variables),
            }
            for name, node in types.items()
        ],
    }


def _manifest(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "ray.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _serving(cluster: dict[str, Any]) -> dict[str, Any]:
    """Return a cluster for the server alone: replicas need no GPU and no spot machine."""
    types = cluster["available_node_types"]
    kept = {name: node for name, node in types.items() if not node["resources"].get("GPU")}
    return cluster_spec({**cluster, "available_node_types": kept})


def _serve_config() -> str:
    """Return serve/cluster-config.yaml as it runs inside a pod."""
    config = _load("serve/cluster-config.yaml")
    # Inside the pod; only the service of the cluster's own network leads to it.
    config["http_options"]["host"] = "0.0.0.0"  # noqa: S104
    for application in config["applications"]:
        variables = application.setdefault("runtime_env", {}).setdefault("env_vars", {})
        variables["PYTHONPATH"] = f"{HOME}:{HOME}/platform"
        application["args"]["store"] = STORE
    return yaml.safe_dump(config, sort_keys=False)


def manifests() -> dict[str, dict[str, Any]]:
    """Return the manifests by file name."""
    cluster = _load("cluster.yaml")
    name = cluster["cluster_name"]
    return {
        "cluster.yaml": _manifest("RayCluster", name, cluster_spec(cluster)),
        "job.yaml": _manifest(
            "RayJob",
            f"{name}-tune",
            {
                "entrypoint": f"python {HOME}/jobs/tune.py composer --trials 12",
                "submissionMode": "K8sJobMode",
                "shutdownAfterJobFinishes": True,
                "ttlSecondsAfterFinished": 600,
                # A search whose driver was lost is continued by hand, with --resume.
                "backoffLimit": 0,
                "rayClusterSpec": cluster_spec(cluster),
            },
        ),
        "service.yaml": _manifest(
            "RayService",
            f"{name}-serve",
            {"serveConfigV2": _serve_config(), "rayClusterConfig": _serving(cluster)},
        ),
    }


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def rendered() -> dict[str, str]:
    """Return what the files shall hold."""
    return {
        name: HEADER + yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=100)
        for name, manifest in manifests().items()
    }


if __name__ == "__main__":
    for name, text in rendered().items():
        (HERE / name).write_text(text)
