import json

import pytest
from click.testing import CliRunner

from tests.in_process import ingest_in_process
from tunesmith.artifacts.store import Store
from tunesmith.cli.datasets import main
from tunesmith.ingestion import pipeline
from tunesmith.ingestion.parameters import IngestParameters


@pytest.fixture(scope="module")
def store(tmp_path_factory, midi_factory):
    """A store with a dataset in which one piece has two labels."""
    root = tmp_path_factory.mktemp("corpus")
    for label, seeds in {"Bach": (1, 2), "Chopin": (3, 4)}.items():
        (root / label).mkdir()
        for seed in seeds:
            (root / label / f"{seed}.mid").write_bytes(midi_factory(seed=seed, n_notes=200))
    (root / "Bach" / "again.mid").write_bytes(midi_factory(seed=3, n_notes=200, bpm=90))
    (root / "Bach" / "more.mid").write_bytes(midi_factory(seed=3, n_notes=200, bpm=100))
    store = Store(tmp_path_factory.mktemp("store"))
    with pytest.MonkeyPatch.context() as patch:
        ingest_in_process(patch)
        pipeline.ingest(store, [str(root)], "mixed")
    return store, root


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["doctor", *arguments], env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_from_the_list_to_a_corrected_version(store, tmp_path, monkeypatch):
    opened, root = store
    monkeypatch.chdir(tmp_path)
    uri = ["--store", opened.uri]
    code, output = run("mixed", "--accept", "1", *uri)
    assert (code, "no list of suspicions" in output) == (2, True)
    code, output = run("mixed", *uri)
    assert code == 0
    assert "1 of 6 labelled pieces may have a wrong label." in output
    assert "same music as" in output
    assert "doctor.html" in output
    code, output = run("mixed", "--json", *uri)
    result = json.loads(output[output.index("{") :])
    assert result["mixed_clusters"] == 1
    (suspicion,) = result["suspicions"]
    assert suspicion["path"].endswith("Chopin/3.mid")
    code, output = run("mixed", "--accept", "1", *uri)
    assert code == 0
    assert "mixed-corrections.csv: 1 label to correct." in output
    ingest_in_process(monkeypatch)
    parameters = IngestParameters(corrections="mixed-corrections.csv")
    manifest = pipeline.ingest(opened, [str(root)], "mixed", parameters)
    assert manifest.labels == {"Bach": 5, "Chopin": 1}
    code, output = run("mixed", *uri)
    assert "0 of 6 labelled pieces may have a wrong label." in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--accept", "one"], "'one' is no number"),
        (["--accept", "1-x"], "'1-x' is no number"),
        (["--output", "t.csv"], "--accept as well"),
    ],
)
def test_wrong_options_are_refused(store, arguments, message):
    code, output = run("mixed", *arguments, "--store", store[0].uri)
    assert code == 2
    assert message in output
