"""Event files of a search, as TensorBoard's page of settings reads them."""

import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

from tunesmith.models import get_family
from tunesmith.tuning.tensorboard import EventFiles, settings_of_all


def test_the_list_of_settings_is_of_all_families_and_stands_once(tmp_path: Path) -> None:
    events = EventFiles({"noise": tmp_path}, ["linear", "boosting"])
    events.setup()
    for number, family in enumerate(["linear", "boosting"]):
        params = get_family(family).default()
        trial: Any = SimpleNamespace(
            trial_id=str(number),
            config={"task": "noise", "trial": number, "family": family, "params": params},
            last_result={"score": 0.5},
        )
        events.on_trial_result(0, [], trial, {"score": 0.5, "training_iteration": 1})
        events.on_trial_complete(0, [], trial)
    lists = {path: names for path in tmp_path.rglob("events*") if (names := _listed(path))}
    assert [path.parent for path in lists] == [tmp_path]
    (names,) = lists.values()
    assert {"family", *get_family("linear").default(), *get_family("boosting").default()} <= names


def test_a_setting_of_two_kinds_is_text() -> None:
    settings = settings_of_all(["linear", "boosting"])
    assert isinstance(settings["C"], float)
    assert all(isinstance(value, bool | int | float | str) for value in settings.values())


def test_a_setting_may_have_other_choices_in_each_family() -> None:
    settings = settings_of_all(["svm", "ann"])
    assert settings["scaling"] in {"standard", "minmax"}


def _listed(path: Path) -> set[str]:
    """Return the names of settings that an event file lists for all trials."""
    names: set[str] = set()
    data, place = path.read_bytes(), 0
    while place < len(data):
        # A record is its length, a checksum of that, its content and a checksum of this.
        (length,) = struct.unpack_from("<Q", data, place)
        event = Event.FromString(data[place + 12 : place + 12 + length])
        place += 12 + length + 4
        for value in event.summary.value:
            if value.tag == "_hparams_/experiment":
                content = HParamsPluginData.FromString(value.metadata.plugin_data.content)
                names |= {info.name for info in content.experiment.hparam_infos}
    return names
