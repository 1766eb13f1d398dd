"""Write the manifests for KubeRay from the numbers of cluster.yaml and serve/cluster-config.yaml.

python kuberay/generate.py

The four files beside this one are its output, and serve/container-config.yaml; a test says so when
they no longer agree. Fields are those of KubeRay 1.6's API (ray.io/v1).
"""

import re
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
# Optional secret of the namespace whose entries become variables of the pods, such as
# AWS_ACCESS_KEY_ID; a cloud's own role for pods needs SERVICE_ACCOUNT instead.
STORE_SECRET = "tunesmith-store"  # noqa: S105 - its name
SERVICE_ACCOUNT: str | None = None
# Address of a Redis server, such as redis:6379, that outlives the head: GCS fault tolerance.
REDIS: str | None = None
# The user and the group of Ray's image; Kubernetes compares numbers, not names.
USER, GROUP = 1000, 100
# On every pod that KubeRay makes.
RAY_PODS = {"ray.io/is-ray-node": "yes"}
OPERATOR = {"app.kubernetes.io/name": "kuberay-operator"}
CLIENTS = {"tunesmith.io/client": "yes"}
SERVE_PORT, DASHBOARD_PORT = 8000, 8265
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


def proxy_variables(cluster: dict[str, Any]) -> dict[str, str]:
    """Return the variables that every node is started with for Serve's proxy, of cluster.yaml."""
    commands = (*cluster["head_start_ray_commands"], *cluster["worker_start_ray_commands"])
    head, worker = (
        dict(re.findall(r"\b(RAY_SERVE_\w+)=(\S+)", command))
        for command in commands
        if "ray start" in command
    )
    if head != worker:
        message = f"cluster.yaml starts the head with {head} and workers with {worker}"
        raise ValueError(message)
    return head


def _pod(
    node: dict[str, Any], cpus: int, variables: dict[str, str], *, is_head: bool = False
) -> dict[str, Any]:
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
        "envFrom": [{"secretRef": {"name": STORE_SECRET, "optional": True}}],
        # Ray counts the limit as what the node has.
        "resources": {"requests": resources, "limits": resources},
        # Ray writes to its home and to /tmp, so the root file system is not read-only.
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": GROUP,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "shared-memory", "mountPath": "/dev/shm"}],  # noqa: S108
    }
    # A third of the memory, as Ray takes by default; Kubernetes' own 64 MB would break its start.
    shared = {"medium": "Memory", "sizeLimit": f"{memory_gib // 3}Gi"}
    spec: dict[str, Any] = {
        # The autoscaler beside the head asks Kubernetes for pods; nothing else needs an account.
        "automountServiceAccountToken": is_head,
        "securityContext": {"fsGroup": GROUP},
        "containers": [container],
        "volumes": [{"name": "shared-memory", "emptyDir": shared}],
    }
    if SERVICE_ACCOUNT is not None:
        spec["serviceAccountName"] = SERVICE_ACCOUNT
    if gpus:
        spec["tolerations"] = [
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
        ]
    return {"spec": spec}


def cluster_spec(cluster: dict[str, Any]) -> dict[str, Any]:
    """Return the ``spec`` of a RayCluster with the node types of cluster.yaml."""
    types = dict(cluster["available_node_types"])
    head = types.pop(cluster["head_node_type"])
    variables = {
        "TUNESMITH_STORE": STORE,
        "TUNESMITH_GROWS_TO": grows_to(cluster),
        **proxy_variables(cluster),
    }
    idle_s = int(cluster["idle_timeout_minutes"] * 60)
    fault_tolerance = {"gcsFaultToleranceOptions": {"redisAddress": REDIS}} if REDIS else {}
    return {
        "rayVersion": _ray_version(),
        **fault_tolerance,
        "authOptions": {"mode": "token"},
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": {"idleTimeoutSeconds": idle_s, "upscalingMode": "Default"},
        "headGroupSpec": {
            # Reached through `kubectl port-forward` alone.
            "serviceType": "ClusterIP",
            "rayStartParams": {"num-cpus": str(head["resources"]["CPU"])},
            "template": _pod(head, HEAD_CPUS, variables, is_head=True),
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
    for application in config["applications"]:
        variables = application.setdefault("runtime_env", {}).setdefault("env_vars", {})
        variables["PYTHONPATH"] = f"{HOME}:{HOME}/platform"
        application["args"]["store"] = STORE
    return yaml.safe_dump(config, sort_keys=False)


def container_config() -> dict[str, Any]:
    """Return serve/config.yaml as the image runs it by itself: open, and with a key for each."""
    config = _load("serve/config.yaml")
    config["http_options"]["host"] = "0.0.0.0"  # noqa: S104
    for application in config["applications"]:
        arguments = application["args"]
        arguments["listen"]["host"] = "0.0.0.0"  # noqa: S104
        # Proxies and sidecars of a pod connect from its own addresses.
        arguments.setdefault("access", {})["keys"] = "always"
    return config


def policies(name: str) -> list[dict[str, Any]]:
    """Return who may reach the pods, and how many of them may be moved at a time."""
    to_operator = {"namespaceSelector": {}, "podSelector": {"matchLabels": OPERATOR}}
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name},
            "spec": {
                "podSelector": {"matchLabels": RAY_PODS},
                "policyTypes": ["Ingress"],
                "ingress": [
                    {"from": [{"podSelector": {"matchLabels": RAY_PODS}}]},
                    {
                        "from": [to_operator],
                        "ports": [{"protocol": "TCP", "port": DASHBOARD_PORT},
                                  {"protocol": "TCP", "port": SERVE_PORT}],
                    },
                    {
                        "from": [{"podSelector": {"matchLabels": CLIENTS}}],
                        "ports": [{"protocol": "TCP", "port": SERVE_PORT}],
                    },
                ],
            },
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": name},
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": RAY_PODS}},
        },
    ]  # fmt: skip


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


def _dumped(*documents: dict[str, Any]) -> str:
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, width=100)


def rendered() -> dict[str, str]:
    """Return what the files in this folder shall hold."""
    texts = {name: HEADER + _dumped(manifest) for name, manifest in manifests().items()}
    rules = policies(_load("cluster.yaml")["cluster_name"])
    return {**texts, "policies.yaml": HEADER + _dumped(*rules)}


def rendered_container_config() -> str:
    """Return what serve/container-config.yaml shall hold."""
    return "# Made by kuberay/generate.py from config.yaml: change that.\n" + _dumped(
        container_config()
    )


if __name__ == "__main__":
    for name, text in rendered().items():
        (HERE / name).write_text(text)
    (ROOT / "serve" / "container-config.yaml").write_text(rendered_container_config())
