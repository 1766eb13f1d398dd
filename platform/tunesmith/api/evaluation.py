"""Evaluating a run."""

from collections.abc import Sequence

from tunesmith.api.extras import needs
from tunesmith.api.progress import Progress, silent
from tunesmith.api.results import Report, Run
from tunesmith.api.stores import AnyStore
from tunesmith.api.tasks import Plugins, run_of, using_plugins
from tunesmith.reports.publishing import make_report
from tunesmith.tasks import Task

__all__ = ["evaluate"]


@needs("tunesmith.evaluate", "train")
def evaluate(
    task: str | Task | Run,
    *,
    run: str | None = None,
    dataset: Sequence[str] = (),
    plugin: Plugins = (),
    store: AnyStore | None = None,
    progress: Progress = silent,
) -> Report:
    """Measure the winner of a search on items that the search never saw, and write the report.

    Parameters
    ----------
    task
        A run, as `tune` returned it, or the task whose run is meant.
    run
        Name of the run; the task's latest by default.
    dataset
        Names of other datasets to judge a model of MIDI on. Near-duplicates of the pieces that it
        learned from are left out.
    plugin
        Python or YAML files with tasks or families of your own.
    store
        A folder, URI or store; see `open_store`. The run's own by default.
    progress
        Called with each line of progress, such as ``print``; silent by default.

    Returns
    -------
    Report
        Metrics with intervals, baselines, predictions and figures; also written as an HTML page.

    Raises
    ------
    UsageError
        When there is no such task or run; the message names near ones.
    StoreError
        When the task has no run.
    ModelError
        When the model does not fit the data.

    Examples
    --------
    >>> import tunesmith
    >>> report = tunesmith.evaluate("composer")  # doctest: +SKIP
    >>> report.metrics.loc["macro_f1", "value"]  # doctest: +SKIP
    0.895
    """
    names = (dataset,) if isinstance(dataset, str) else tuple(dataset)
    with using_plugins(plugin):
        opened, name, run_id = run_of(task, run, store)
        return Report(make_report(opened, name, run_id, datasets=names, say=progress))
