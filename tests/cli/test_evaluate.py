import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from tests import artefacts
from tunesmith.cli.evaluate import main


@pytest.fixture
def searched(store, monkeypatch):
    examples = artefacts.make_examples()
    artefacts.write_run(store, examples, artefacts.chunk_model(artefacts.register_weights()))
    artefacts.stand_in(monkeypatch, examples)
    return store


def test_prints_every_metric_per_piece_and_per_chunk_beside_the_majority(searched):
    result = CliRunner().invoke(main, ["composer", "--store", searched.uri])
    assert result.exit_code == 0, result.stderr
    for word in (
        "per piece",
        "per chunk",
        "majority",
        "balanced accuracy",
        "macro f1",
        "report.html",
    ):
        assert word in result.stdout
    facts = searched.read_json("reports", "composer", "r1", "report.json")
    figure = facts["metrics"]["piece"]["accuracy"]
    assert f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]" in result.stdout


def test_json_is_one_object_and_nothing_else(searched):
    result = CliRunner().invoke(main, ["composer", "--store", searched.uri, "--json"])
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    assert facts["metrics"]["piece"]["macro_f1"]["low"] > 0
    assert facts["report"].endswith("reports/composer/r1/report.html")


def test_a_task_that_was_not_searched_ends_with_the_command_to_run(store):
    result = CliRunner().invoke(main, ["composer", "--store", store.uri])
    assert result.exit_code == 1
    assert "tunesmith tune composer" in result.stderr
    assert not result.stdout


def test_prints_what_the_leak_checks_found(store, monkeypatch):
    examples = artefacts.make_examples()
    artefacts.write_run(store, examples, artefacts.chunk_model(artefacts.register_weights()))
    one_group = replace(examples, groups=np.zeros(len(examples), dtype=np.int64))
    artefacts.stand_in(monkeypatch, one_group, drawn=False)
    result = CliRunner().invoke(main, ["composer", "--store", store.uri])
    assert result.exit_code == 0, result.stderr
    assert "LEAK, groups on both sides:" in result.stdout


def test_prints_false_alarms_and_coverage(store, monkeypatch):
    examples = artefacts.make_examples()
    artefacts.write_run(store, examples, artefacts.chunk_model(artefacts.register_weights()))
    artefacts.add_detector(store)
    artefacts.stand_in(monkeypatch, examples)
    result = CliRunner().invoke(main, ["composer", "--store", store.uri])
    assert result.exit_code == 0, result.stderr
    scores = store.read_json("reports", "composer", "r1", "report.json")["open_set"]
    alarms, coverage = scores["false_alarms"]["value"], scores["coverage"]["value"]
    assert 0 < alarms < 1
    assert f"None of these: {alarms:.1%} of the test pieces are false alarms" in result.stdout
    assert f"Sets of labels for 90 %: {coverage:.1%} hold the true one" in result.stdout
    assert set(scores["false_alarms_by_class"]) == set(artefacts.CLASSES)
    page = store.read_bytes("reports", "composer", "r1", "report.html").decode()
    assert "None of these" in page
    assert "40 of other@1 of 8 labels" in page
    assert "It recognised 75% of 40 pieces of 8 labels that it had not met" in page
