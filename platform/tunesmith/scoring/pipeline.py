"""Ray Data pipeline from sources to a published folder of scores.

::

    sources ──list──▶ items ──divide──▶ blocks ──Ray Data──▶ part files
                                                     │
                    folder ◀──publish── summary ◀──count──

A task of Ray scores one block; each process loads the model once. The driver holds the list of
blocks and counts alone.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector

from tunesmith.artifacts.locks import only_one
from tunesmith.artifacts.store import Staging
from tunesmith.artifacts.uris import without_credentials
from tunesmith.errors import ModelError, StoreError, UsageError
from tunesmith.ingestion.ray_data import results_of
from tunesmith.scoring.blocks import Block, block_to_json
from tunesmith.scoring.choice import Choice, require_reasons
from tunesmith.scoring.columns import Counts
from tunesmith.scoring.documents import PLAN, SUMMARY, Plan, Summary
from tunesmith.scoring.planning import Items, list_items, make_blocks, plan_key
from tunesmith.scoring.target import Target
from tunesmith.scoring.worker import Job, part_file, score_rows

__all__ = ["Progress", "score"]

Progress = Callable[[int, int, Counts], None]
"""Called with the number of finished items, of all items, and the counts of the finished ones."""

_ERRORS: Mapping[str, type[ModelError | StoreError]] = {
    kind.__name__: kind for kind in (ModelError, StoreError)
}
_PAUSE_S = 10.0
_LOOK_S = 0.5
_READS: Mapping[str, str] = {
    "midi": "MIDI files",
    "image": "PNG, JPEG and WebP files",
    "text": "text files (.txt) and tables with a column text",
    "table": "tables: CSV, TSV, Parquet, Arrow, Excel (xlsx) or JSON lines",
}


def score(
    choice: Choice,
    sources: Sequence[str],
    out: str,
    *,
    id_column: str | None = None,
    with_reasons: bool = False,
    discard: bool = False,
    start_ray: Callable[[], object],
    on_progress: Progress = lambda *_: None,
    say: Callable[[str], None] = lambda _: None,
) -> Summary:
    """Score every item of the sources with a model, and publish the scores as a folder of Parquet.

    An interrupted call goes on from the finished parts when it is made again, and the result is
    the same to the last bit. A call that was made before does nothing.

    Parameters
    ----------
    choice
        The model.
    sources
        Folders, files, archives, globs and URIs.
    out
        Path or URI of the folder that gets the scores.
    id_column
        Column of tables that is copied to the column ``id`` of the scores.
    with_reasons
        Whether each answer gets its strongest reasons.
    discard
        Whether scores that are at `out`, finished or not, are removed first.
    start_ray
        Called once before the first block, and not if all are finished.
    on_progress
        Called after each block.
    say
        Prints what is waited for.

    Raises
    ------
    UsageError
        If a source is invalid or holds no item, `out` holds anything else than these scores, or
        the model gives no reasons.
    ModelError
        If the model cannot be run.
    StoreError
        If the scores cannot be written, or another process writes them.
    """
    target = Target.at(out)
    store = target.store
    work = f"scoring into {target.shown}"
    with only_one(store, target.staging, work=work, error=StoreError), target.tidied():
        if discard:
            target.discard()
        shown = tuple(map(without_credentials, sources))
        items = list_items(sources, choice.kind, target.folders)
        _require(bool(items.listing.entries or items.listing.rejects), items, shown)
        if with_reasons:
            require_reasons(choice)
        key = plan_key(
            items, choice.model, id_column, choice.compared_with, with_reasons=with_reasons
        )
        plan = Plan(
            key=key,
            model=choice.model,
            sources=shown,
            id_column=id_column,
            reasons=with_reasons,
            compared_with=choice.compared_with,
        )
        finished = target.summary()
        for present in (finished, target.unfinished()):
            if present is not None:
                target.refuse_other(present, plan)
        if finished is not None:
            return finished
        with store.staging(key=target.key) as staging:
            if not store.exists(*staging.parts, SUMMARY):
                plan.write(staging, *PLAN.split("/"))
                blocks = make_blocks(items, staging)
                if not blocks:
                    store.remove(*staging.parts, "work")
                    _require(False, items, shown)
                counts = _run(
                    blocks, choice, staging, plan,
                    start_ray=start_ray, on_progress=on_progress, say=say,
                )  # fmt: skip
                _summary(plan, choice, items, blocks, counts).write(staging, SUMMARY)
            _keep_parts_alone(staging)
            staging.publish(target.name, marker=SUMMARY)
        return Summary.read(store, target.name, SUMMARY)


def _keep_parts_alone(staging: Staging) -> None:
    """Remove all but the parts and the summary: also what killed processes left half-written."""
    infos = staging.store.fs.get_file_info(FileSelector(staging.path()))
    for name in (info.base_name for info in infos):
        if name != SUMMARY and (name.startswith(".") or not name.endswith(".parquet")):
            staging.store.remove(*staging.parts, name)


def _require(has_items: bool, items: Items, sources: Sequence[str]) -> None:
    """Refuse sources without an item."""
    if has_items:
        return
    counts = items.listing.ignored.most_common(5)
    ignored = ", ".join(f"{number} {suffix or 'without a suffix'}" for suffix, number in counts)
    message = (
        f"{', '.join(sources)}: there is nothing to score. The model reads {_READS[items.kind]}."
        + (f" Other files: {ignored}." if ignored else "")
    )
    raise UsageError(message)


def _run(
    blocks: Sequence[Block],
    choice: Choice,
    staging: Staging,
    plan: Plan,
    *,
    start_ray: Callable[[], object],
    on_progress: Progress,
    say: Callable[[str], None],
) -> Counts:
    """Score the blocks that are not finished; return the counts of all."""
    total = sum(block.n_items for block in blocks)
    counts = Counts.none()
    pending = []
    for block in blocks:
        done = _finished(block, staging)
        if done is None:
            pending.append(block)
        else:
            counts.add(done)
    on_progress(counts.scored + counts.failed, total, counts)
    if not pending:
        return counts
    start_ray()
    job = Job(
        choice.store.uri, choice.model.task, choice.model.version, choice.model.run_id,
        staging.store.uri, staging.parts, plan.id_column, choice.compared_with, plan.reasons,
    )  # fmt: skip
    for part in _map_blocks(pending, job, say):
        counts.add(part)
        on_progress(counts.scored + counts.failed, total, counts)
    if counts.scored + counts.failed != total:
        message = (
            f"{counts.scored + counts.failed:,} of {total:,} items were scored. Run it again; the "
            "finished ones are kept."
        )
        raise StoreError(message)
    return counts


def _finished(block: Block, staging: Staging) -> Counts | None:
    """Return the counts of a block whose file is there and whole."""
    path = staging.path(part_file(block.key))
    try:
        with staging.store.fs.open_input_file(path) as handle:
            table = pq.read_table(handle, columns=["label", "reason", "same_music_as"])
    except (FileNotFoundError, pa.ArrowInvalid):
        return None
    return Counts.of(table) if len(table) == block.n_items else None


def _map_blocks(
    blocks: Sequence[Block],
    job: Job,
    say: Callable[[str], None],
) -> Iterator[Counts]:
    """Yield the counts of each block as the cluster finishes it.

    Raises
    ------
    ModelError, StoreError
        If a worker cannot run the model or write its file.
    """
    items = [{"block": block_to_json(block)} for block in blocks]
    with _waiting(say) as began:
        for row in results_of(score_rows, items, {"job": job.to_json()}):
            began.set()
            outcome = json.loads(row["outcome"])
            if "error" in outcome:
                raise _ERRORS[outcome["error"]](outcome["message"])
            labels, failures = Counter(outcome["labels"]), Counter(outcome["failures"])
            yield Counts(labels, failures, outcome["same_music"])


@contextmanager
def _waiting(say: Callable[[str], None]) -> Iterator[threading.Event]:
    """Say every ten seconds that all CPUs are taken, until one was free or the event is set."""
    import ray

    began = threading.Event()
    started = shown_at = time.monotonic()

    def watch() -> None:
        nonlocal shown_at
        while ray.available_resources().get("CPU", 0.0) < 1 and not began.wait(_LOOK_S):
            now = time.monotonic()
            if now - shown_at >= _PAUSE_S:
                shown_at = now
                say(f"waiting {now - started:.0f} s for a CPU: all are taken")

    thread = threading.Thread(target=watch, name="waiting", daemon=True)
    thread.start()
    try:
        yield began
    finally:
        began.set()
        thread.join(timeout=5)


def _summary(
    plan: Plan, choice: Choice, items: Items, blocks: Sequence[Block], counts: Counts
) -> Summary:
    return Summary(
        key=plan.key,
        model=plan.model,
        sources=plan.sources,
        id_column=plan.id_column,
        reasons=plan.reasons,
        compared_with=plan.compared_with,
        classes=choice.classes,
        found=sum(block.n_items for block in blocks),
        scored=counts.scored,
        failed=counts.failed,
        failures=dict(counts.failures.most_common()),
        labels=dict(counts.labels.most_common()),
        same_music=counts.same_music,
        ignored=dict(items.listing.ignored.most_common()),
        parts=len(blocks),
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        code_version=version("tunesmith"),
    )
