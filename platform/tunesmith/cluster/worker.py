"""The check of the GPU that a worker of Ray sees, the only one that starts Ray."""

from tunesmith.cluster.findings import Finding
from tunesmith.cluster.machine_checks import gpu_of_a_worker

__all__ = ["ask_worker"]

_ANSWER_S = 120.0


def _listed() -> list[str]:
    """Return the GPUs that the process it runs in sees."""
    from tunesmith.cluster.machine import list_gpus

    return [gpu.name for gpu in list_gpus() or ()]


def ask_worker() -> Finding:
    """Have a worker that asks for a GPU, where the cluster has one, list what it sees."""
    from tunesmith.cluster.connection import session

    with session() as resources:
        import ray

        wanted = 1 if resources.get("GPU") else 0
        task = ray.remote(num_cpus=0 if wanted else 1, num_gpus=wanted)(_listed)
        try:
            seen = ray.get(task.remote(), timeout=_ANSWER_S)
        except ray.exceptions.GetTimeoutError:
            return Finding(
                "gpu of a worker",
                "fault",
                f"no worker answered within {_ANSWER_S:g} s",
                "run `ray status`: it lists the resources that are free",
            )
        return gpu_of_a_worker(resources, seen if wanted else [])
