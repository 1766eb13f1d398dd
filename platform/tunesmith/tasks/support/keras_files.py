"""Reading the NPZ files of `keras.datasets` without Keras, and without unpickling anything.

``imdb.npz`` keeps its reviews as a pickled array of lists, and unpickling a file runs whatever code
it names. Lists of small integers need none of that: they are read here opcode by opcode, and
anything else in the file is refused.
"""

import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tunesmith.errors import DatasetError

__all__ = ["read_arrays", "read_integer_lists"]

# One integer of 1, 2 or 4 bytes, or a frame header, which carries nothing.
_INTEGER = rb"(?:K.|M..|J....|\x95.{8})"
_MEMO = rb"(?:\x94|q.|r....)?"
_FRAME = rb"(?:\x95.{8})?"
# An empty list, then its items in one or more batches, or a single appended item.
_LIST = re.compile(
    rb"%b\]%b((?:%b\(%b*e|%ba)*)" % (_FRAME, _MEMO, _FRAME, _INTEGER, _INTEGER), re.DOTALL
)
_TOKEN = re.compile(rb"\(|e|a|\x95.{8}|(K.|M..|J....)", re.DOTALL)
_BETWEEN = re.compile(rb"(?:\x95.{8}|e|\()*", re.DOTALL)
_WIDTHS = {b"K": "<B", b"M": "<H", b"J": "<i"}


def read_arrays(path: Path, names: tuple[str, ...]) -> dict[str, npt.NDArray[np.generic]]:
    """Return plain arrays of an NPZ file.

    Raises
    ------
    DatasetError
        When the file is not such a file or lacks an array.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        message = f"{path} is not the file it is named after: {error}. Fetch it again."
        raise DatasetError(message) from error


def read_integer_lists(path: Path, name: str) -> list[npt.NDArray[np.int32]]:
    """Return an array of lists of integers from an NPZ file, as a list of arrays.

    Raises
    ------
    DatasetError
        When the entry holds anything but lists of integers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            data = archive.read(f"{name}.npy")
    except (KeyError, OSError, zipfile.BadZipFile) as error:
        message = f"{path} has no {name}: {error}. Fetch it again."
        raise DatasetError(message) from error
    shape = re.search(rb"'shape': \((\d+),\)", data[:256])
    # The outer list comes after the description of the array, whose last item is a flag.
    start = re.search(rb"[\x88\x89]%b\]%b%b\(?" % (_FRAME, _MEMO, _FRAME), data, re.DOTALL)
    if shape is None or start is None:
        message = f"{name} in {path} is not an array of lists."
        raise DatasetError(message)
    wanted, position = int(shape.group(1)), start.end()
    lists: list[npt.NDArray[np.int32]] = []
    while len(lists) < wanted:
        between = _BETWEEN.match(data, position)
        position = between.end() if between else position
        numbers = _LIST.match(data, position)
        if numbers is None:
            message = (
                f"{name} in {path} holds something else than lists of integers at byte {position}."
            )
            raise DatasetError(message)
        lists.append(_integers(numbers.group(1)))
        position = numbers.end()
    return lists


def _integers(body: bytes) -> npt.NDArray[np.int32]:
    values = [
        struct.unpack(_WIDTHS[token[:1]], token[1:])[0] for token in _TOKEN.findall(body) if token
    ]
    return np.array(values, dtype=np.int32)
