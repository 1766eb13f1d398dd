"""The command that runs the studies."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tunesmith.artifacts.store import Store
from tunesmith.cli.reproduce import main


def _run(folder: Path, *arguments: str) -> dict[str, object]:
    result = CliRunner().invoke(main, [*arguments, "--json", "--store", str(folder)])
    assert result.exit_code == 0, result.output
    facts: dict[str, object] = json.loads(result.stdout)
    return facts


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "digit"], "Did you mean digits"),
        (["--only", "digits/svm"], "no measurement of digits named 'svm'"),
        (["--dataset", "big4"], "write TASK=NAME"),
        (["--dataset", "genre=songs"], "write TASK=NAME"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, [*arguments, "--store", str(tmp_path)])
    assert result.exit_code == 2
    assert message in result.output


def test_studies_without_data_say_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESMITH_DATA", str(tmp_path))
    names = ("genre", "emotion", "mnist", "sentiment", "composer_lstm", "composer_all")
    facts = _run(tmp_path, *(word for name in names for word in ("--only", name)))
    assert facts["done"] == 0
    table = facts["table"]
    assert isinstance(table, list)
    said = {line["study"]: line["ran"] for line in table}
    assert {name for name, ran in said.items() if "its data is absent: " in ran} >= set(names)
    assert said["digits"] == "not run yet: tunesmith reproduce --only digits"
    text = Store(tmp_path).read_bytes("studies", "table.md").decode()
    assert "0.4597" in text
    assert "tunesmith ingest midi-big4.zip --name big4" in text


@pytest.mark.cluster
@pytest.mark.slow
def test_results_are_recorded_and_not_measured_twice(
    ray_cluster: dict[str, float], tmp_path: Path
) -> None:
    arguments = ("--quick", "--only", "digits")
    facts = _run(tmp_path, *arguments)
    assert facts["done"] == 4
    assert facts["failures"] == []
    record = tmp_path / "studies" / "digits" / "perceptron.json"
    before = record.read_bytes()
    again = _run(tmp_path, *arguments)
    assert again["table"] == facts["table"]
    assert record.read_bytes() == before
    table = facts["table"]
    assert isinstance(table, list)
    assert {line["study"] for line in table if line["ours"]} == {"digits"}
    assert "CUT DOWN" in (tmp_path / "studies" / "table.md").read_text()
