import pytest
from pydantic import ValidationError

from tunesmith.artifacts.manifest import (
    Counts,
    check_name,
    dataset_names,
    latest_version,
    read_manifest,
)
from tunesmith.errors import DatasetError, UsageError


def test_counts_that_do_not_reconcile_cannot_exist():
    with pytest.raises(ValidationError, match="found 5 is not kept 3"):
        Counts(found=5, kept=3, duplicate=1, rejected=0, chunks=0, notes=0)


def test_a_dataset_that_is_not_there(store):
    with pytest.raises(UsageError, match=r"no dataset named 'x'.*none yet"):
        latest_version(store, "x")


def test_a_version_that_is_not_there(dataset):
    with pytest.raises(UsageError, match=f"Known: {dataset.version}"):
        read_manifest(dataset.store, "small", "0" * 12)


def test_a_damaged_manifest_is_told(store):
    store.write_json({"name": "x"}, "datasets", "x", "v", "manifest.json")
    with pytest.raises(DatasetError, match="damaged"):
        read_manifest(store, "x", "v")


def test_a_folder_without_a_manifest_is_no_version(store):
    store.write_bytes(b"", "datasets", "x", "half", "pieces", "part-00000.parquet")
    assert dataset_names(store) == []


@pytest.mark.parametrize("name", ["a", "big4", "midi-classical_2.0"])
def test_names(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "a/b", "..", ".x", "a b", "-", "ä"])
def test_names_that_are_no_folder_names(name):
    with pytest.raises(UsageError, match="cannot name a dataset"):
        check_name(name)
