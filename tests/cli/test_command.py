"""What every command line has in common."""

import json
import os
import signal
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from tests.processes import running
from tunesmith import extras
from tunesmith.cli.command import command, parse_duration
from tunesmith.errors import StoreError, UsageError, unknown


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1h30m", 5400), ("2", 2), ("1.5h", 5400)]
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "-3", "0", "15x", "m", "nan", "inf", "3m garbage"])
def test_what_is_not_a_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a length of time"):
        parse_duration(text)


@command(show=lambda result: click.echo(f"answer: {result['answer']}"))
@click.option("--fail", type=click.Choice(["store", "usage"]))
def job(*, store: str | None, fail: str | None) -> dict[str, object]:
    """Answer."""
    if fail == "store":
        message = "the disk is full"
        raise StoreError(message)
    if fail == "usage":
        raise unknown("task", "compser", ["composer", "genre"])
    return {"answer": 42, "store": store}


def test_people_get_text_and_programs_get_one_json_object() -> None:
    runner = CliRunner()
    assert runner.invoke(job).output == "answer: 42\n"
    result = runner.invoke(job, ["--json", "--store", "s3://b"])
    assert json.loads(result.stdout) == {"answer": 42, "store": "s3://b"}


def test_an_error_has_its_exit_code_and_its_message_on_stderr() -> None:
    result = CliRunner().invoke(job, ["--fail", "store"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "StoreError: the disk is full\n"


def test_a_wrong_name_is_wrong_usage_and_names_the_near_one() -> None:
    result = CliRunner().invoke(job, ["--fail", "usage", "--json"])
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"] == "UsageError"
    assert "Did you mean composer?" in result.stderr


def test_a_wrong_option_names_the_near_one() -> None:
    result = CliRunner().invoke(job, ["--stroe", "x"])
    assert result.exit_code == 2
    assert "--store" in result.stderr


@command(extras=("serve",))
def in_need(*, store: str | None) -> None:
    """Need a package."""
    message = "No module named 'fastapi'"
    raise ModuleNotFoundError(message, name="fastapi")


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "requires", lambda name: ['fastapi>=0.115; extra == "serve"'])
    result = CliRunner().invoke(in_need, ["--json"])
    assert result.exit_code == 1
    assert "pip install 'tunesmith[serve]'" in json.loads(result.stdout)["message"]


def test_a_closed_pipe_ends_quietly() -> None:
    program = (
        "import click; from tunesmith.cli.command import command\n"
        "@command(uses_store=False, show=lambda r: [click.echo('x' * 1000) for _ in range(999)])\n"
        "def main(): return {}\n"
        "main()"
    )
    with running(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 141


_ENDLESS = """
import signal
import sys
import time
from tunesmith.cli.command import command
import click

@command(continues=("--fresh",), uses_store=False)
@click.argument("name")
@click.option("--fresh", is_flag=True)
def main(name, fresh):
    click.echo("begun", err=True)
    time.sleep(60)

# A terminal's program handles Ctrl-C; one that a script put into the background ignores it.
handlers = {"terminal": signal.default_int_handler, "background": signal.SIG_IGN}
signal.signal(signal.SIGINT, handlers[sys.argv.pop()])
main(prog_name="tunesmith work")
"""


@pytest.mark.parametrize(
    ("how", "place"),
    [
        (signal.SIGINT, "terminal"),
        (signal.SIGTERM, "terminal"),
        (signal.SIGTERM, "background"),
    ],
)
def test_a_command_that_continues_says_how_when_a_signal_ends_it(
    how: signal.Signals, place: str
) -> None:
    with running(
        [sys.executable, "-c", _ENDLESS, "a b", "--fresh", place],
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert process.stderr.readline() == "begun\n"
        process.send_signal(how)
        errors = process.stderr.read()
    assert process.returncode == 128 + how
    assert errors == (
        "Interrupted. Finished artifacts are kept. Continue with: tunesmith work 'a b'\n"
    )


def test_text_that_the_encoding_lacks_is_replaced_and_no_error() -> None:
    program = (
        "import click\nfrom tunesmith.cli.command import command\n"
        "@command(uses_store=False, show=lambda result: click.echo(result['a']))\n"
        "def main(): return {'a': '\\xe9\\u2026'}\nmain()"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=60, check=False,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
    )  # fmt: skip
    assert (run.returncode, run.stdout, run.stderr) == (0, b"\xe9?\n", b"")


def test_a_name_that_the_encoding_lacks_is_said_in_one_line() -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    run = subprocess.run(
        [sys.executable, "-m", "tunesmith", "history", "noise", "--store", "/tmp/é"],  # noqa: S108
        capture_output=True, text=True, timeout=60, check=False, env=environment,
    )  # fmt: skip
    assert run.returncode == 2
    assert "Traceback" not in run.stderr
    assert "Set PYTHONUTF8=1" in run.stderr
