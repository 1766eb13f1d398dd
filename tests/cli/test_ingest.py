import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.in_process import ingest_in_process
from tunesmith.artifacts.store import Store
from tunesmith.cli import datasets as datasets_job
from tunesmith.cli import ingest as ingest_job
from tunesmith.datasets.reader import open_dataset

ROOT = Path(__file__).parents[2]


@pytest.fixture
def without_ray(monkeypatch):
    ingest_in_process(monkeypatch)
    monkeypatch.setattr("tunesmith.cluster.connection.connect", lambda *_, **__: None)


@pytest.fixture
def corpus(tmp_path, midi_factory):
    root = tmp_path / "corpus"
    for composer, seeds in {"Bach": range(4), "Chopin": range(10, 13)}.items():
        (root / composer).mkdir(parents=True)
        for seed in seeds:
            (root / composer / f"{seed}.mid").write_bytes(midi_factory(seed=seed))
    (root / "Bach" / "copy.mid").write_bytes(midi_factory(seed=0))
    return root


def run(job, *arguments):
    return CliRunner().invoke(job.main, [str(argument) for argument in arguments])


@pytest.mark.usefixtures("without_ray")
def test_tells_what_became_of_every_file(store, corpus):
    done = run(ingest_job, corpus, "--name", "small", "--store", store.uri)
    assert done.exit_code == 0, done.output
    assert "8 found = 7 kept + 1 duplicate + 0 rejected" in done.output
    assert "Bach 4, Chopin 3" in done.output
    assert "a random split would have put" in done.output


@pytest.mark.usefixtures("without_ray")
def test_json_is_one_object_whose_counts_reconcile(store, corpus):
    done = run(ingest_job, corpus, "--name", "small", "--store", store.uri, "--json")
    result = json.loads(done.stdout)
    counts = result["counts"]
    assert counts["found"] == counts["kept"] + counts["duplicate"] + counts["rejected"] == 8
    assert open_dataset(store, "small").version == result["version"]


def test_a_dry_run_reads_nothing_and_writes_nothing(store, corpus):
    (corpus / "Bach" / "bad.zip").write_bytes(b"no archive")
    done = run(ingest_job, corpus, "--name", "small", "--store", store.uri, "--dry-run")
    assert done.exit_code == 0
    assert "8 files would be read (8 .mid), 0 ignored." in done.output
    assert re.search(r"5 +Bach", done.output)
    assert "bad.zip: The archive cannot be opened" in done.output
    assert not Path(store.uri).exists()


@pytest.mark.usefixtures("without_ray")
def test_the_card_is_drawn_on_request(store, corpus):
    done = run(ingest_job, corpus, "--name", "small", "--store", store.uri, "--card", "--json")
    card = Path(json.loads(done.stdout)["card"])
    assert card.name == "card.html"
    assert card.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "foldr"], "Did you mean folder"),
        (["--composers", "bach,chopain"], "Did you mean Chopin"),
        (["--chunk-frames", "0"], "chunk_frames"),
        (["--hop-frames", "151"], "above chunk_frames"),
        (["--loss-budget", "2"], "loss_budget"),
        (["--parameters", "/no/where.yaml"], "cannot be read"),
        (["--name", "../x"], "cannot name a dataset"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_to_do(store, corpus, arguments, message):
    done = run(ingest_job, corpus, "--name", "small", "--store", store.uri, *arguments)
    assert done.exit_code == 2
    assert message in done.output


@pytest.mark.usefixtures("without_ray")
def test_parameters_from_yaml_and_options_win(store, corpus, tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("chunk_frames: 40\nframes_per_second: 4\nlimits: {max_notes: 1000}\n")
    done = run(
        ingest_job, corpus, "--name", "small", "--store", store.uri,
        "--parameters", path, "--frames-per-second", "8",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    made = open_dataset(store, "small").manifest.parameters
    assert (made["chunk_frames"], made["hop_frames"], made["frames_per_second"]) == (40, 40, 8)
    path.write_text("chunk_frame: 40\n")
    done = run(ingest_job, corpus, "--name", "x", "--store", store.uri, "--parameters", path)
    assert done.exit_code == 2
    assert "chunk_frame: Extra inputs" in done.output


@pytest.mark.usefixtures("without_ray")
def test_a_music21_collection_is_a_source(store, tmp_path, midi_factory, monkeypatch):
    from tunesmith.ingestion import corpus as music21

    asked = []

    def export(folder, pieces):
        asked.append(pieces)
        (folder / "Bach").mkdir(parents=True)
        (folder / "Bach" / "bwv1.mid").write_bytes(midi_factory())
        return music21.ScoreExport(folder, 1, 0, (("Bach/bwv2.mid", "no notes"),))

    monkeypatch.setattr(music21, "export_scores", export)
    monkeypatch.setenv("HOME", str(tmp_path))
    done = run(ingest_job, "music21:bach:2", "--name", "small", "--store", store.uri)
    assert done.exit_code == 0, done.output
    assert asked == [{"bach": 2}]
    assert "cannot write Bach/bwv2.mid" in done.output
    assert open_dataset(store, "small").labels == ["Bach"]
    for arguments in (["music21:bach:x"], ["music21:bach", "--dry-run"]):
        assert run(ingest_job, *arguments, "--name", "x", "--store", store.uri).exit_code == 2


@pytest.mark.usefixtures("without_ray")
def test_datasets_list_show_remove(store, corpus, midi_factory):
    assert "There is no dataset yet" in run(datasets_job, "list", "--store", store.uri).output
    run(ingest_job, corpus, "--name", "small", "--store", store.uri)
    first = open_dataset(store, "small").version
    (corpus / "Chopin" / "new.mid").write_bytes(midi_factory(seed=99))
    run(ingest_job, corpus, "--name", "small", "--store", store.uri)
    second = open_dataset(store, "small").version

    listed = json.loads(run(datasets_job, "list", "--store", store.uri, "--json").stdout)
    assert [(v["version"], v["latest"]) for v in listed["versions"]] == [
        (first, False), (second, True),
    ]  # fmt: skip
    shown = run(datasets_job, "show", "small", "--version", first, "--store", store.uri)
    assert "8 found, 7 kept" in shown.output
    removed = run(datasets_job, "remove", "small", second, "--store", store.uri)
    assert f"the latest is now {first}" in removed.output
    assert open_dataset(store, "small").version == first
    wrong = run(datasets_job, "remove", "small", "000000000000", "--store", store.uri)
    assert wrong.exit_code == 2
    run(datasets_job, "remove", "small", first, "--store", store.uri)
    gone = run(datasets_job, "show", "small", "--store", store.uri)
    assert gone.exit_code == 2


@pytest.mark.slow
@pytest.mark.cluster
def test_the_command_by_hand(tmp_path, corpus):
    command = [
        sys.executable, "jobs/ingest.py", str(corpus), "--name", "small",
        "--store", str(tmp_path / "store"), "--json",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["counts"]["kept"] == 7
    assert len(open_dataset(Store(tmp_path / "store"), "small").chunks()) > 0
