"""Promoted models, loaded to predict."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import tunesmith
from tests.audio.sounds import MELODY, encoded, wav
from tests.serving.conftest import COMPOSERS, write_bundle
from tunesmith.errors import MidiError, ModelError, StoreError, UsageError

SONG = {"danceability": 0.5, "energy": 0.4, "tempo": 120.0}


def load(store, task="composer", **options):
    write_bundle(store, task=task, favour=1, **options)
    return tunesmith.load_model(task, store=store)


@pytest.fixture
def piece(tmp_path, midi_factory):
    path = tmp_path / "piece.mid"
    path.write_bytes(midi_factory(seed=1))
    return path


@pytest.mark.parametrize("inputs", [("chunks",), ("features",), ("chunks", "features")])
def test_a_piece_gets_a_label_probabilities_and_segments(store, piece, inputs):
    model = load(store, inputs=inputs)
    answer = model.predict(piece)
    assert answer.label == "Beethoven"
    assert answer.probability == max(answer.probabilities.values())
    assert set(answer.probabilities) == set(COMPOSERS)
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert list(answer.segments.columns) == ["start_s", "label", "probability"]
    assert answer.segments["start_s"].iloc[0] == 0
    assert repr(answer).startswith("Prediction('Beethoven', probability=0.")
    assert model.predict(piece.read_bytes()).probabilities == answer.probabilities
    assert model.predict(str(piece)).probabilities == answer.probabilities


def test_many_pieces_get_a_row_each_in_their_order(store, piece):
    model = load(store)
    answers = model.predict([piece, str(piece)])
    assert list(answers.columns) == ["label", "probability", *(f"p_{name}" for name in COMPOSERS)]
    assert list(answers.index) == [str(piece)] * 2
    alone = model.predict(piece)
    assert answers["p_Chopin"].iloc[1] == pytest.approx(alone.probabilities["Chopin"])
    column = model.predict(pd.Series([piece], index=["a"]))
    assert list(column.index) == ["a"]
    assert model.predict([]).empty


def test_a_recording_is_transcribed_and_says_so(store, piece, tmp_path):
    recording = tmp_path / "piece.flac"
    recording.write_bytes(encoded("flac", MELODY))
    model = load(store)
    answer = model.predict(recording)
    assert answer.label == "Beethoven"
    assert 0.4 < answer.transcription.certainty < 1
    assert answer.transcription.heard_s == pytest.approx(4.25, abs=0.1)
    assert model.predict(piece).transcription is None
    frame = model.predict([recording, piece])
    assert frame["certainty"].tolist() == [
        answer.transcription.certainty,
        pytest.approx(np.nan, nan_ok=True),
    ]
    silent = tmp_path / "silent.wav"
    silent.write_bytes(wav(np.zeros(50_000)))
    with pytest.raises(MidiError, match=r"silent\.wav: No music heard"):
        model.predict(silent)


def test_a_table_gets_a_row_each_and_keeps_its_index(store):
    model = load(store, "genre")
    frame = pd.DataFrame([SONG, SONG | {"energy": 0.2}], index=[7, 9]).assign(other="x")
    answers = model.predict(frame)
    assert list(answers.index) == [7, 9]
    assert set(answers["label"]) <= {"Jazz", "Rock"}
    alone = model.predict(SONG | {"energy": 0.2})
    assert answers.loc[9, "probability"] == pytest.approx(alone.probability)
    assert model.predict(frame.iloc[1]).probabilities == alone.probabilities


def test_a_missing_column_is_named(store):
    model = load(store, "genre")
    with pytest.raises(tunesmith.TunesmithError, match="tempo"):
        model.predict(pd.DataFrame([SONG]).drop(columns="tempo"))


def test_an_item_without_an_answer_is_an_error_that_names_it(store):
    # This model cannot take a missing value, and says so by NaN.
    with pytest.raises(ModelError, match="Item 1 of 2"):
        load(store, "genre").predict([SONG, SONG | {"energy": None}])


def test_images_and_texts_are_read_too(store):
    digits = load(store, "digits")
    images = np.arange(128, dtype=np.float32).reshape(2, 8, 8) / 8
    many = digits.predict(images)
    assert len(many) == 2
    assert many["label"].iloc[1] == digits.predict(images[1]).label
    assert load(store, "sentiment").predict("A fine, good film").label in {"negative", "positive"}


def test_wrong_items_are_refused_with_what_the_model_reads(store, tmp_path):
    model = load(store)
    with pytest.raises(UsageError, match="MIDI files"):
        model.predict(3)
    with pytest.raises(UsageError, match="one column of the DataFrame"):
        model.predict(pd.DataFrame([SONG]))
    with pytest.raises(UsageError, match=r"nowhere\.mid cannot be read: No such file"):
        model.predict("nowhere.mid")
    (tmp_path / "text.mid").write_text("no music")
    with pytest.raises(MidiError, match=r"text\.mid"):
        model.predict(tmp_path / "text.mid")
    with pytest.raises(UsageError, match="rows of a table"):
        load(store, "genre").predict("song")


def test_versions_and_aliases(store):
    write_bundle(store, 1)
    write_bundle(store, 2)
    assert tunesmith.load_model("composer", store=store).version == 2
    assert tunesmith.load_model("composer", version=1, store=store).version == 1
    assert tunesmith.load_model("composer", version="champion", store=store.uri).version == 2
    with pytest.raises(UsageError, match="Did you mean champion"):
        tunesmith.load_model("composer", version="champoin", store=store)
    with pytest.raises(UsageError, match="no previous in"):
        tunesmith.load_model("composer", version="previous", store=store)
    with pytest.raises(UsageError, match="Did you mean composer"):
        tunesmith.load_model("composr", store=store)
    with pytest.raises(StoreError, match="no version 9"):
        tunesmith.load_model("composer", version=9, store=store)


def test_a_store_without_models_says_what_to_do(store):
    with pytest.raises(UsageError, match=r"tunesmith promote composer"):
        tunesmith.load_model("composer", store=store)


def test_it_is_shown_with_its_accuracy_and_aliases(store, midi_factory):
    model = load(store)
    assert repr(model) == "Model('composer', version=1, accuracy=0.900)"
    html = model._repr_html_()
    assert "champion" in html
    assert "0.900 [0.850, 0.940]" in html
    assert "Beethoven: " in model.predict(midi_factory(seed=1))._repr_html_()


def test_neither_ray_nor_tensorflow_is_loaded_to_predict(store):
    write_bundle(store, task="genre")
    program = (
        "import sys, tunesmith; "
        f"tunesmith.load_model('genre', store={store.uri!r}).predict({SONG!r}); "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert "onnxruntime" in run.stdout.split()
    assert not {"ray", "tensorflow", "keras"} & set(run.stdout.split())


def test_a_missing_runtime_is_named_with_its_extra(store, monkeypatch):
    model = load(store, "genre")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(tunesmith.TunesmithError, match=r"Model\.predict needs onnxruntime"):
        model.predict(SONG)
