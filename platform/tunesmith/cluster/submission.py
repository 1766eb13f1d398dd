"""Jobs on a cluster, through Ray's own client, which is imported when it is needed.

What ``ray job submit --working-dir . --runtime-env-json '{"env_vars": {"PYTHONPATH":
"platform"}}' -- python jobs/tune.py composer`` does, with the parts filled in. Outside a checkout
the job runs the package that is installed on the cluster: ``python -m tunesmith tune composer``.
"""

import asyncio
import logging
import os
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tunesmith.artifacts.uris import ENVIRONMENT_VARIABLE, without_userinfo
from tunesmith.cluster.connection import ClusterError
from tunesmith.cluster.loopback import LOOPBACK
from tunesmith.cluster.machine import Machine
from tunesmith.errors import UsageError, unknown
from tunesmith.plugins import ENVIRONMENT_VARIABLE as plugin_variable  # noqa: N811

__all__ = [
    "DEFAULT_ADDRESS",
    "JOBS",
    "SECRETS",
    "Cluster",
    "Order",
    "entrypoint",
    "is_checkout",
    "not_uploaded",
    "open_cluster",
]

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
_TRACKING = "MLFLOW_TRACKING_URI"
# Of the caller's environment; credentials are not among them, for the dashboard shows what a job
# was given: nodes have a role, or a secret of their own.
PASSED_ON = (
    ENVIRONMENT_VARIABLE,
    _TRACKING,
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
)
# Never uploaded, whatever the folder: every job of the cluster can read what was.
SECRETS = (
    ".env", ".env.*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "id_rsa*", "id_ecdsa*",
    "id_ed25519*", ".netrc", ".pgpass", ".git-credentials", ".aws/", ".ssh/", ".gnupg/", ".kube/",
    ".ray/auth_token",
)  # fmt: skip
_ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
_TALKATIVE = (
    "ray._private.runtime_env",
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
)
_PAUSE_S = 0.5
_SETTLED_S = 30.0
# Of Ray's error about an upload beyond its limit, 512 MiB.
_TOO_LARGE = "exceeds the maximum size"
_SHOWN_FILES = 3


# Commands that make sense as a job; the others run where their user is.
JOBS = (
    "datasets",
    "evaluate",
    "history",
    "ingest",
    "leaderboard",
    "promote",
    "reproduce",
    "rollback",
    "score",
    "tune",
)


def is_checkout(folder: Path) -> bool:
    """Return whether a folder is a checkout of the project, which a job can run from."""
    return (folder / "platform" / "tunesmith").is_dir() and (folder / "jobs").is_dir()


