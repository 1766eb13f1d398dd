"""Run every study by its own protocol and set its figures beside honest ones, in one table."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import click

from tunesmith.cli.command import DURATION, command, echo, wide_console
from tunesmith.errors import UsageError

if TYPE_CHECKING:
    from tunesmith.artifacts.store import Store
    from tunesmith.replications import Ledger, Measurement, Setting, Study

_FOLDER = "studies"


def _show(result: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title="The studies, side by side", title_justify="left")
    for name in ("study", "protocol", "published", "ours, same protocol", "honest"):
        table.add_column(name, overflow="fold")
    for line in result["table"]:
        ours = [] if line["ours"] is None else [f"{line['ours']:.4f}"]
        if line["ours_better"]:
            better = line["ours_better"]
            ours.append(f"{better['value']:.4f} ({better['model']})")
        honest = line["honest"]
        said = (
            f"{honest['value']:.4f} [{honest['low']:.4f}, {honest['high']:.4f}]" if honest else ""
        )
        cells = [line["study"], line["protocol"], f"{line['published']:.4f}", ", ".join(ours), said]
        table.add_row(*cells)
        for note in (line["ran"], line["difference"]):
            if note:
                table.add_row("", f"[dim]{note}[/dim]")
    wide_console(140).print(table)
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
        self, study: "Study", measurement: "Measurement", text: str, seconds: float
    ) -> None:
        """Count a measurement and print a line."""
        self.done += 1
        self.left_s -= measurement.cost_s
        self.foreseen_s += measurement.cost_s
        self.spent_s += seconds
        left_s = self.left_s * self.spent_s / self.foreseen_s / self.n_slots
        echo(
            f"[{self.done}/{self.total}] {study.name}: {measurement.title}: {text} "
            f"in {seconds:.0f} s; about {left_s / 60:.0f} min left"
        )


Work = list[tuple["Study", "Measurement", "Ledger"]]


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
) -> tuple[list[tuple["Study", "Ledger | None", str | None]], Work]:
    """Return all studies with what each one lacks, and what is to be measured of those chosen."""
    from tunesmith.replications import Ledger, get_study, study_names

    studies: list[tuple[Study, Ledger | None, str | None]] = []
    work: Work = []
    for name in study_names():
        study = get_study(name)
        missing = study.missing(setting)
        if missing is not None:
            if any(wanted.split("/")[0] == name for wanted in chosen):
                echo(f"{name}: not run, its data is absent: {missing}")
            studies.append((study, None, f"not run, its data is absent: {missing}"))
            continue
        ledger = Ledger(setting.store, study, study.version(setting))
        studies.append((study, ledger, None))
        work += [
            (study, measurement, ledger)
            for measurement in study.measurements
            if not {name, f"{name}/{measurement.key}"}.isdisjoint(chosen)
            and (fresh or not ledger.find(measurement, setting.effort))
        ]
    return studies, work


def _check(name: str) -> None:
    """Refuse what is neither a study nor a measurement of one."""
    from tunesmith.errors import unknown
    from tunesmith.replications import get_study

    study, slash, key = name.partition("/")
    known = [measurement.key for measurement in get_study(study).measurements]
    if slash and key not in known:
        kind = f"measurement of {study}"
        raise unknown(kind, key, known)


def _datasets(values: Sequence[str]) -> dict[str, str]:
    from tunesmith.replications.contract import DATASETS

    named = dict(DATASETS)
    for value in values:
        task, equals, name = value.partition("=")
        if not equals or task not in DATASETS:
            message = f"{value!r}: write TASK=NAME, where TASK is {' or '.join(DATASETS)}."
            raise UsageError(message)
        named[task] = name
    return named


@click.option("--quick", is_flag=True, help="1,000 rows and a tenth of the epochs: a few minutes.")
@click.option(
    "--epochs-share",
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of each study's epochs [1].",
)
@click.option(
    "--only", multiple=True, metavar="STUDY[/KEY]", help="Run this alone; may be repeated."
)
@click.option(
    "--dataset",
    multiple=True,
    metavar="TASK=NAME",
    help="MIDI datasets [composer=big4, composer_all=classical].",
)
@click.option("--time-budget", type=DURATION, help="Begin nothing after this time: 20m, 1h30m.")
@click.option("--workers", type=click.IntRange(1), help="At once at most [the cluster's cores].")
@click.option("--fresh", is_flag=True, help="Measure again what is recorded.")
@click.option("--address", metavar="HOST:PORT", help="Cluster to join [RAY_ADDRESS, else local].")
@command(show=_show, extras=("train",))
def main(store: str | None, **options: Any) -> dict[str, Any]:
    """Run every study by its own protocol and write one table of published and our figures.

    Each result is recorded as soon as it is there; run again to do what is left. The table shows
    all that is recorded, and says of each line what was run.
    """
    from tunesmith.artifacts.store import Store
    from tunesmith.replications import Setting, study_names
    from tunesmith.replications.contract import QUICK, Effort

    effort = QUICK if options["quick"] else Effort()
    if options["epochs_share"]:
        effort = Effort(effort.rows, options["epochs_share"])
    artefacts = Store(store)
    setting = Setting(artefacts, effort, _datasets(options["dataset"]))
    chosen = options["only"] or study_names()
    for name in chosen:
        _check(name)
    studies, work = _plan(chosen, setting, options["fresh"])
    failures: list[str] = []
    if work:
        failures = _work_off(work, setting, options)
    return _written(artefacts, setting, studies, failures)


def _work_off(work: Work, setting: "Setting", options: Mapping[str, Any]) -> list[str]:
    """Run and record what is left; return what failed."""
    from tunesmith.cluster import connection

    failures = []
    deadline = time.monotonic() + (options["time_budget"] or float("inf"))
    with connection.session(options["address"]) as cluster:
        slots = min(max(1, int(cluster.get("CPU", 1))), options["workers"] or len(work))
        progress = _Progress([measurement for _, measurement, _ in work], slots)
        echo(f"{len(work)} measurements, {slots} at once.")
        for place, came in _results(work, setting, slots, cluster, deadline):
            study, measurement, ledger = work[place]
            if isinstance(came, Exception):
                failures.append(f"{study.name}/{measurement.key}: {str(came).splitlines()[-1]}")
                progress.advance(study, measurement, failures[-1], 0.0)
                continue
            result, seconds = came
            ledger.keep(measurement, result, setting.effort, seconds)
            progress.advance(study, measurement, f"{result['accuracy']:.4f}", seconds)
    return failures


def _written(
    store: "Store",
    setting: "Setting",
    studies: Sequence[tuple["Study", "Ledger | None", str | None]],
    failures: Sequence[str],
) -> dict[str, Any]:
    """Write the table into the store and return it."""
    from tunesmith.replications import markdown, table

    found = [
        (study, ledger.results() if ledger else {}, missing) for study, ledger, missing in studies
    ]
    lines = table(found, setting)
    seconds = sum(result["seconds"] for _, results, _ in found for result in results.values())
    facts = {
        "table": lines,
        "planned": sum(len(study.measurements) for study, _, _ in studies),
        "done": sum(len(results) for _, results, _ in found),
        "seconds": round(seconds, 1),
        "effort": {"rows": setting.effort.rows, "epochs_share": setting.effort.epochs_share},
        "failures": list(failures),
    }
    text = markdown(lines, seconds)
    store.write_json(facts, _FOLDER, "table.json")
    store.write_bytes(text.encode(), _FOLDER, "table.md")
    return facts | {"markdown": store.path(_FOLDER, "table.md")}
