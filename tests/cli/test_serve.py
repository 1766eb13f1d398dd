"""``tunesmith serve``: the check, the line at its start, and the drain."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner

from tests.nodes import free_port
from tests.processes import running
from tests.serving.conftest import write_bundle
from tunesmith.artifacts.api_keys import add_key
from tunesmith.artifacts.store import Store
from tunesmith.cli import serve
from tunesmith.errors import UsageError
from tunesmith.serving.launch import ServedNode, read_configuration
from tunesmith.serving.settings import CONFIG


def test_a_taken_port_is_found_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"Port {port} .* is taken"):
            serve.require_free("127.0.0.1", port)
    serve.require_free("127.0.0.1", port)


def test_check_starts_nothing_and_lists_the_nodes(store: Store) -> None:
    result = CliRunner().invoke(serve.main, ["--check", "--store", store.uri])
    assert result.exit_code == 0, result.output
    assert re.search(r"composer +inline +none", result.stdout)
    assert "0 of 1 nodes have a model" in result.stdout


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("in_flight: 32", "in_fligth: 32", "in_fligth"),
        ("unsure_below: 0.5", "unsure_bellow: 0.5", "Did you mean 'unsure_below'"),
        ("reload_s: 2.0", "reload_s: no", "line {line}: applications.0.args.reload_s"),
        ("tunesmith.serving.app:build", "other:app", "serve run"),
        ("applications:", "aplications:", "applications"),
    ],
)
def test_a_wrong_configuration_is_refused_before_anything_starts(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = CONFIG.read_text()
    assert old in text
    path = tmp_path / "config.yaml"
    path.write_text(text.replace(old, new))
    arguments = ["--check", "--config", str(path), "--store", str(tmp_path)]
    result = CliRunner().invoke(serve.main, arguments)
    assert result.exit_code == 2
    line = text[: text.index(old)].count("\n") + 1
    assert message.format(line=line) in result.stderr
    assert str(path) in result.stderr


def node(name: str, version: int | None, problem: str = "") -> ServedNode:
    return ServedNode(name, "midi", "inline", {name: version}, problem)


def test_the_line_at_the_start_says_what_is_served_and_what_has_no_model() -> None:
    nodes = [node("a", 3), node("b", None), node("c", 2, "The model is damaged."), node("d", 1)]
    line = serve.summary("http://127.0.0.1:8000", nodes)
    assert line == (
        "Serving on http://127.0.0.1:8000: a (version 3), d (version 1). Cannot be loaded: c. "
        "No model: b."
    )


def test_options_win_over_the_file() -> None:
    shipped = read_configuration()
    changed = shipped.changed(store="/s", port=9)
    assert changed.settings.store == "/s"
    assert changed.address == ("127.0.0.1", 9)
    assert shipped.address == ("127.0.0.1", 8000)
    assert changed.deployments["Tunesmith"]["max_queued_requests"] == 256
    below = replace(shipped.changed(host="::1"), route_prefix="/music")
    assert below.url == "http://[::1]:8000/music"


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize(
    "name", ["config.yaml", pytest.param("cluster-config.yaml", marks=pytest.mark.long)]
)
def test_serves_until_sigterm_and_drains(
    store: Store, midi_factory: Callable[..., bytes], name: str
) -> None:
    write_bundle(store)
    port = free_port()
    command = ["-m", "tunesmith", "serve", "--port", str(port), "--store", store.uri]
    command += ["--config", str(CONFIG.resolve().with_name(name)), "--host", "127.0.0.1"]
    # That of several machines asks everyone for a key.
    headers = {"Authorization": f"Bearer {add_key(store, 'test', 6_000)}"}
    with running(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"},
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Starting Ray")
        line = process.stderr.readline()
        assert line.startswith(f"Serving on http://127.0.0.1:{port}: composer (version 1).")
        url = f"http://127.0.0.1:{port}"
        with httpx2.Client(base_url=url, timeout=60, headers=headers) as client:
            piece = midi_factory(n_notes=20_000)
            files = [("file", ("a.mid", piece, "audio/midi"))] * 30

            def ask() -> int:
                return int(client.post("/v1/composer", files=files).status_code)

            assert ask() == 200
            with ThreadPoolExecutor(6) as pool:
                asked = [pool.submit(ask) for _ in range(6)]
                _, waiting = wait(asked, timeout=0.3)
                assert waiting, "all were answered before the server was asked to end"
                process.terminate()
                assert [each.result() for each in asked] == [200] * 6
        assert "answered first" in process.stderr.read()
        assert process.wait(60) == 0
