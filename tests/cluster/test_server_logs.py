"""Logs of the server, wherever Ray keeps its sessions."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tunesmith.cli.logs import main


def _session(folder: Path, name: str, **files: str) -> Path:
    logs = folder / "ray" / f"session_{name}" / "logs"
    (logs / "serve").mkdir(parents=True)
    for stem, text in files.items():
        (logs / "serve" / f"{stem}.log").write_text(text)
    return logs / "serve"


def test_the_last_lines_of_all_files_come_in_the_order_of_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    _session(tmp_path, "2026-01-01_00-00-00_1_1", controller="INFO 2026-01-01 00:00:00,1 old\n")
    newest = _session(
        tmp_path,
        "2026-01-02_00-00-00_1_1",
        controller="INFO 2026-01-02 10:00:00,100 a\nINFO 2026-01-02 10:00:02,000 c\n",
        replica="ERROR 2026-01-02 10:00:01,000 b\nTraceback\n  in d\n",
    )
    # A search has a session of its own, without a server.
    _session(tmp_path, "2026-01-03_00-00-00_1_1")
    result = CliRunner().invoke(main, ["--json", "--lines", "4"])
    answer = json.loads(result.stdout)
    assert answer["folder"] == str(newest)
    assert answer["files"] == ["controller.log", "replica.log"]
    assert [line.split()[-1] for line in answer["lines"]] == ["b", "Traceback", "d", "c"]
    assert not answer["is_live"]


def test_without_a_server_it_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    result = CliRunner().invoke(main, [])
    assert result.exit_code == 1
    assert f"No server has left logs in {tmp_path}/ray" in result.stderr
