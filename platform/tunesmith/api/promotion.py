"""Promoting a run's model."""

from collections.abc import Callable
from dataclasses import dataclass

from tunesmith.api.extras import needs
from tunesmith.api.models import Model
from tunesmith.api.progress import Progress, silent
from tunesmith.api.results import Run
from tunesmith.api.stores import AnyStore
from tunesmith.api.tasks import Plugins, run_of, using_plugins
from tunesmith.artifacts.store import Store
from tunesmith.inference.smoke import Bounds
from tunesmith.registry import Bundle, Catalogued, aliases, catalogue_or_say, line_of, open_run
from tunesmith.registry import promote as through_gate
from tunesmith.reports.publishing import ensure_report
from tunesmith.tasks import Task

__all__ = ["Promotion", "promote", "promote_run"]


@dataclass(frozen=True)
class Promotion:
    """The end of a promotion that the gate let through.

    Attributes
    ----------
    bundle
        The champion.
    moved
        Whether it became the champion now; False where it was before.
    replaced
        Version of the champion before it.
    catalogued
        Its entry in MLflow's registry, None where MLflow is unavailable.
    """

    bundle: Bundle
    moved: bool
    replaced: int | None
    catalogued: Catalogued | None


def promote_run(
    store: Store,
    task: str,
    run_id: str | None,
    *,
    force: str | None,
    memory_mb: int,
    baseline: bool = False,
    say: Callable[[str], None],
) -> Promotion:
    """Evaluate a run where its report is out of date, and make its model the champion.

    Raises
    ------
    Refused
        When the gate refuses the model; the champion is as it was.
    """
    if baseline:
        from tunesmith.tuning.baseline import baseline_run

        simple = baseline_run(open_run(store, task, run_id))
        say(f"The baseline, logistic regression, is run {simple.run_id}.")
        run_id = simple.run_id
    report, made = ensure_report(store, task, run_id)
    if made:
        say(f"Evaluated run {report.run_id} first.")
    line = line_of(open_run(store, task, report.run_id))
    before = aliases(store, line)
    bounds = Bounds(memory_bytes=memory_mb * 1_000_000)
    try:
        bundle = through_gate(store, task, report.run_id, force=force, bounds=bounds)
    finally:
        catalogued = catalogue_or_say(store, line, say)
    moved = aliases(store, line).record != before.record
    return Promotion(bundle, moved, before.champion if moved else None, catalogued)


@needs("tunesmith.promote", "train")
def promote(
    task: str | Task | Run,
    *,
    run: str | None = None,
    force: str | None = None,
    memory_mb: int = 1000,
    baseline: bool = False,
    plugin: Plugins = (),
    store: AnyStore | None = None,
    progress: Progress = silent,
) -> Model:
    """Make a run's model the champion of its task, if the gate lets it through.

    The run is evaluated first where its report is out of date. Promoting the champion again does
    nothing.

    Parameters
    ----------
    task
        A run, as `tune` returned it, or the task whose run is meant.
    run
        Name of the run; the task's latest by default.
    force
        A reason to overrule the rules of judgement (better, baseline, leaks, noise); the history
        keeps it.
    memory_mb
        Memory that a serving process can spare, in MB.
    baseline
        Whether logistic regression on the same data and split is trained, evaluated and promoted
        in place of the run's model.
    plugin
        Python or YAML files with tasks or families of your own.
    store
        A folder, URI or store; see `open_store`. The run's own by default.
    progress
        Called with each line of progress, such as ``print``; silent by default.

    Returns
    -------
    Model
        The champion, ready to predict.

    Raises
    ------
    PromotionError
        When the gate refuses the model: the rules and by how much. The champion is as it was.
    UsageError
        When there is no such task or run; the message names near ones.
    StoreError
        When the task has no run.

    Examples
    --------
    >>> import tunesmith
    >>> tunesmith.promote("composer")  # doctest: +SKIP
    Model('composer', version=1, macro_f1=0.895)
    """
    with using_plugins(plugin):
        opened, name, run_id = run_of(task, run, store)
        done = promote_run(
            opened, name, run_id, force=force, memory_mb=memory_mb, baseline=baseline, say=progress
        )
        return Model(done.bundle)
