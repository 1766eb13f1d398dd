"""MNIST: the tutorial's convolutional network, on the official test images."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.preparation import ImagePreparation
from tunesmith.artifacts.store import Store
from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.splits import split_pieces
from tunesmith.inference.images import image_rows
from tunesmith.tasks.contract import Reference, Request, Task, TaskData
from tunesmith.tasks.support.keras_files import read_arrays
from tunesmith.tasks.support.splitting import content_version, equal_rows
from tunesmith.tasks.support.tables import data_folder, find_file

__all__ = ["TASK"]

_FILE = "mnist.npz"
_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_PREPARATION = ImagePreparation(height=28, width=28, whole_numbers=True, framing="centred")
_LEARNED = {"train": 0.9, "validation": 0.1}


def _read(store: Store, request: Request) -> TaskData:
    """Return the images; a tenth of the official training images is the validation part."""
    del store
    path = find_file((_FILE,))
    notes: tuple[str, ...] = ()
    if path is None:
        images, y, n_official = _stand_in()
        absent = (
            f"{_FILE} is not in {data_folder()}: keras.datasets.mnist.load_data() fetches it, "
            "copy it there. scikit-learn's DIGITS, ENLARGED, stand in for it."
        )
        notes = (absent,)
    else:
        images, y, n_official = _official(path)
    labels = y.astype(np.int64)
    groups = equal_rows(images)
    parts = np.full(len(y), "test", dtype="<U10")
    parts[:n_official] = split_pieces(
        labels[:n_official], groups[:n_official], _LEARNED, request.seed
    )
    examples = Examples(
        y=labels,
        classes=tuple(str(digit) for digit in range(10)),
        groups=groups,
        ids=[f"image-{index}" for index in range(len(y))],
        views={"image": View.one_row_each(image_rows(images, _PREPARATION))},
    )
    return TaskData(
        examples,
        parts,
        name=_FILE if path else "generated-sample",
        version=content_version(images, labels),
        preparation=_PREPARATION,
        notes=notes,
        is_sample=path is None,
        held_out="the official test images" if path else "the last quarter of the file",
        grouping="equal images",
    )


def _official(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], int]:
    arrays = read_arrays(path, _ARRAYS)
    images = np.concatenate([arrays["x_train"], arrays["x_test"]]).astype(np.uint8)
    y = np.concatenate([arrays["y_train"], arrays["y_test"]]).astype(np.uint8)
    return images, y, len(arrays["y_train"])


def _stand_in() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], int]:
    """Return scikit-learn's digits at three times their size, the last quarter as the test."""
    from sklearn.datasets import load_digits

    data = load_digits()
    enlarged = np.repeat(np.repeat(data.images * 15, 3, axis=1), 3, axis=2)
    images = np.pad(enlarged, ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    return images, data.target.astype(np.uint8), len(images) * 3 // 4


TASK = Task(
    name="mnist",
    title="Handwritten digits, 28 x 28 pixels",
    kind="image",
    families=("image_cnn",),
    metric="accuracy",
    unit="image",
    licence="CC BY-SA 3.0: MNIST, Y. LeCun and C. Cortes",
    read=_read,
    reference=Reference(
        "tutorial: one convolution, 5 epochs, official test",
        0.9876,
        family="image_cnn",
        params={
            "blocks": 1,
            "convolutions": 1,
            "width": 32,
            "padding": "same",
            "dense": 128,
            "batch_norm": False,
            "dropout": 0.0,
            "learning_rate": 1e-3,
            "weight_decay": 1e-6,
            "batch": 128,
            "shift_pixels": 0.0,
            "turn_degrees": 0.0,
            "stretch": 0.0,
            "slant_degrees": 0.0,
            "bend_pixels": 0.0,
        },
    ),
)
