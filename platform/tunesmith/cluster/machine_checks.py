"""Checks of the machine: memory, files, disks and GPUs."""

import os
import re
import resource
import shutil
from pathlib import Path

from tunesmith.artifacts.store import Store
from tunesmith.cluster.findings import GIB, Finding, Target, gib
from tunesmith.errors import StoreError

__all__ = [
    "disk",
    "gpu",
    "gpu_of_a_worker",
    "memory",
    "open_files",
    "shared_memory",
    "tensorflow",
]

# Below these Ray does not start; the docker default of 64 MB is the usual cause.
LEAST_SHARED_BYTES = GIB // 4
LEAST_MEMORY_BYTES = 1 * GIB
LEAST_DISK_BYTES = 2 * GIB
# Trainers want about this much for themselves.
GOOD_MEMORY_BYTES = 4 * GIB
GOOD_SHARED_BYTES = 2 * GIB
GOOD_OPEN_FILES = 4096
# Ray stops writing objects to a disk that is fuller than this.
FULLEST_DISK = 0.95
FULL_DISK = 0.85


def shared_memory(target: Target) -> Finding:
    """Measure the file system that Ray's object store is in."""
    folder = target.machine.shared_memory
    if not folder.is_dir():
        what = f"there is no {folder}: Ray puts its object store on disk, which is slow"
        return Finding("shared memory", "warning", what, f"mount a tmpfs at {folder}")
    if not os.access(folder, os.W_OK):
        what = f"{folder} cannot be written to: Ray puts its object store on disk, which is slow"
        return Finding("shared memory", "warning", what, f"mount -o remount,rw {folder}")
    total = shutil.disk_usage(folder).total
    advice = "start the container with --shm-size=2gb or more; on Kubernetes mount a memory volume"
    if total < LEAST_SHARED_BYTES:
        what = f"{folder} holds {total / 1e6:.0f} MB: Ray does not start"
        return Finding("shared memory", "fault", what, advice)
    if total < GOOD_SHARED_BYTES:
        what = f"{folder} holds {gib(total)}: objects beyond it go to disk"
        return Finding("shared memory", "warning", what, advice)
    return Finding("shared memory", "ok", f"{folder} holds {gib(total)}")


def memory(target: Target) -> Finding:
    """Measure free memory."""
    total, available = target.machine.memory_bytes()
    state = f"{gib(available)} of {gib(total)} available"
    if available < LEAST_MEMORY_BYTES:
        what = f"{state}: Ray ends its workers"
        return Finding("memory", "fault", what, "stop other programs, or use a larger machine")
    if available < GOOD_MEMORY_BYTES:
        what = f"{state}: little for training"
        return Finding("memory", "warning", what, "run fewer trials at once: `--cpus 1`")
    return Finding("memory", "ok", state)


def open_files(_: Target) -> Finding:
    """Check how many files a process may hold open."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit < GOOD_OPEN_FILES:
        what = f"a process may open {limit} files; Ray's head needs more under load"
        return Finding("open files", "warning", what, f"ulimit -n {min(most, 65536)}")
    return Finding("open files", "ok", f"a process may open {limit}")


def disk(target: Target) -> Finding:
    """Measure the disks that Ray and a store on this machine write to."""
    folders = {"Ray's temporary folder": target.machine.ray_folder}
    if (store := _opened(target)) is not None and store.is_local:
        folders["the store"] = store.local_path()
    worst = Finding("disk", "ok", "")
    state = []
    for what, folder in folders.items():
        usage = shutil.disk_usage(_existing(folder))
        state.append(f"{gib(usage.free)} free for {what}")
        full = 1 - usage.free / usage.total
        if full > FULLEST_DISK or usage.free < LEAST_DISK_BYTES:
            seen = f"{gib(usage.free)} free ({full:.0%} full) for {what}, {folder}"
            do = "make room, or move it: RAY_TMPDIR for Ray, --store for the store"
            return Finding("disk", "fault", seen, do)
        if full > FULL_DISK:
            seen = f"{gib(usage.free)} free ({full:.0%} full) for {what}, {folder}"
            worst = Finding("disk", "warning", seen, "make room: beyond 95 % Ray stops spilling")
    return worst if worst.state != "ok" else Finding("disk", "ok", "; ".join(state))


def _existing(path: Path) -> Path:
    """Return the nearest folder above `path` that is there."""
    while not path.exists():
        path = path.parent
    return path


def _opened(target: Target) -> Store | None:
    try:
        return Store(target.store_uri)
    except StoreError:
        return None


def gpu(target: Target) -> Finding:
    """Compare the GPUs that the driver lists with those that this process sees."""
    gpus = target.machine.list_gpus()
    hidden = target.machine.environment.get("CUDA_VISIBLE_DEVICES")
    if gpus is None:
        return Finding("gpu", "ok", "no NVIDIA driver: everything runs on CPUs")
    if not gpus:
        what = "NVIDIA's driver is installed but lists no GPU"
        return Finding("gpu", "fault", what, "run nvidia-smi; its message names the cause")
    if hidden is not None and hidden.strip() in {"", "-1"}:
        what = f"{len(gpus)} GPUs, hidden by CUDA_VISIBLE_DEVICES={hidden!r}"
        return Finding("gpu", "fault", what, "unset CUDA_VISIBLE_DEVICES")
    return Finding("gpu", "ok", "; ".join(one.name for one in gpus))


def tensorflow(target: Target) -> Finding:
    """Read from TensorFlow's files how it was built; importing it takes seconds."""
    path = target.machine.packages / "tensorflow" / "python" / "platform" / "build_info.py"
    if not path.is_file():
        return Finding(
            "tensorflow",
            "warning",
            "TensorFlow is not installed: this machine can serve, but not search",
            "to search: pip install 'tunesmith[train]', or 'tunesmith[gpu]'",
        )
    is_cuda = bool(re.search(r"'is_cuda_build', True|\"is_cuda_build\", True", path.read_text()))
    if target.machine.list_gpus() and not is_cuda:
        return Finding(
            "tensorflow",
            "fault",
            "built for CPUs, on a machine with a GPU",
            "in a new environment: pip install 'tunesmith[gpu]'",
        )
    if is_cuda and not list(target.machine.packages.glob("nvidia/cudnn")):
        return Finding(
            "tensorflow",
            "warning",
            "built for CUDA, but cuDNN's package is not installed",
            "pip install 'tunesmith[gpu]', unless the system brings its own",
        )
    return Finding("tensorflow", "ok", f"built for {'CUDA' if is_cuda else 'CPUs'}")


def gpu_of_a_worker(resources: dict[str, float], seen: list[str]) -> Finding:
    """Return whether a Ray worker sees the GPU that it asked for.

    Parameters
    ----------
    resources
        Resources of the cluster by name.
    seen
        GPUs that a worker listed which had asked for one; empty without one.
    """
    wanted = int(resources.get("GPU", 0))
    state = f"the cluster has {resources.get('CPU', 0):g} CPUs and {wanted} GPUs"
    if wanted and not seen:
        return Finding(
            "gpu of a worker",
            "fault",
            f"{state}, but a worker that asked for one lists none",
            "check the worker's image and its driver: run nvidia-smi on that node",
        )
    return Finding("gpu of a worker", "ok", f"{state}; {', '.join(seen) or 'no GPU'}")
