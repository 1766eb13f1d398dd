"""``tunesmith reproduce``: the published studies, run again, in one table with our metrics."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import click

from tunesmith.artifacts import layout
from tunesmith.cli.command import DURATION, command, echo
from tunesmith.cli.tables import Column, print_table
from tunesmith.cli.wording import interval
from tunesmith.errors import UsageError

if TYPE_CHECKING:
    from tunesmith.artifacts.store import Store
    from tunesmith.replications import Ledger, Measurement, Replication, Setting


_COLUMNS = (
    Column("study"),
    Column("protocol", folds=True),
    Column("published", right=True),
    Column("ours, same protocol", folds=True),
    Column("honest", right=True, rank=1),
)


def _show(result: dict[str, Any]) -> None:
    rows = []
    for line in result["table"]:
        ours = [] if line["ours"] is None else [f"{line['ours']:.4f}"]
        if better := line["ours_better"]:
            ours.append(f"{better['value']:.4f} ({better['model']})")
        notes = [note for note in (line["ran"], line["difference"]) if note]
        rows.append(
            [
                line["study"],
                "\n".join([line["protocol"], *notes]),
                f"{line['published']:.4f}",
                ", ".join(ours),
                interval(line["honest"]) if line["honest"] else "",
            ]
        )
    print_table(_COLUMNS, rows, "Published studies, run again")
    for failure in result["failures"]:
        click.echo(f"Failed: {failure}")
    click.echo(f"{result['done']} of {result['planned']} measurements. Table: {result['markdown']}")


class _Progress:
    """Says what was done and how long the rest will take, by the costs foreseen."""

    def __init__(self, pending: Sequence["Measurement"], n_slots: int) -> None:
        self.total = len(pending)
        self.left_s = sum(measurement.cost_s for measurement in pending)
        self.done = 0
        self.foreseen_s = 0.0
        self.spent_s = 0.0
        self.n_slots = n_slots

    def advance(
        self, replication: "Replication", measurement: "Measurement", text: str, seconds: float
    ) -> None:
        """Count a measurement and print a line."""
        self.done += 1
        self.left_s -= measurement.cost_s
        self.foreseen_s += measurement.cost_s
        self.spent_s += seconds
        left_s = self.left_s * self.spent_s / self.foreseen_s / self.n_slots
        echo(
            f"[{self.done}/{self.total}] {replication.name}: {measurement.title}: {text} "
            f"in {seconds:.0f} s; about {left_s / 60:.0f} min left"
        )


Work = list[tuple["Replication", "Measurement", "Ledger"]]


def _results(
    work: Work, setting: "Setting", slots: int, cluster: Mapping[str, float], deadline: float
) -> Iterator[tuple[int, tuple[dict[str, Any], float] | Exception]]:
    """Run measurements on the cluster, `slots` at once; yield each one's place and its outcome."""
    import ray

    from tunesmith.tuning import hide_gpus_not_given

    def measure(measurement: "Measurement", setting: "Setting") -> tuple[dict[str, Any], float]:
        hide_gpus_not_given()
        started = time.perf_counter()
        return measurement.run(setting), time.perf_counter() - started

    # A function of its own goes to the workers as it is: they need not find this file.
    remote: Any = ray.remote(cast("Any", measure))
    share = 0.5 if cluster.get("GPU") else 0
    waiting = list(range(len(work)))
    running: dict[Any, int] = {}
    while waiting or running:
        while waiting and len(running) < slots and time.monotonic() < deadline:
            place = waiting.pop(0)
            reference = remote.options(num_cpus=1, num_gpus=share).remote(work[place][1], setting)
            running[reference] = place
        if not running:
            return
        (ready,), _ = ray.wait(list(running), num_returns=1)
        place = running.pop(ready)
        try:
            yield place, ray.get(ready)
        except ray.exceptions.RayError as error:
            yield place, error


def _plan(
    chosen: Sequence[str], setting: "Setting", fresh: bool
) -> tuple[list[tuple["Replication", "Ledger | None", str | None]], Work]:
    """Return all replications with what each one lacks, and the measurements that are due."""
    from tunesmith.replications import Ledger, get_replication, replication_names

    replications: list[tuple[Replication, Ledger | None, str | None]] = []
    work: Work = []
    for name in replication_names():
        replication = get_replication(name)
        missing = replication.missing(setting)
        if missing is not None:
            if any(wanted.split("/")[0] == name for wanted in chosen):
                echo(f"{name}: not run, its data is absent: {missing}")
            replications.append((replication, None, f"not run, its data is absent: {missing}"))
            continue
        ledger = Ledger(setting.store, replication, replication.version(setting))
        replications.append((replication, ledger, None))
        work += [
            (replication, measurement, ledger)
            for measurement in replication.measurements
            if not {name, f"{name}/{measurement.key}"}.isdisjoint(chosen)
            and (fresh or not ledger.find(measurement, setting.effort))
        ]
    return replications, work


def _check(name: str) -> None:
    """Refuse a name that is neither a replication nor a measurement of one."""
    from tunesmith.errors import unknown
    from tunesmith.replications import get_replication

    replication, slash, key = name.partition("/")
    known = [measurement.key for measurement in get_replication(replication).measurements]
    if slash and key not in known:
        kind = f"measurement of {replication}"
        raise unknown(kind, key, known)