@dataclass(frozen=True)
class Order:
    """A job to submit.

    Attributes
    ----------
    job
        Command to run, one of `JOBS`.
    arguments
        What follows it on the command line.
    working_dir
        Folder to upload, without what its ``.rayignore`` names. The job runs the code of a
        checkout, else the package that is installed on the cluster. None uploads nothing.
    store
        URI of the store, or None to follow ``TUNESMITH_STORE`` of the caller.
    environment
        Variables for the job, beside those that are always passed on.
    """

    job: str
    arguments: tuple[str, ...]
    working_dir: Path | None = None
    store: str | None = None
    environment: Mapping[str, str] | None = None

    @property
    def brings_code(self) -> bool:
        """True if the upload holds the code that the job runs."""
        return self.working_dir is not None and is_checkout(self.working_dir)

    def runtime_env(self) -> dict[str, Any]:
        """Return what the job's processes need to find the code and the store."""
        variables = {"PYTHONPATH": "platform"} if self.brings_code else {}
        variables |= {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
        if tracking := variables.get(_TRACKING):
            variables[_TRACKING] = without_userinfo(tracking)
        if plugins := os.environ.get(plugin_variable):
            variables[plugin_variable] = self._uploaded(plugins)
        if self.store:
            variables[ENVIRONMENT_VARIABLE] = self.store
        environment: dict[str, Any] = {"env_vars": variables | dict(self.environment or {})}
        if self.working_dir is not None:
            environment["working_dir"] = str(self.working_dir)
            environment["excludes"] = list(SECRETS)
        return environment

    def _uploaded(self, plugins: str) -> str:
        """Return the paths of plugins as the job finds them: relative to the working folder."""
        paths = [Path(text).expanduser().resolve() for text in plugins.split(os.pathsep) if text]
        folder = self.working_dir.resolve() if self.working_dir is not None else None
        inside = []
        for path in paths:
            if folder is None or not path.is_relative_to(folder):
                place = f"is not in {folder}" if folder else "is on this machine alone"
                message = (
                    f"The plugin {path}, which {plugin_variable} names, {place} and is not "
                    "uploaded. Copy it into a folder and name that with --working-dir."
                )
                raise UsageError(message)
            inside.append(path.relative_to(folder).as_posix())
        return os.pathsep.join(inside)


def entrypoint(order: Order) -> str:
    """Return the command line that the cluster runs.

    Raises
    ------
    UsageError
        When there is no such job.
    """
    if order.job not in JOBS:
        refusal = unknown("job", order.job, JOBS)
        raise refusal
    if order.brings_code:
        return shlex.join(["python", f"jobs/{order.job}.py", *order.arguments])
    return shlex.join(["python", "-m", "tunesmith", order.job, *order.arguments])


def open_cluster(address: str | None = None, token_file: Path | None = None) -> "Cluster":
    """Reach the cluster whose dashboard is at `address`.

    Parameters
    ----------
    address
        ``http://host:port`` of the dashboard; without one ``RAY_API_SERVER_ADDRESS``, else this
        machine's port 8265.
    token_file
        File with the cluster's token; without one Ray's usual place, ``~/.ray/auth_token``.

    Raises
    ------
    ClusterError
        When nothing answers there, or the token is refused.
    """
    machine = Machine()
    url = address or machine.environment.get("RAY_API_SERVER_ADDRESS") or DEFAULT_ADDRESS
    # Ray reads all three while it is imported, and lets them win over arguments.
    os.environ["RAY_API_SERVER_ADDRESS"] = url
    if token_file is not None:
        if not token_file.is_file():
            message = f"There is no token in {token_file}. Copy the file of the cluster's head."
            raise UsageError(message)
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(token_file)
        os.environ["RAY_AUTH_MODE"] = "token"
    elif machine.has_token():
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    # It names every file that it leaves out of the upload, twice.
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        client = JobSubmissionClient(url)
    except AuthenticationError as error:
        message = (
            f"The cluster at {url} refuses this client: {str(error).splitlines()[0]} Copy the "
            f"head's token to {machine.token_file()}, or name its file with --token-file."
        )
        raise ClusterError(message) from error
    except (ConnectionError, RuntimeError) as error:
        message = (
            f"No cluster answers at {url}: {error} Start it with `ray up cluster.yaml` and "
            "forward its port with `ray dashboard cluster.yaml`, or name another with --address."
        )
        raise ClusterError(message) from error
    return Cluster(client, url)


@dataclass
class Cluster:
    """The jobs of one cluster.

    Attributes
    ----------
    client
        A `ray.job_submission.JobSubmissionClient`.
    address
        URL of the dashboard.
    """

    client: Any
    address: str

    def submit(self, order: Order) -> str:
        """Upload the folder, where there is one, and start the job; return its id.

        Raises
        ------
        UsageError
            When there is no such job, or its store is a folder that the cluster cannot see.
        ClusterError
            When the cluster refuses it.
        """
        line = entrypoint(order)
        environment = order.runtime_env()
        self._require_shared(environment["env_vars"].get(ENVIRONMENT_VARIABLE))
        try:
            return str(self.client.submit_job(entrypoint=line, runtime_env=environment))
        except (ConnectionError, RuntimeError, ValueError) as error:
            message = f"{self.address} did not take {line!r}: {error}"
            if _TOO_LARGE in str(error) and order.working_dir is not None:
                message = _too_large(order.working_dir)
            raise ClusterError(message) from error

    def _require_shared(self, store: str | None) -> None:
        """Refuse a folder of this machine for a job that runs on others."""
        if store is not None and "://" in store:
            return
        if urlsplit(self.address).hostname in LOOPBACK:
            return
        message = (
            f"The machines of {self.address} would each write to a {store or 'store'} of their "
            "own. Give a store that all of them see: --store s3://bucket/prefix."
        )
        raise UsageError(message)

    def status(self, job_id: str) -> str:
        """Return the state of a job: PENDING, RUNNING, STOPPED, SUCCEEDED or FAILED.

        Raises
        ------
        ClusterError
            When there is no such job.
        """
        return _name(self._info(job_id).status)

    def _info(self, job_id: str) -> Any:
        try:
            return self.client.get_job_info(job_id)
        except RuntimeError as error:
            known = [job["id"] for job in self.list()]
            if job_id not in known:
                refusal = unknown("job", job_id, known)
                raise refusal from error
            message = f"{self.address} does not answer about {job_id}: {error}"
            raise ClusterError(message) from error

    def list(self) -> list[dict[str, Any]]:
        """Return the submitted jobs, newest first."""
        jobs = [job for job in self.client.list_jobs() if job.submission_id]
        jobs.sort(key=lambda job: job.start_time or 0, reverse=True)
        return [
            {
                "id": job.submission_id,
                "status": _name(job.status),
                "entrypoint": job.entrypoint,
                "start_s": (job.start_time or 0) / 1000,
                "end_s": job.end_time / 1000 if job.end_time else None,
            }
            for job in jobs
        ]

    def logs(self, job_id: str) -> str:
        """Return what a job has printed so far."""
        self._info(job_id)
        return str(self.client.get_job_logs(job_id))

    def stop(self, job_id: str) -> bool:
        """Ask a job to end; return whether it was still running."""
        self._info(job_id)
        return bool(self.client.stop_job(job_id))

    def follow(self, job_id: str, say: Callable[[str], None]) -> str:
        """Print what a job prints until it ends; return its last state.

        A connection that breaks is opened again: the job goes on without it, and lines that were
        shown are not shown twice.
        """
        shown = 0
        while True:
            seen = 0

            def pass_on(text: str) -> None:
                nonlocal seen, shown
                new = text[max(0, shown - seen) :]
                seen += len(text)
                shown = max(shown, seen)
                if new:
                    say(new)

            try:
                asyncio.run(self._tail(job_id, pass_on))
            except (ConnectionError, RuntimeError, OSError):
                time.sleep(_PAUSE_S)
            # The stream can end a moment before the state says so.
            state = self._settled(job_id)
            if state in _ENDED:
                return state

    async def _tail(self, job_id: str, say: Callable[[str], None]) -> None:
        async for text in self.client.tail_job_logs(job_id):
            say(text)

    def _settled(self, job_id: str) -> str:
        deadline = time.monotonic() + _SETTLED_S
        while (state := self.status(job_id)) not in _ENDED and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        return state


def _too_large(folder: Path) -> str:
    """Return what to do about a folder that is too large to upload: its largest files, by size."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    largest = sorted(((path.stat().st_size, path) for path in files), reverse=True)[:_SHOWN_FILES]
    named = ", ".join(
        f"{path.relative_to(folder).as_posix()} ({size / 1e6:,.0f} MB)" for size, path in largest
    )
    return (
        f"{folder} is too large to upload; its largest files are {named}. Name what the job does "
        f"not need, files or folders, in {folder / '.rayignore'}, one a line; put data into the "
        "store or a bucket."
    )


def _name(status: Any) -> str:
    """Return a state as text; Ray's is an enumeration of texts."""
    return str(getattr(status, "value", status))


def not_uploaded(arguments: Iterable[str], folder: Path | None) -> Sequence[str]:
    """Return the arguments that name files of this machine which the upload does not hold."""
    outside = []
    for text in arguments:
        path = Path(text).expanduser()
        if text.startswith("-") or not path.exists():
            continue
        if folder is None or not path.resolve().is_relative_to(folder.resolve()):
            outside.append(text)
    return outside
