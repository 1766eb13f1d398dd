"""Datasets as tables."""

import sys

import numpy as np
import pytest

import tunesmith
from tunesmith.datasets.reader import open_dataset
from tunesmith.errors import DatasetError, UsageError
from tunesmith.extras import MissingPackageError
from tunesmith.tasks import Request, get_task


@pytest.fixture(scope="module")
def small(piece_store):
    return tunesmith.load_dataset("small", store=piece_store)


def test_pieces_name_their_split_and_keep_groups_whole(small):
    pieces = small.pieces
    assert list(pieces.columns[:4]) == ["piece_id", "path", "label", "split"]
    assert "pitch_mean" in pieces
    assert small.classes == ("Bach", "Chopin")
    known = pieces[pieces["split"].notna()]
    assert len(known) == 26
    assert set(known["split"]) == {"train", "validation", "test"}
    assert (known.groupby("cluster")["split"].nunique() == 1).all()
    assert pieces.loc[pieces["split"].isna(), "path"].str.contains("unknown").all()


def test_features_are_columns_with_the_names_of_the_manifest(small, piece_store):
    dataset = open_dataset(piece_store, "small")
    features = small.features
    assert list(features.columns) == ["label", "split", *dataset.manifest.feature_names]
    piece_id = features.index[5]
    np.testing.assert_array_equal(
        features.loc[piece_id].iloc[2:].to_numpy(np.float32), dataset.features([piece_id])[0]
    )


def test_notes_and_chunks_say_whose_they_are(small, piece_store):
    notes, chunks = small.notes, small.chunks
    assert len(notes) == open_dataset(piece_store, "small").manifest.counts.notes
    assert {"piece_id", "label", "split", "onset_s", "pitch", "velocity"} <= set(notes.columns)
    assert len(chunks) == small.dataset.manifest.counts.chunks
    assert chunks["roll"].iloc[0].shape == (150, 128)
    split = small.pieces.set_index("piece_id")["split"]
    for frame in (notes, chunks):
        assert frame["split"].equals(frame["piece_id"].map(split).rename("split"))


def test_a_roll_of_overlapping_chunks_holds_every_frame_once(small):
    piece_id = small.pieces["piece_id"].iloc[0]
    roll = small.roll(piece_id)
    own = small.chunks[small.chunks["piece_id"] == piece_id]
    assert len(own) > 1
    for start_s, chunk in zip(own["start_s"], own["roll"], strict=True):
        first = round(start_s * 10)
        np.testing.assert_array_equal(roll[first : first + 150], chunk[: len(roll) - first])
    assert len(roll) == round(own["start_s"].iloc[-1] * 10) + 150 - own["padded_frames"].iloc[-1]
    with pytest.raises(DatasetError, match="nowhere"):
        small.roll("nowhere")


@pytest.mark.parametrize("seed", [0, 3])
def test_the_split_of_a_task_is_the_one_that_a_search_uses(piece_store, seed):
    data = get_task("composer").read(piece_store, Request("small", seed=seed))
    frames = tunesmith.load_dataset("small", task="composer", seed=seed, store=piece_store)
    split = frames.pieces.set_index("piece_id")["split"]
    assert split.loc[list(data.examples.ids)].tolist() == data.parts.tolist()
    assert split.notna().sum() == len(data.examples)


def test_arrays_are_of_one_split_and_leave_out_what_has_no_label(small):
    x, y = small.arrays("features", "test")
    test = small.features[small.features["split"] == "test"]
    np.testing.assert_array_equal(x, test.iloc[:, 2:].to_numpy(np.float32))
    assert [small.classes[index] for index in y] == test["label"].tolist()
    rolls, of_rolls = small.arrays("chunks")
    assert rolls.shape == (len(of_rolls), 150, 128)
    assert len(rolls) == small.chunks["split"].notna().sum()


def test_wrong_names_are_answered_with_near_ones(small, piece_store):
    with pytest.raises(UsageError, match="Did you mean train"):
        small.arrays(split="trian")
    with pytest.raises(UsageError, match="Did you mean chunks"):
        small.arrays("chunk")
    with pytest.raises(UsageError, match="Did you mean small"):
        tunesmith.load_dataset("smal", store=piece_store)
    with pytest.raises(UsageError, match="Did you mean composer"):
        tunesmith.load_dataset("small", task="composr", store=piece_store)
    with pytest.raises(UsageError, match="of type int"):
        tunesmith.load_dataset(task=3)
    with pytest.raises(UsageError, match="Name a dataset"):
        tunesmith.load_dataset()
    with pytest.raises(UsageError, match="of type int"):
        tunesmith.open_store(3)


def test_a_task_alone_gives_its_items():
    digits = tunesmith.load_dataset(task="digits")
    assert digits.items["split"].value_counts().sum() == 1797
    assert list(digits.features.columns[:3]) == ["label", "split", "pixel_0_0"]
    x, y = digits.arrays(split="test")
    assert x.shape == (len(y), 64)
    assert "1797 images" in digits._repr_html_()


def test_it_is_shown_as_counts_by_label_and_split(small):
    assert repr(small) == f"PieceFrames('small', version='{small.version}', pieces=27, classes=2)"
    html = small._repr_html_()
    assert "small" in html
    assert "<th>Bach</th>" in html
    assert "<td>14</td>" in html


def test_names_in_html_are_escaped(small):
    frames = tunesmith.load_dataset("small", store=small.dataset.store)
    frames.pieces.loc[frames.pieces["label"] == "Bach", "label"] = "<script>"
    assert "<script>" not in frames._repr_html_()
    assert "&lt;script&gt;" in frames._repr_html_()


@pytest.mark.parametrize(
    ("method", "module", "advice"),
    [("to_tf", "tensorflow", "tunesmith"), ("to_torch", "torch", "pip install torch")],
)
def test_a_library_that_is_missing_is_named(small, monkeypatch, method, module, advice):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingPackageError, match=advice):
        getattr(small, method)()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorflow_gets_the_same_rows(small):
    pytest.importorskip("tensorflow")
    x, y = small.arrays("chunks", "train")
    pairs = list(small.to_tf("chunks", "train").as_numpy_iterator())
    np.testing.assert_array_equal(np.stack([pair[0] for pair in pairs]), x)
    assert [int(pair[1]) for pair in pairs] == y.tolist()


def test_pytorch_gets_the_same_rows(small):
    pytest.importorskip("torch")
    x, y = small.arrays("features", "train")
    pairs = small.to_torch("features", "train")
    assert len(pairs) == len(x)
    np.testing.assert_array_equal(pairs[3][0].numpy(), x[3])
    assert int(pairs[3][1]) == y[3]


@pytest.mark.cluster
@pytest.mark.slow
def test_ray_gets_the_same_rows(small, ray_cluster):
    x, y = small.arrays("chunks", "test")
    frame = small.to_ray("chunks", "test").to_pandas()
    assert list(frame.columns) == ["id", "label", "split", "x", "y"]
    np.testing.assert_array_equal(np.stack(list(frame["x"])), x)
    assert frame["y"].tolist() == y.tolist()
