"""The command line that opens the pages of a search."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests import records
from tunesmith.artifacts.store import Store
from tunesmith.cli.watch import main

ROOT = Path(__file__).parent.parent.parent


def test_nothing_to_watch_is_said(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["composer", "--store", str(tmp_path)])
    assert result.exit_code == 1
    assert "There is no search of composer" in result.output
    assert "tunesmith tune" in result.output


@pytest.mark.slow
def test_the_pages_end_with_the_command_and_move_with_the_run(tmp_path: Path) -> None:
    pytest.importorskip("optuna_dashboard")
    from tunesmith.tuning.studies import open_study

    store = Store(tmp_path)
    records.write_unfinished(store, records.make_plan("r1"))
    running = tmp_path / "runs" / "noise" / ".staging-r1"
    open_study(running / "study.journal", "noise/r1")
    # TensorBoard takes longer to start than everything else here.
    program = (
        "import importlib.util, runpy, sys; importlib.util.find_spec = lambda name: None; "
        f"sys.argv = ['watch', '--store', {str(tmp_path)!r}]; "
        "runpy.run_path('jobs/watch.py', run_name='__main__')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        _read_until(process.stderr, "noise run r1: running")
        _read_until(process.stderr, "Optuna noise     http://127.0.0.1:")
        _read_until(process.stderr, "MLflow           uvx")
        running.rename(running.with_name("r1"))
        records.write_run(store, records.make_run("r1"))
        _read_until(process.stderr, "noise run r1: finished")
        line = _read_until(process.stderr, "Optuna noise")
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stderr.close()
    assert process.returncode == 130
    url = line.split()[-1]
    port = f"{int(url.rsplit(':', 1)[1]):04X}"
    deadline = time.monotonic() + 10
    while any(
        row.split()[1].endswith(f":{port}") and row.split()[3] == "0A"
        for row in Path("/proc/net/tcp").read_text().splitlines()[1:]
    ):
        assert time.monotonic() < deadline, f"{url} still answers"
        time.sleep(0.1)


def _read_until(stream: object, text: str) -> str:
    for line in stream:  # type: ignore[attr-defined]
        if text in line:
            return str(line)
    message = f"{text!r} was not said"
    raise AssertionError(message)
