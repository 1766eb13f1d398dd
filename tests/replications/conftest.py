"""The small dataset of the tasks' tests."""

from tests.tasks.conftest import music_store

__all__ = ["music_store"]