def _datasets(values: Sequence[str]) -> dict[str, str]:
    """Return dataset names by task, the defaults where none is given."""
    from tunesmith.replications import get_replication, replication_names

    replications = [get_replication(name) for name in replication_names()]
    names = {r.task: r.dataset for r in replications if r.dataset is not None}
    for value in values:
        task, equals, name = value.partition("=")
        if not equals or task not in names:
            message = f"{value!r}: write TASK=NAME, where TASK is {' or '.join(names)}."
            raise UsageError(message)
        names[task] = name
    return names


@command(
    show=_show,
    extras=("train",),
    table=True,
    continues=("--fresh",),
    sections={
        "What": ("only", "dataset", "fresh"),
        "How much": ("quick", "epochs_share", "time_budget", "workers"),
        "Where": ("store", "address"),
    },
)
@click.option(
    "--only", multiple=True, metavar="STUDY[/KEY]", help="Run this one alone; may be repeated."
)
@click.option(
    "--dataset",
    multiple=True,
    metavar="TASK=NAME",
    help="Dataset of a task on MIDI  [each study's own]",
)
@click.option("--fresh", is_flag=True, help="Measure again what is recorded already.")
@click.option("--quick", is_flag=True, help="Use 1,000 rows and a tenth of the epochs: minutes.")
@click.option(
    "--epochs-share",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="SHARE",
    help="Share of each study's epochs to train  [1]",
)
@click.option(
    "--time-budget",
    type=DURATION,
    metavar="TIME",
    help="Start no measurement after this time: 20m, 1h30m.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Most measurements at once  [the cluster's cores]",
)
@click.option(
    "--address", metavar="HOST:PORT", help="Ray cluster to join  [RAY_ADDRESS, else start Ray here]"
)
def main(store: str | None, **options: Any) -> dict[str, Any]:
    """Run the published studies again and compare their metrics with ours.

    Each study is run by its own protocol. A result is recorded at once; run the command again to
    do what is left. The table shows all recorded results.

    \b
    Examples:
      tunesmith reproduce --quick
      tunesmith reproduce --only genre
      tunesmith reproduce --time-budget 1h
    """
    from tunesmith.artifacts.store import Store
    from tunesmith.replications import Setting, replication_names
    from tunesmith.replications.contract import QUICK, Effort

    effort = QUICK if options["quick"] else Effort()
    if options["epochs_share"]:
        effort = Effort(effort.rows, options["epochs_share"])
    artefacts = Store(store)
    setting = Setting(artefacts, effort, _datasets(options["dataset"]))
    chosen = options["only"] or replication_names()
    for name in chosen:
        _check(name)
    replications, work = _plan(chosen, setting, options["fresh"])
    failures: list[str] = []
    if work:
        failures = _work_off(work, setting, options)
    return _written(artefacts, setting, replications, failures)


def _work_off(work: Work, setting: "Setting", options: Mapping[str, Any]) -> list[str]:
    """Run and record what is left; return what failed."""
    from tunesmith.cluster import connection

    failures = []
    deadline = time.monotonic() + (options["time_budget"] or float("inf"))
    with connection.session(options["address"], say=echo) as cluster:
        slots = min(max(1, int(cluster.get("CPU", 1))), options["workers"] or len(work))
        progress = _Progress([measurement for _, measurement, _ in work], slots)
        echo(f"{len(work)} measurements, {slots} at once.")
        for place, came in _results(work, setting, slots, cluster, deadline):
            replication, measurement, ledger = work[place]
            if isinstance(came, Exception):
                failures.append(
                    f"{replication.name}/{measurement.key}: {str(came).splitlines()[-1]}"
                )
                progress.advance(replication, measurement, failures[-1], 0.0)
                continue
            result, seconds = came
            ledger.keep(measurement, result, setting.effort, seconds)
            progress.advance(replication, measurement, f"{result['accuracy']:.4f}", seconds)
    return failures


def _written(
    store: "Store",
    setting: "Setting",
    replications: Sequence[tuple["Replication", "Ledger | None", str | None]],
    failures: Sequence[str],
) -> dict[str, Any]:
    """Write the table into the store and return it."""
    from tunesmith.replications import markdown, table

    rows = [
        (replication, ledger.results() if ledger else {}, missing)
        for replication, ledger, missing in replications
    ]
    lines = table(rows, setting)
    seconds = sum(result["seconds"] for _, results, _ in rows for result in results.values())
    facts = {
        "table": lines,
        "planned": sum(len(replication.measurements) for replication, _, _ in replications),
        "done": sum(len(results) for _, results, _ in rows),
        "seconds": round(seconds, 1),
        "effort": {"rows": setting.effort.rows, "epochs_share": setting.effort.epochs_share},
        "failures": list(failures),
    }
    text = markdown(lines, seconds)
    store.write_json(facts, *layout.replication("table.json"))
    store.write_bytes(text.encode(), *layout.replication("table.md"))
    return facts | {"markdown": store.path(*layout.replication("table.md"))}
