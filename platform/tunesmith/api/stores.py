"""The store that a call of the public API reads and writes."""

from pathlib import Path

from tunesmith.artifacts.store import Store
from tunesmith.errors import UsageError

__all__ = ["AnyStore", "open_store"]

AnyStore = Store | str | Path
"""A store, or the folder or URI of one."""


def open_store(store: AnyStore | None = None) -> Store:
    """Open the store that holds datasets, runs, reports and models.

    Parameters
    ----------
    store
        A folder, a URI such as ``s3://bucket/prefix``, or a store that is open. Without one, the
        environment variable ``TUNESMITH_STORE``, else ``~/.tunesmith/store``.

    Returns
    -------
    Store
        Nothing is written before an artefact is.

    Raises
    ------
    UsageError
        When `store` is of another type.
    StoreError
        When no file system serves the URI.

    Examples
    --------
    >>> import tunesmith
    >>> tunesmith.open_store("/tmp/results")
    Store('/tmp/results')
    """
    given: object = store
    if isinstance(given, Store):
        return given
    if given is None or isinstance(given, str | Path):
        return Store(given)
    message = (
        f"The store is {given!r}, of type {type(given).__name__}. Give a folder, a URI such as "
        "s3://bucket/prefix, or what tunesmith.open_store returned."
    )
    raise UsageError(message)
