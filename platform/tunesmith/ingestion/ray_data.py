"""Work in pieces on the cluster, by Ray Data."""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

__all__ = ["data_context", "results_of"]


def results_of(
    work: Callable[..., Any], items: Sequence[Mapping[str, str]], arguments: Mapping[str, object]
) -> Iterator[Mapping[str, Any]]:
    """Yield the rows that `work` returns for each item, as the cluster finishes them.

    Parameters
    ----------
    work
        Function of a batch that holds one item; it runs on one CPU.
    items
        A row each.
    arguments
        Further arguments of `work` by name.
    """
    import ray.data

    context = data_context()
    # The command prints its own progress; Ray's notices would interrupt it.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    dataset = ray.data.from_items(list(items), override_num_blocks=len(items)).map_batches(
        work, batch_size=None, fn_kwargs=dict(arguments), num_cpus=1
    )
    yield from dataset.iter_rows()


def data_context() -> Any:
    """Return the settings of Ray Data, a `ray.data.DataContext`."""
    import ray.data

    with warnings.catch_warnings():
        # Ray's defaults set fields that Ray has deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        return ray.data.DataContext.get_current()
