"""Submitting jobs: what is sent, what is refused, how a stream that breaks is followed."""

import json
import os
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.cli import jobs, submit
from tunesmith.cluster import submission
from tunesmith.cluster.connection import ClusterError
from tunesmith.cluster.submission import SECRETS, Cluster, Order, entrypoint, not_uploaded
from tunesmith.errors import UsageError

ROOT = Path(__file__).parent.parent.parent
LOOPBACK = "http://127.0.0.1:8265"


class FakeClient:
    """Ray's client as far as it is used: one job that prints `text` in pieces."""

    def __init__(self, text: str = "", *, breaks_at: tuple[int, ...] = (), ends: str = "SUCCEEDED"):
        self.text, self.breaks_at, self.ends = text, list(breaks_at), ends
        self.sent: dict[str, Any] = {}
        self.stopped: list[str] = []
        self.status = "PENDING"

    def submit_job(self, **sent: Any) -> str:
        if "refuse" in sent["entrypoint"]:
            message = "Request failed with status code 500"
            raise RuntimeError(message)
        self.sent, self.status = sent, "RUNNING"
        return "raysubmit_1"

    def get_job_info(self, job_id: str) -> Any:
        if job_id != "raysubmit_1":
            message = "status code 404"
            raise RuntimeError(message)
        return SimpleNamespace(status=self.status)

    def list_jobs(self) -> list[Any]:
        line = self.sent.get("entrypoint", "")
        made = {"submission_id": "raysubmit_1", "status": self.status, "entrypoint": line}
        driver = SimpleNamespace(submission_id=None, status="RUNNING", start_time=0)
        return [driver, SimpleNamespace(**made, start_time=1000, end_time=3000)]

    def get_job_logs(self, job_id: str) -> str:
        return self.text

    def stop_job(self, job_id: str) -> bool:
        self.stopped.append(job_id)
        return self.status == "RUNNING"

    async def tail_job_logs(self, job_id: str) -> AsyncIterator[str]:
        stop = self.breaks_at.pop(0) if self.breaks_at else None
        for piece in self.text[:stop].splitlines(keepends=True):
            yield piece
        if stop is not None:
            message = "WebSocket connection closed unexpectedly"
            raise RuntimeError(message)
        self.status = self.ends


def _order(*arguments: str, job: str = "tune", **more: Any) -> Order:
    return Order(job, arguments, ROOT, **more)


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        *submission.PASSED_ON,
        "RAY_API_SERVER_ADDRESS",
        "RAY_AUTH_MODE",
        "RAY_AUTH_TOKEN_PATH",
    ):
        # Set first, so that what the code sets is taken back as well.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(submission, "_PAUSE_S", 0.0)
    monkeypatch.setattr(submission, "_SETTLED_S", 0.0)


def test_what_is_sent_is_what_the_documented_command_sends() -> None:
    client = FakeClient()
    Cluster(client, LOOPBACK).submit(_order("composer", "--trials", "12"))
    assert client.sent["entrypoint"] == "python jobs/tune.py composer --trials 12"
    assert client.sent["runtime_env"] == {
        "working_dir": str(ROOT), "env_vars": {"PYTHONPATH": "platform"}, "excludes": list(SECRETS),
    }  # fmt: skip


def test_the_store_and_what_reaches_it_are_passed_on_but_no_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TUNESMITH_STORE", "s3://ours/store")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example/x")
    sent = _order(environment={"A": "b"}).runtime_env()["env_vars"]
    assert sent == {
        "PYTHONPATH": "platform", "TUNESMITH_STORE": "s3://ours/store",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000", "A": "b",
        "MLFLOW_TRACKING_URI": "https://mlflow.example/x",
    }  # fmt: skip
    chosen = _order(store="s3://other/store").runtime_env()["env_vars"]
    assert chosen["TUNESMITH_STORE"] == "s3://other/store"


def test_an_unknown_job_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean tune"):
        entrypoint(_order(job="tuen"))


def test_outside_a_checkout_the_installed_package_runs(tmp_path: Path) -> None:
    bare = Order("tune", ("composer",))
    assert entrypoint(bare) == "python -m tunesmith tune composer"
    assert bare.runtime_env() == {"env_vars": {}}
    own = Order("tune", ("composer",), tmp_path)
    assert entrypoint(own) == "python -m tunesmith tune composer"
    assert own.runtime_env() == {
        "env_vars": {}, "working_dir": str(tmp_path), "excludes": list(SECRETS)
    }  # fmt: skip
    assert not_uploaded([str(tmp_path), "x"], None) == [str(tmp_path)]


