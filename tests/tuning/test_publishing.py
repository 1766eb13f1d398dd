"""What a published run says of itself."""

from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.artifacts.searches import DataRequest
from tunesmith.tuning import publishing


@pytest.mark.parametrize(
    ("options", "title"),
    [
        ({}, "Genre of a song"),
        ({"csv": "folder/songs.csv"}, "Genre of a song"),
        ({"csv": "folder/songs.csv", "target": "style"}, "style of songs in songs.csv"),
    ],
)
def test_a_table_with_a_target_of_its_own_has_a_title_of_its_own(
    options: dict[str, Any], title: str
) -> None:
    task: Any = SimpleNamespace(title="Genre of a song", unit="song")
    assert publishing._title(task, DataRequest(options=options)) == title
