"""Reading lists of integers without unpickling them."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.errors import DatasetError
from tunesmith.tasks.support.keras_files import read_arrays, read_integer_lists


def _write(path: Path, rows: list[list[int]], protocol: int = 4) -> None:
    """Write what `numpy.savez` writes for an array of lists, with any protocol of pickle."""
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    header = f"{{'descr': '|O', 'fortran_order': False, 'shape': ({len(rows)},), }}"
    header += " " * (118 - 1 - len(header)) + "\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", content + pickle.dumps(array, protocol=protocol))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 90_000), max_size=30), min_size=1, max_size=20),
    st.sampled_from([2, 3, 4, 5]),
)
def test_lists_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[int]], protocol: int
) -> None:
    path = tmp_path_factory.mktemp("npz") / "x.npz"
    _write(path, rows, protocol)
    assert [row.tolist() for row in read_integer_lists(path, "x")] == rows


def test_long_lists_and_many_of_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 88_000, rng.integers(1, 2600)).tolist() for _ in range(2100)]
    _write(tmp_path / "x.npz", rows)
    assert [row.tolist() for row in read_integer_lists(tmp_path / "x.npz", "x")] == rows


def test_what_numpy_itself_writes_is_read(tmp_path: Path) -> None:
    rows = np.empty(2, dtype=object)
    rows[:] = [[1, 2, 300], [70_000]]
    np.savez(tmp_path / "x.npz", x=rows, y=np.arange(2))
    found = read_integer_lists(tmp_path / "x.npz", "x")
    assert [row.tolist() for row in found] == rows.tolist()
    assert read_arrays(tmp_path / "x.npz", ("y",))["y"].tolist() == [0, 1]


class _Command:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("never-made"),))  # type: ignore[return-value]


def test_code_in_the_file_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = np.empty(2, dtype=object)
    rows[:] = [[1, 2], _Command()]
    np.savez(tmp_path / "x.npz", x=rows)
    with pytest.raises(DatasetError, match="something else than lists of integers"):
        read_integer_lists(tmp_path / "x.npz", "x")
    assert not Path("never-made").exists()


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"no zip")
    with pytest.raises(DatasetError, match="Fetch it again"):
        read_integer_lists(tmp_path / "x.npz", "x")
    with pytest.raises(DatasetError, match="Fetch it again"):
        read_arrays(tmp_path / "x.npz", ("y",))
    np.savez(tmp_path / "y.npz", x=np.arange(3))
    with pytest.raises(DatasetError, match="not an array of lists"):
        read_integer_lists(tmp_path / "y.npz", "x")
    with pytest.raises(DatasetError, match="Fetch it again"):
        read_arrays(tmp_path / "y.npz", ("absent",))