def test_every_file_of_jobs_is_a_job() -> None:
    files = {path.stem for path in (ROOT / "jobs").glob("*.py")}
    assert set(submission.JOBS) <= files
    # These open pages and ports where their user is.
    assert files - set(submission.JOBS) == {"demo", "watch"}


@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1)))
def test_arguments_reach_the_job_as_they_were_typed(arguments: list[str]) -> None:
    line = entrypoint(_order(*arguments))
    assert shlex.split(line) == ["python", "jobs/tune.py", *arguments]


@pytest.mark.parametrize("store", [None, "/data/store"])
def test_a_folder_is_no_store_for_other_machines(store: str | None) -> None:
    cluster = Cluster(FakeClient(), "http://head.example:8265")
    with pytest.raises(UsageError, match="--store s3://"):
        cluster.submit(_order(store=store))
    cluster.submit(_order(store="s3://b/p"))


def test_an_upload_that_is_too_large_names_its_largest_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name, size in {"data/songs.csv": 9_000_000, "small.py": 10}.items():
        (tmp_path / name).write_bytes(bytes(size))

    class Refusing(FakeClient):
        def submit_job(self, **_: Any) -> str:
            message = "Package size (600MiB) exceeds the maximum size of 512.00MiB."
            raise ValueError(message)

    cluster = Cluster(Refusing(), "http://127.0.0.1:8265")
    with pytest.raises(
        ClusterError, match=r"largest files are data/songs.csv \(9 MB\), small"
    ) as e:
        cluster.submit(Order("tune", ("composer",), tmp_path, store="s3://b/p"))
    assert f"in {tmp_path / '.rayignore'}" in str(e.value)


def test_a_refusal_says_who_refused_what() -> None:
    with pytest.raises(ClusterError, match=r"8265 did not take 'python jobs/tune.py refuse'"):
        Cluster(FakeClient(), LOOPBACK).submit(_order("refuse"))


@given(st.text("ab\n", max_size=60), st.lists(st.integers(0, 60), max_size=4))
def test_a_stream_that_breaks_is_shown_whole_and_once(text: str, breaks: list[int]) -> None:
    cluster = Cluster(FakeClient(text, breaks_at=tuple(breaks)), LOOPBACK)
    shown: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(submission, "_PAUSE_S", 0.0)
        assert cluster.follow(cluster.submit(_order()), shown.append) == "SUCCEEDED"
    assert "".join(shown) == text


def test_an_unknown_id_names_the_jobs_there_are() -> None:
    with pytest.raises(UsageError, match="raysubmit_1"):
        Cluster(FakeClient(), LOOPBACK).logs("raysubmit_2")


def test_only_submitted_jobs_are_listed() -> None:
    client = FakeClient()
    cluster = Cluster(client, LOOPBACK)
    cluster.submit(_order("digits"))
    (job,) = cluster.list()
    assert job["entrypoint"] == "python jobs/tune.py digits"
    assert (job["start_s"], job["end_s"]) == (1.0, 3.0)


def test_files_that_the_upload_does_not_hold_are_noticed(tmp_path: Path) -> None:
    outside = tmp_path / "songs.csv"
    outside.write_text("")
    given_ = ["composer", "--csv", str(outside), "s3://b/songs.csv", str(ROOT / "README.md")]
    assert not_uploaded(given_, ROOT) == [str(outside)]


