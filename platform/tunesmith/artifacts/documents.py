"""The base of every JSON file in the store: typed, with the version of its schema.

A file of an earlier version is upgraded while it is read, or refused with what to do. A file of a
later version is refused, because what it says may mean something else. Fields that a reader does
not know are left out: a new field that older readers can do without needs no new version.
"""

from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from tunesmith.artifacts.store import Staging, Store
from tunesmith.errors import NotInStoreError, StoreError, TunesmithError

__all__ = ["Document", "JsonObject", "Section", "absent"]

JsonObject = dict[str, JsonValue]
"""A JSON object whose keys belong to somebody else: settings of a family, options of a reader."""

_MOST_FAULTS = 3


def _is_none(value: object) -> bool:
    return value is None


def absent(description: str = "", *, alias: str | None = None) -> Any:
    """Return a field that stands in the file only where it has a value."""
    return Field(default=None, description=description, alias=alias, exclude_if=_is_none)


class Section(BaseModel):
    """A part of a JSON file."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)

    def json_object(self) -> JsonObject:
        """Return the part as JSON holds it."""
        return self.model_dump(mode="json")


class Document(Section):
    """A JSON file of the store.

    `SCHEMA_VERSION` is the version that is written. Files made before versions were written count
    as version 0. `REMEDY` is what to do about a file that cannot be read.
    """

    SCHEMA_VERSION: ClassVar[int] = 1
    REMEDY: ClassVar[str] = "Make it again."
    ERROR: ClassVar[type[TunesmithError]] = StoreError

    schema_version: int = Field(default=1, description="Version of this file's schema.")

    @classmethod
    def upgrade(cls, content: JsonObject, version: int) -> dict[str, object]:
        """Return the content of an earlier version as this one would have written it.

        Parameters
        ----------
        content
            The JSON object as it was read.
        version
            The version that wrote it, 0 for files without a version.
        """
        del version
        return {**content}

    @classmethod
    def parse(cls, content: object, where: str) -> Self:
        """Return the document that a JSON value holds.

        Parameters
        ----------
        content
            The JSON value.
        where
            The file's name, for messages.

        Raises
        ------
        TunesmithError
            When it is damaged or was written by a later version; `ERROR` says of which kind.
        """
        if not isinstance(content, dict):
            message = f"{where} is damaged: it is not a JSON object. {cls.REMEDY}"
            raise cls.ERROR(message)
        version = content.get("schema_version", 0)
        if not isinstance(version, int) or version > cls.SCHEMA_VERSION:
            message = (
                f"{where} has schema version {version}; this Tunesmith reads versions up to "
                f"{cls.SCHEMA_VERSION}. Install the release that wrote it, or a later one."
            )
            raise cls.ERROR(message)
        try:
            if version < cls.SCHEMA_VERSION:
                upgraded = cls.upgrade(content, version)
                content = {**upgraded, "schema_version": cls.SCHEMA_VERSION}
            return cls.model_validate(content)
        except (ValidationError, KeyError, TypeError, AttributeError) as error:
            earlier = "" if version else " or was written by an earlier version"
            message = f"{where} is damaged{earlier}: {_faults(error)}. {cls.REMEDY}"
            raise cls.ERROR(message) from error

    @classmethod
    def read(cls, store: Store, *parts: str) -> Self:
        """Return the document in a file of the store.

        Raises
        ------
        StoreError
            When there is no such file or it is not JSON.
        TunesmithError
            As in `parse`.
        """
        return cls.parse(store.read_json(*parts), f"{'/'.join(parts)} in the store {store.shown}")

    @classmethod
    def find(cls, store: Store, *parts: str) -> Self | None:
        """Return the document in a file of the store, None where there is no such file.

        Raises
        ------
        TunesmithError
            As in `read`, for a file that is there.
        """
        # Asking first whether it is there would cost a bucket's server a request more.
        try:
            return cls.read(store, *parts)
        except NotInStoreError:
            return None

    def write(self, target: Store | Staging, *parts: str) -> None:
        """Write the document into a file of a store or of a folder that is being built."""
        target.write_json(self.json_object(), *parts)


def _faults(error: Exception) -> str:
    """Return what is wrong with a file, the first few faults."""
    if not isinstance(error, ValidationError):
        return f"{type(error).__name__} {error}"
    faults = error.errors(include_url=False)
    lines = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults]
    more = f"; and {len(lines) - _MOST_FAULTS} more" if len(lines) > _MOST_FAULTS else ""
    return "; ".join(lines[:_MOST_FAULTS]) + more
