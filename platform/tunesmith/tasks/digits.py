"""Handwritten digits of scikit-learn: the tutorial's multi-layer perceptron."""

import numpy as np

from tunesmith.artifacts.preparation import ImagePreparation
from tunesmith.artifacts.store import Store
from tunesmith.datasets.examples import Examples, View
from tunesmith.inference.images import image_rows
from tunesmith.tasks.contract import Reference, Request, Task, TaskData
from tunesmith.tasks.support.splitting import content_version

__all__ = ["TASK"]

_BLOCKS = 13
_TEST_BLOCKS = 3
_PREPARATION = ImagePreparation(height=8, width=8, largest=16, flat=True, whole_numbers=True)


def _read(store: Store, request: Request) -> TaskData:
    """Return 1,797 images of 8 x 8 pixels, blocks of the file kept together.

    The file's 13 writers follow each other, though the file does not say where one ends. Equal
    blocks in file order keep most of a writer's digits on one side.
    """
    del store
    from sklearn.datasets import load_digits

    data = load_digits()
    pixels, y = data.data, data.target
    block = np.arange(len(y)) * _BLOCKS // len(y)
    examples = Examples(
        y=y,
        classes=tuple(str(digit) for digit in range(10)),
        groups=block,
        ids=[f"digit-{index:04d}" for index in range(len(y))],
        views={
            "image": View.one_row_each(data.images.astype(np.uint8)),
            "features": View.one_row_each(image_rows(data.images, _PREPARATION).astype(np.float32)),
        },
    )
    parts = np.where(block >= _BLOCKS - _TEST_BLOCKS, "test", "train")
    held_out = np.random.default_rng(request.seed).choice(_BLOCKS - _TEST_BLOCKS, 2, replace=False)
    parts = np.where(np.isin(block, held_out), "validation", parts)
    return TaskData(
        examples,
        parts,
        name="digits",
        version=content_version(pixels, y),
        held_out=f"the last {_TEST_BLOCKS} of {_BLOCKS} blocks in file order, mostly other writers",
        grouping="images of one block",
        preparation=_PREPARATION,
    )


TASK = Task(
    name="digits",
    title="Handwritten digits, 8 x 8 pixels",
    kind="image",
    families=("image_svm", "svm", "ann", "mlp", "boosting", "linear"),
    metric="accuracy",
    unit="image",
    licence="CC BY 4.0: Optical Recognition of Handwritten Digits, UCI Machine Learning Repository",
    read=_read,
    folds=5,
    reference=Reference(
        "tutorial: MLP of 100 units, a random fifth held out",
        0.98,
        family="ann",
        params={
            "layers": 1,
            "units_0": 100,
            "dropout": 0.0,
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "batch": 100,
            "scaling": "standard",
        },
    ),
)