def _run(
    command: Any, arguments: list[str], client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> int:
    monkeypatch.setattr(submission, "open_cluster", lambda *_: Cluster(client, LOOPBACK))
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    return int(ended.value.code or 0)


@pytest.mark.parametrize(("ends", "code"), [("SUCCEEDED", 0), ("FAILED", 1), ("STOPPED", 1)])
def test_the_command_streams_and_ends_as_the_job_did(
    ends: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = FakeClient("trial 1\ntrial 2\n", ends=ends)
    arguments = ["--json", "--env", "A=b=c", "tune", "composer", "--trials", "2", "--json"]
    assert _run(submit, arguments, client, monkeypatch) == code
    out, err = capsys.readouterr()
    assert json.loads(out)["status"] == ends
    assert "trial 1\ntrial 2\n" in err
    assert client.sent["entrypoint"] == "python jobs/tune.py composer --trials 2 --json"
    assert client.sent["runtime_env"]["env_vars"]["A"] == "b=c"


def test_detached_it_returns_while_the_job_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = FakeClient("never shown")
    assert _run(submit, ["--detach", "tune", "composer"], client, monkeypatch) == 0
    assert capsys.readouterr().out.startswith("raysubmit_1 RUNNING")


def test_a_variable_without_a_value_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(submit, ["--env", "A", "tune"], FakeClient(), monkeypatch) == 2


def test_jobs_are_listed_read_and_stopped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = FakeClient("one\n")
    client.submit_job(entrypoint="python jobs/tune.py digits")
    assert _run(jobs, ["list"], client, monkeypatch) == 0
    assert "raysubmit_1  running" in capsys.readouterr().out
    assert _run(jobs, ["logs", "raysubmit_1"], client, monkeypatch) == 0
    assert capsys.readouterr().out == "one\n"
    assert _run(jobs, ["stop", "raysubmit_1"], client, monkeypatch) == 0
    assert client.stopped == ["raysubmit_1"]
    assert _run(jobs, ["logs", "--follow", "raysubmit_1"], client, monkeypatch) == 0


def test_nobody_at_the_address_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray.job_submission

    def refuse(address: str) -> None:
        message = f"Failed to connect to Ray at address: {address}."
        raise ConnectionError(message)

    monkeypatch.setattr(ray.job_submission, "JobSubmissionClient", refuse)
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1:1.*ray up cluster\.yaml"):
        submission.open_cluster("http://127.0.0.1:1")


def test_a_token_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no token in"):
        submission.open_cluster(LOOPBACK, tmp_path / "token")


# As Ray sends it, not compressed; stated in docs/cluster.md.
LARGEST_UPLOAD_BYTES = 4_000_000


def test_the_upload_is_small_and_holds_what_a_job_needs(tmp_path: Path) -> None:
    import zipfile

    from ray._private.runtime_env.packaging import create_package

    target = tmp_path / "package.zip"
    create_package(str(ROOT), target, include_gitignore=True)
    names = set(zipfile.ZipFile(target).namelist())
    assert target.stat().st_size < LARGEST_UPLOAD_BYTES, sorted(names)
    assert {"jobs/tune.py", "serve/app.py", "platform/tunesmith/midi/composers.yaml"} <= names
    top = {name.split("/")[0] for name in names}
    assert not top & {".git", ".venv", "tests", "benchmarks", "docs", ".mypy_cache"}
    assert "ray" in sys.modules


def test_secrets_are_never_uploaded(tmp_path: Path) -> None:
    import zipfile

    from ray._private.runtime_env.packaging import create_package

    folder = tmp_path / "mine"
    secrets = (".env", ".env.local", "tls/server.key", "tls/chain.pem", ".aws/credentials",
               ".ssh/id_ed25519", "deep/er/.netrc", "deep/id_rsa")  # fmt: skip
    for name in ("plugin.py", "keys.csv", *secrets):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("content")
    sent = Order("tune", ("composer",), folder).runtime_env()
    create_package(
        sent["working_dir"], tmp_path / "x.zip", include_gitignore=True, excludes=sent["excludes"]
    )
    names = {name for name in zipfile.ZipFile(tmp_path / "x.zip").namelist() if name[-1] != "/"}
    assert names == {"plugin.py", "keys.csv"}


def test_plugins_are_named_as_the_upload_holds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = tmp_path / "folder" / "mine" / "a.py", tmp_path / "b.py"
    order = Order("tune", (), tmp_path / "folder")
    monkeypatch.setenv("TUNESMITH_PLUGINS", str(inside))
    assert order.runtime_env()["env_vars"]["TUNESMITH_PLUGINS"] == "mine/a.py"
    monkeypatch.setenv("TUNESMITH_PLUGINS", os.pathsep.join([str(inside), str(outside)]))
    with pytest.raises(UsageError, match=r"b\.py, which TUNESMITH_PLUGINS names, is not in"):
        order.runtime_env()


def test_a_submitted_job_joins_its_cluster_and_starts_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._private import services, worker
    from ray.dashboard.modules.job.job_supervisor import JobSupervisor

    from tunesmith.cluster import connection

    monkeypatch.setenv("RAY_ADDRESS", "http://10.0.0.1:8265")
    node = SimpleNamespace(_ray_params=SimpleNamespace(temp_dir=None))
    monkeypatch.setattr(worker, "_global_node", node)
    monkeypatch.setattr(
        services, "canonicalize_bootstrap_address_or_die", lambda *_: "10.0.0.1:6379"
    )
    supervisor: Any = JobSupervisor.__new__(JobSupervisor)
    supervisor._metadata = {}
    supervisor._get_driver_runtime_env = lambda _: {}
    # Of the process that Ray starts for a job, by `ray job submit` or `tunesmith submit`.
    monkeypatch.setenv("RAY_ADDRESS", supervisor._get_driver_env_vars(False)["RAY_ADDRESS"])
    assert connection._target(None) == "10.0.0.1:6379"
