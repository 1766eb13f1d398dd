"""The tutorial's convolutional network on MNIST."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from tunesmith.replications.contract import Measurement, Replication, Result, Row, Setting
from tunesmith.replications.training import Plan, cut_note, file_version, mean_of, train_and_judge
from tunesmith.tasks import Request, find_file, get_task

__all__ = ["REPLICATION"]

_FILES = ("mnist.npz",)
_EPOCHS = 5
_REFERENCE = get_task("mnist").reference
_TUTORIAL = Plan("image_cnn", dict(_REFERENCE.params) if _REFERENCE else {}, _EPOCHS)
_ADDED = "more layers, batch norm, images changed at random"
_BETTER = Plan.default("image_cnn", 8)


def _official(setting: Setting, plan: Plan) -> Result:
    data = get_task("mnist").read(setting.store, Request())
    train, test = np.flatnonzero(data.parts != "test"), np.flatnonzero(data.parts == "test")
    return train_and_judge(setting, plan, data.examples, train, test)


def _missing(setting: Setting) -> str | None:
    del setting
    if find_file(_FILES):
        return None
    return "keras.datasets.mnist.load_data() fetches mnist.npz; copy it to where TUNESMITH_DATA is"


def _rows(results: Mapping[str, Result]) -> list[Row]:
    better = mean_of(results, "better")
    remark = "The official test is fair; what is added are layers, batch norm and changed images."
    note = cut_note(results, "tutorial")
    if better is not None and (cut := cut_note(results, "better")):
        note = f"{note}; the better model {cut}".lstrip("; ")
    return [
        Row(
            protocol="accuracy on the official 10,000 test images",
            published=0.9876,
            same=mean_of(results, "tutorial"),
            better=None if better is None else (better, _ADDED),
            difference=remark,
            ran=note,
        )
    ]


REPLICATION = Replication(
    name="mnist",
    title="Tutorial 2023: one convolution on MNIST",
    task="mnist",
    missing=_missing,
    version=lambda _: file_version(_FILES),
    measurements=(
        Measurement(
            "tutorial", "the tutorial's network", _TUTORIAL.about(),
            partial(_official, plan=_TUTORIAL), 120,
        ),
        Measurement(
            "better", _ADDED, _BETTER.about(),
            partial(_official, plan=_BETTER), 600,
        ),
    ),
    rows=_rows,
)  # fmt: skip
