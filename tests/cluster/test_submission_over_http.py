"""Ray's real client against a dashboard of a few routes: token, upload, stream, end."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

ROOT = Path(__file__).parent.parent.parent
TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 - made up


class Dashboard:
    """The routes of Ray's dashboard that a job needs; it demands the token."""

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.uploads: list[bytes] = []
        self.refused = 0
        self.address = ""

    def application(self) -> web.Application:
        @web.middleware
        async def demand(request: web.Request, handler: Any) -> Any:
            if request.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.refused += 1
                return web.Response(status=401, text="Unauthorized")
            return await handler(request)

        application = web.Application(middlewares=[demand], client_max_size=10_000_000)
        application.add_routes(
            [
                web.get("/api/version", self._version),
                web.get("/api/packages/{protocol}/{name}", self._has),
                web.put("/api/packages/{protocol}/{name}", self._put),
                web.post("/api/jobs/", self._submit),
                web.get("/api/jobs/", self._list),
                web.get("/api/jobs/{id}", self._one),
                web.get("/api/jobs/{id}/logs/tail", self._tail),
            ]
        )
        return application

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "4", "ray_version": version("ray")})

    async def _has(self, _: web.Request) -> web.Response:
        return web.Response(status=404)

    async def _put(self, request: web.Request) -> web.Response:
        self.uploads.append(await request.read())
        return web.Response()

    async def _submit(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.jobs.append(
            {
                "type": "SUBMISSION", "submission_id": "raysubmit_1", "job_id": None,
                "status": "RUNNING", "entrypoint": asked["entrypoint"],
                "runtime_env": asked["runtime_env"], "start_time": 1000,
            }
        )  # fmt: skip
        return web.json_response({"job_id": "raysubmit_1", "submission_id": "raysubmit_1"})

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response(self.jobs)

    async def _one(self, _: web.Request) -> web.Response:
        return web.json_response(self.jobs[-1])

    async def _tail(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("trial 1\n")
        await socket.send_str("trial 2\n")
        self.jobs[-1]["status"] = "SUCCEEDED"
        await socket.close()
        return socket


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    made = Dashboard()
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(made.application())

    async def begin() -> None:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        made.address = f"http://127.0.0.1:{port}"

    loop.run_until_complete(begin())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield made
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def _tunesmith(home: Path, dashboard: Dashboard, *arguments: str) -> Any:
    """Run the command in a shell whose home is `home` and that knows the address alone."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "TUNESMITH_"))}
    code = "from tunesmith.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120,
        check=False, cwd=ROOT,
        env=kept | {"HOME": str(home), "RAY_API_SERVER_ADDRESS": dashboard.address},
    )  # fmt: skip


@pytest.mark.slow
def test_a_job_is_uploaded_started_and_followed_with_the_token_of_the_home_folder(
    dashboard: Dashboard, tmp_path: Path
) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text(TOKEN)
    run = _tunesmith(
        tmp_path, dashboard, "submit", "--store", "s3://ours/store", "--json",
        "tune", "composer", "--trials", "2",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["status"] == "SUCCEEDED"
    # Nothing but the job and what it prints.
    assert len(run.stderr.splitlines()) == 3
    assert run.stderr.endswith("trial 1\ntrial 2\n")
    (job,) = dashboard.jobs
    assert job["entrypoint"] == "python jobs/tune.py composer --trials 2"
    assert job["runtime_env"]["env_vars"] == {
        "PYTHONPATH": "platform", "TUNESMITH_STORE": "s3://ours/store",
    }  # fmt: skip
    assert job["runtime_env"]["working_dir"].startswith("gcs://")
    (upload,) = dashboard.uploads
    assert "jobs/tune.py" in "\n".join(zipfile.ZipFile(BytesIO(upload)).namelist())
    listed = _tunesmith(tmp_path, dashboard, "jobs", "list")
    assert "raysubmit_1  succeeded" in listed.stdout
    assert dashboard.refused == 0


@pytest.mark.slow
def test_without_the_token_nothing_is_sent_and_the_message_says_where_it_goes(
    dashboard: Dashboard, tmp_path: Path
) -> None:
    run = _tunesmith(tmp_path, dashboard, "submit", "tune", "composer")
    assert run.returncode == 1
    assert f"token to {tmp_path}/.ray/auth_token" in run.stderr
    assert "Traceback" not in run.stderr
    assert dashboard.refused >= 1
    assert not dashboard.uploads
