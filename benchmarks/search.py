"""The search against what a user would do instead: same data, same models, same score.

python benchmarks/search.py race composer --dataset big4 --store STORE --families boosting,cnn1d
python benchmarks/search.py study --dataset big4 --store STORE
python benchmarks/search.py study-score --dataset big4 --store STORE
python benchmarks/search.py overhead
python benchmarks/search.py slots 8 64

    a  the study's way: scikit-learn's random search of its CNN, one process, 10 draws x 3 folds
    p  plain Optuna (TPE) over processes that share its journal, nothing pruned
    b  the same with Optuna's default pruning, by the median from the first step on
    h  the same with Optuna's Hyperband, as Optuna sets it up
    c  this search, which stops trials by rules of its own; Ray's start-up included
    d  train every setting for one step, then the best of them to the end (Egele et al., 2023)

``race`` runs p, b, h, c and d from the same first settings, each a process of its own, timed from
before its start; every trial has one core. With ``--seeds 0,1,2,3,4`` the sides take turns, seed by
seed, and their means follow with intervals of 95 % (Student's t). ``study`` measures the steps of a
on this machine and says how long all of it would take. ``overhead`` trains the settings of a search
again in a bare loop. ``slots`` runs trials that only sleep on as many logical cores as it is told.
"""

import contextlib
import json
import multiprocessing
import os
import queue
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "platform")]

from tunesmith.artifacts.store import Store  # noqa: E402
from tunesmith.models import Family, Fitted, Step, get_family  # noqa: E402
from tunesmith.tasks import Request, get_task  # noqa: E402
from tunesmith.tuning.planning import plan_search, read_data  # noqa: E402
from tunesmith.tuning.requests import SearchRequest  # noqa: E402
from tunesmith.tuning.scoring import scores  # noqa: E402
from tunesmith.tuning.space import FAMILY, Space, starting_points  # noqa: E402
from tunesmith.tuning.trial import Judged  # noqa: E402
from tunesmith.tuning.trial_data import TrialData  # noqa: E402

QUIET = {
    "RAY_AUTH_MODE": "disabled", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "PYTHONWARNINGS":
    "ignore", "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE",
}  # fmt: skip
SIDES = {
    "p": "plain Optuna, nothing pruned",
    "b": "plain Optuna, median pruning",
    "h": "plain Optuna, Hyperband",
    "c": "this search, start-up included",
    "d": "one step of each, best of them on",
}
FOLDS, DRAWS = 3, 10
_OPEN_S = 300
STUDY_SPACE = {
    "optimizer": ["adam", "sgd"],
    "initializer": ["glorot_uniform", "he_normal"],
    "dropout": [0.4, 0.5],
    "epochs": [10, 20],
    "batch": [20, 30],
}
STUDY_BEST: dict[str, Any] = {
    "optimizer": "adam", "initializer": "glorot_uniform", "dropout": 0.4, "batch": 30, "epochs": 10,
}  # fmt: skip


@dataclass(frozen=True)
class Job:
    """Search that all sides run."""

    task: str
    store: str
    dataset: str | None
    families: tuple[str, ...]
    trials: int
    workers: int
    seed: int

    def request(self) -> Request:
        """Return which data."""
        return Request(self.dataset, None, self.seed)

    def search_request(self) -> SearchRequest:
        """Return the request of this project's own search."""
        return SearchRequest(self.task, self.request(), self.families, self.trials, self.seed)

    def trial_data(self) -> TrialData:
        """Return the items that trials may see."""
        task = get_task(self.task)
        store = Store(self.store)
        data = read_data(task, store, self.request(), self.families, copies=True)
        return TrialData.of(task, data, self.seed)

    def space(self) -> Space:
        """Return the space that all sides draw from."""
        return Space(self.families, fixed={"seed": self.seed})

    def points(self) -> list[dict[str, Any]]:
        """Return the settings that all sides begin with."""
        reference = get_task(self.task).reference
        return starting_points(self.families, reference, {"CPU": self.workers})[: self.trials]


@dataclass
class Outcome:
    """Result of a side; times in seconds since before its process began.

    ``trained_s`` is what all steps took, judging included: what no side can save but by training
    less. The rest of the cores' time is start-up, drawing settings, writing down and waiting.
    """

    rises: list[tuple[float, float]] = field(default_factory=list)
    ended_s: list[float] = field(default_factory=list)
    idle: float = 0.0
    trained_s: float = 0.0
    steps: dict[str, int] = field(default_factory=dict)

    def saw(self, at_s: float, score: float) -> None:
        """Take a score in."""
        if not self.rises or score > self.rises[-1][1]:
            self.rises.append((at_s, score))

    def reached_s(self, target: float) -> float | None:
        """Return when a score as good as this was there."""
        return next((at_s for at_s, score in self.rises if score >= target), None)


# --- training as a bare loop does it


def training(
    seen: TrialData, family: str, params: Mapping[str, Any], seed: int
) -> Iterator[tuple[float, bool, float]]:
    """Yield the best so far after every step, whether the trial would end here, and its seconds."""
    kind = get_family(family)
    fits = [
        (kind.fit(params, train.with_copies(kind.view), seed=seed), held_out)
        for train, held_out in seen.splits()
    ]
    best, best_step = -np.inf, 0
    for step in range(1, kind.max_steps + 1):
        began = time.perf_counter()
        figures = [
            Judged.of(next(fit).model, held_out).scores()[seen.metric] for fit, held_out in fits
        ]
        if np.mean(figures) > best:
            best, best_step = float(np.mean(figures)), step
        is_over = step == kind.max_steps or step - best_step >= kind.patience
        yield best, is_over, time.perf_counter() - began


# --- the sides, each in processes of its own


def _cores() -> tuple[float, float]:
    """Return what all cores were idle and there, in ticks since the machine began."""
    fields = [int(value) for value in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return float(fields[3] + fields[4]), float(sum(fields))


@contextlib.contextmanager
def _idleness(outcome: Outcome) -> Iterator[Callable[[], None]]:
    """Measure the idle share of all cores until the given function is called, or the end."""
    idle, every = _cores()

    def stop() -> None:
        idle_now, every_now = _cores()
        outcome.idle = (idle_now - idle) / max(every_now - every, 1.0)

    yield stop


def side_b(job: Job, began: float, pruner: str = "median") -> Outcome:
    """Run `study.optimize` in every worker, on one study."""
    import optuna

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.log"
        study = optuna.create_study(
            study_name=job.task, storage=_journal(path), direction="maximize"
        )
        for point in job.points():
            study.enqueue_trial(point)
        return _over_processes(job, began, _optuna_worker, range(job.trials), (path, pruner))


def _journal(path: Path) -> Any:
    """Return what Optuna advises where several processes share a file."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(path)))


def side_p(job: Job, began: float) -> Outcome:
    """Run b without stopping anybody."""
    return side_b(job, began, "nothing")


def side_h(job: Job, began: float) -> Outcome:
    """Run b with another rule of whom to stop."""
    return side_b(job, began, "hyperband")


def _optuna_worker(
    job: Job, tickets: Any, results: Any, how: tuple[Path, str], number: int
) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(
        seed=job.seed + number, multivariate=True, group=True, constant_liar=True
    )
    path, rule = how
    pruners = {
        "nothing": optuna.pruners.NopPruner(),
        "median": optuna.pruners.MedianPruner(),
        "hyperband": optuna.pruners.HyperbandPruner(),
    }
    study = optuna.load_study(
        study_name=job.task, storage=_journal(path), sampler=sampler, pruner=pruners[rule]
    )
    seen, space = job.trial_data(), job.space()

    def objective(trial: Any) -> float:
        settings: dict[str, Any] = space(trial)
        family: str = settings[FAMILY]
        best = 0.0
        for step, (best, is_over, step_s) in enumerate(
            training(seen, family, settings["params"], job.seed), 1
        ):
            results.put(("score", time.time(), (best, family, step_s)))
            trial.report(best, step)
            if is_over:
                break
            if trial.should_prune():
                raise optuna.TrialPruned
        return best

    while tickets.get() is not None:
        study.optimize(objective, n_trials=1)
        results.put(("end", time.time(), 0.0))


def side_d(job: Job, began: float) -> Outcome:
    """Train every setting one step, then the best to their ends."""
    import optuna

    drawn: list[dict[str, Any]] = []
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=job.seed))
    for point in job.points():
        study.enqueue_trial(point)
    drawn = [job.space()(study.ask()) for _ in range(job.trials)]
    kept = max(job.trials // 10, 1)
    return _over_processes(job, began, _one_step_worker, drawn, kept)


def _one_step_worker(job: Job, tickets: Any, results: Any, kept: int, number: int) -> None:
    del number, kept
    seen = job.trial_data()
    while (ticket := tickets.get()) is not None:
        settings, is_short = ticket
        best = 0.0
        for best, is_over, step_s in training(seen, settings[FAMILY], settings["params"], job.seed):
            results.put(("score", time.time(), (best, settings[FAMILY], step_s)))
            if is_short or is_over:
                break
        results.put(("end", time.time(), (best, settings)))


def _over_processes(
    job: Job, began: float, worker: Callable[..., None], work: Sequence[Any], extra: Any
) -> Outcome:
    """Hand work out to processes; d hands the best of it out again."""
    outcome = Outcome()
    context = multiprocessing.get_context("spawn")
    tickets, results = context.Queue(), context.Queue()
    pool = [
        context.Process(target=worker, args=(job, tickets, results, extra, number))
        for number in range(job.workers)
    ]
    with _idleness(outcome) as stop:
        for process in pool:
            process.start()
        is_d = worker is _one_step_worker
        for one in work:
            tickets.put((one, True) if is_d else one)
        ended = _listen(results, len(work), outcome, began, pool)
        if is_d:
            best = sorted(ended, key=lambda pair: -pair[0])[:extra]
            for _, settings in best:
                tickets.put((settings, False))
            _listen(results, len(best), outcome, began, pool)
        stop()
        for _ in pool:
            tickets.put(None)
        for process in pool:
            process.join()
    return outcome


def _listen(
    results: Any, n_ends: int, outcome: Outcome, began: float, pool: Sequence[Any]
) -> list[Any]:
    ended: list[Any] = []
    while len(ended) < n_ends:
        try:
            kind, at, what = results.get(timeout=5)
        except queue.Empty:
            if not all(process.is_alive() for process in pool):
                message = "A process of the benchmark died; its error stands above."
                raise SystemExit(message) from None
            continue
        if kind == "score":
            score, family, step_s = what
            outcome.saw(at - began, score)
            outcome.trained_s += step_s
            outcome.steps[family] = outcome.steps.get(family, 0) + 1
        else:
            ended.append(what)
            outcome.ended_s.append(at - began)
    return ended


def side_c(job: Job, began: float) -> Outcome:
    """Run this project's search, refits and the published run not counted."""
    from tunesmith.cluster import connection
    from tunesmith.tuning import ENGINE, search
    from tunesmith.tuning.display import Standing

    outcome = Outcome()
    with tempfile.TemporaryDirectory() as folder, _idleness(outcome) as stop:
        # Data is read where it is, the run is written elsewhere.
        store = Store(folder)
        source = Store(job.store)
        if job.dataset:
            source.local_path("datasets")
            Path(folder, "datasets").symlink_to(source.local_path("datasets"))

        class Seen:
            """Keeps the times of what a search shows."""

            def __call__(self, line: str) -> None:
                if "refitting" in line and not outcome.idle:
                    stop()
                    (history,) = Path(folder).glob("runs/*/.staging-*/history.jsonl")
                    rows = [json.loads(row) for row in history.read_text().splitlines()]
                    outcome.steps = dict(Counter(row["family"] for row in rows))
                    outcome.trained_s = sum(row["step_s"] for row in rows)

            def show(self, standing: Standing) -> None:
                now_s = time.time() - began
                if score := re.search(r"[\d.]+", standing.best):
                    outcome.saw(now_s, float(score[0]))
                outcome.ended_s += [now_s] * (standing.ended - len(outcome.ended_s))

        with connection.session(None, meanwhile=ENGINE, num_cpus=job.workers):
            search(store, [job.search_request()], say=Seen())
    return outcome


@click.group()
def main() -> None:
    """Measure the search."""


_JOB = [
    click.argument("task"),
    click.option("--store", default="", help="Store that holds the dataset."),
    click.option("--dataset", help="Its name."),
    click.option("--families", required=True, help="Comma between them."),
    click.option("--trials", default=32, show_default=True),
    click.option("--workers", default=os.cpu_count(), show_default=True),
    click.option("--seed", default=0, show_default=True),
]


def _with_job(function: Any) -> Any:
    for decorate in reversed(_JOB):
        function = decorate(function)
    return function


def _job(options: Mapping[str, Any]) -> Job:
    return Job(**{**options, "families": tuple(options["families"].split(","))})


@main.command(hidden=True)
@click.argument("name", type=click.Choice(sorted(SIDES)))
@_with_job
def side(name: str, **options: Any) -> None:
    """Run one side and print what it came to as JSON."""
    began = float(os.environ["BENCHMARK_BEGAN"])
    run = {"p": side_p, "b": side_b, "h": side_h, "c": side_c, "d": side_d}[name]
    with contextlib.redirect_stdout(sys.stderr):
        outcome = run(_job(options), began)
    click.echo(json.dumps(outcome.__dict__))


@main.command()
@_with_job
@click.option("--seeds", help="Several seeds in place of --seed, comma between them.")
@click.option("--target", type=float, help="Score to reach, such as the best of a.")
@click.option("--only", default="pbhcd", show_default=True, help="Sides to run.")
@click.option("--json", "target_file", type=click.Path(path_type=Path), help="Write figures here.")
def race(
    seeds: str | None,
    target: float | None,
    only: str,
    target_file: Path | None,
    **options: Any,
) -> None:
    """Run the sides one after the other on TASK."""
    runs: dict[str, dict[int, Outcome]] = {name: {} for name in only}
    for seed in [int(seed) for seed in seeds.split(",")] if seeds else [options["seed"]]:
        if seeds:
            click.echo(f"seed {seed}")
        for name in only:
            outcome = runs[name][seed] = _run_side(name, {**options, "seed": seed})
            click.echo(_line(name, outcome, options["workers"], target))
        if target_file is not None:
            sides = {
                name: {seed: outcome.__dict__ for seed, outcome in by_seed.items()}
                for name, by_seed in runs.items()
            }
            target_file.write_text(json.dumps({"options": options, "sides": sides}, indent=1))
    for name, by_seed in runs.items():
        outcomes = list(by_seed.values())
        if len(outcomes) > 1:
            seconds = _interval([outcome.ended_s[-1] for outcome in outcomes], 1)
            best = _interval([outcome.rises[-1][1] for outcome in outcomes], 4)
            click.echo(f"  {name}  {SIDES[name]:<34} {seconds} s; best {best}")


def _run_side(name: str, options: Mapping[str, Any]) -> Outcome:
    command = [sys.executable, __file__, "side", name, options["task"]]
    for key in ("store", "dataset", "families", "trials", "workers", "seed"):
        if options[key]:
            command += [f"--{key}", str(options[key])]
    environment = {**os.environ, **QUIET, "BENCHMARK_BEGAN": str(time.time())}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return Outcome(**json.loads(done.stdout.splitlines()[-1]))


def _interval(figures: Sequence[float], digits: int) -> str:
    """Return the mean of a few runs with its interval of 95 %."""
    from scipy import stats

    mean, error = float(np.mean(figures)), float(stats.sem(figures))
    half = error * float(stats.t.ppf(0.975, len(figures) - 1))
    return f"{mean:.{digits}f} [{mean - half:.{digits}f}, {mean + half:.{digits}f}]"


def _line(name: str, outcome: Outcome, workers: int, target: float | None) -> str:
    end_s, n_trials = outcome.ended_s[-1], len(outcome.ended_s)
    at_s, best = outcome.rises[-1]
    text = (
        f"  {name}  {SIDES[name]:<34} {n_trials} trials in {end_s:6.1f} s, "
        f"{3600 * n_trials / end_s:6.0f} an hour; best {best:.4f} at {at_s:.1f} s; "
        f"cores idle {outcome.idle:.0%}; steps {outcome.steps} of {outcome.trained_s:.1f} s, "
        f"{workers * end_s - outcome.trained_s:.1f} s of {workers} cores besides"
    )
    if target is None:
        return text
    reached_s = outcome.reached_s(target)
    return f"{text}; {target:.4f} " + ("never" if reached_s is None else f"at {reached_s:.1f} s")


# --- a: the study's way


_DATA = [
    click.option("--store", required=True, help="Store that holds the dataset."),
    click.option("--dataset", required=True, help="Its name."),
]


def _with_data(function: Any) -> Any:
    for decorate in reversed(_DATA):
        function = decorate(function)
    return function


@main.command()
@_with_data
@click.option("--steps", default=8, show_default=True, help="Steps to time for each draw.")
def study(store: str, dataset: str, steps: int) -> None:
    """Say how long the study's random search would take."""
    import keras
    from sklearn.model_selection import ParameterSampler

    seen = Job("composer", store, dataset, ("cnn2d",), 0, 1, 0).trial_data()
    train, _ = next(seen.splits())
    view = train.view("chunks")
    n_chunks = len(seen.development.view("chunks"))
    y = train.y[view.item]
    total_s = 0.0
    for draw in ParameterSampler(STUDY_SPACE, DRAWS, random_state=0):
        step_s = _step_s(keras, draw, view.x, y, n_classes=len(train.classes), steps=steps)
        n_steps = draw["epochs"] * -(-n_chunks * (FOLDS - 1) // FOLDS // draw["batch"])
        total_s += FOLDS * n_steps * step_s
        click.echo(f"  {draw}: {step_s * 1000:.0f} ms a step, {n_steps} steps a fold")
    click.echo(
        f"a: {DRAWS} draws x {FOLDS} folds on {n_chunks} chunks would take {total_s / 3600:.1f} h, "
        f"from {steps} measured steps a draw; validation not counted"
    )


@main.command("study-score")
@_with_data
@click.option("--epochs", default=STUDY_BEST["epochs"], show_default=True)
def study_score(store: str, dataset: str, epochs: int) -> None:
    """Train what the study's search found best and say what it scores after every epoch."""
    import keras

    from tunesmith.datasets.examples import aggregate

    seen = Job("composer", store, dataset, ("cnn2d",), 0, 1, 0).trial_data()
    train, held_out = next(seen.splits())
    view, judged = train.view("chunks"), held_out.view("chunks")
    y = train.y[view.item]
    network = _network(keras, STUDY_BEST, view.x, len(train.classes))
    for epoch in range(1, epochs + 1):
        began = time.perf_counter()
        network.fit(view.x, y, batch_size=STUDY_BEST["batch"], epochs=1, verbose=0)
        epoch_s = time.perf_counter() - began
        by_row = network.predict(judged.x, verbose=0)
        by_item = scores(aggregate(by_row, judged.item, len(held_out)), held_out.y)
        by_chunk = scores(by_row, held_out.y[judged.item])
        click.echo(
            f"  epoch {epoch} on {len(view)} chunks in {epoch_s:.0f} s: {seen.metric} "
            f"{by_item[seen.metric]:.4f} a piece, accuracy {by_chunk['accuracy']:.4f} a chunk"
        )


def _network(keras: Any, draw: Mapping[str, Any], x: Any, n_classes: int) -> Any:
    keras.utils.set_random_seed(0)
    params = {"by_item": 0.0, "balance": 0.0, **draw}
    network, _ = get_family("cnn2d").build(keras, params, x, n_classes)  # type: ignore[attr-defined]
    network.compile(optimizer=draw["optimizer"], loss="sparse_categorical_crossentropy")
    return network


def _step_s(
    keras: Any, draw: Mapping[str, Any], x: Any, y: Any, *, n_classes: int, steps: int
) -> float:
    """Return the seconds of a step, the fastest of a few: a neighbour only ever slows."""
    network = _network(keras, draw, x, n_classes)
    rng = np.random.default_rng(0)
    seconds = []
    for _ in range(steps + 2):
        rows = np.sort(rng.choice(len(y), draw["batch"], replace=False))
        began = time.perf_counter()
        network.train_on_batch(x[rows], y[rows])
        seconds.append(time.perf_counter() - began)
    return min(seconds[2:])


# --- overhead a trial


@main.command()
@click.option("--task", default="noise", show_default=True)
@click.option("--family", default="boosting", show_default=True)
@click.option("--trials", default=32, show_default=True)
@click.option("--slots", default=1, show_default=True, help="Trials at once.")
def overhead(task: str, family: str, trials: int, slots: int) -> None:
    """Train the settings of a search again, in a bare loop, and compare the times."""
    os.environ.update(QUIET)
    job = Job(task, "", None, (family,), trials, slots, 0)
    command = [
        sys.executable, __file__, "traced", task, "--families", family,
        "--trials", str(trials), "--workers", str(slots),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    traced = json.loads(done.stdout.splitlines()[-1])
    seen = job.trial_data()
    bare = []
    for trial in traced:
        began = time.perf_counter()
        steps = training(seen, family, trial["params"], 0)
        for _ in range(trial["steps"]):
            next(steps)
        bare.append(time.perf_counter() - began)
    # The first of each slot waits for its process; what is asked is what one more trial costs.
    rest = traced[slots:]
    window_s = traced[-1]["end_s"] - max(t["end_s"] for t in traced[:slots])
    searched_s = window_s * slots / len(rest)
    bare_s = float(np.mean(bare[slots:]))
    click.echo(
        f"{task} {family}, {len(rest)} trials after the first {slots}, {slots} at once: "
        f"{searched_s:.3f} s a trial in the search, {bare_s:.3f} s in a bare loop, "
        f"overhead {searched_s - bare_s:.3f} s a trial"
    )


@main.command(hidden=True)
@_with_job
def traced(**options: Any) -> None:
    """Print the trials of a search in the order in which they ended."""
    job = _job(options)
    with contextlib.redirect_stdout(sys.stderr):
        log = _traced_search(job, lambda: None)
    click.echo(json.dumps(log.trials))


class TrialLog:
    """A callback of Ray Tune that writes down when what happened."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.trials: list[dict[str, Any]] = []
        self.steps: list[tuple[float, float]] = []
        self.starts: list[float] = []

    def callback(self) -> Any:
        """Return it as Ray Tune wants it."""
        from ray.tune import Callback

        log = self

        class Log(Callback):
            def on_trial_start(self, *_: Any, **__: Any) -> None:
                log.starts.append(time.perf_counter() - log.began)

            def on_trial_result(self, *_: Any, **facts: Any) -> None:
                log.steps.append((time.perf_counter() - log.began, facts["result"]["step_s"]))

            def on_trial_complete(self, *_: Any, **facts: Any) -> None:
                trial = facts["trial"]
                log.trials.append(
                    {
                        "end_s": time.perf_counter() - log.began,
                        "steps": trial.last_result["training_iteration"],
                        "params": trial.config["params"],
                    }
                )

            def __getstate__(self) -> dict[str, Any]:
                return {}

        return Log()


def _traced_search(job: Job, prepare: Callable[[], None], **ray_options: Any) -> TrialLog:
    """Run the trials of a search, without refits, and return when what happened."""
    import ray

    from tunesmith.cluster import connection
    from tunesmith.tuning.driver import run_trials
    from tunesmith.tuning.progress import silent
    from tunesmith.tuning.session import open_session

    with (
        tempfile.TemporaryDirectory() as folder,
        connection.session(None, num_cpus=job.workers, **ray_options) as cluster,
        contextlib.ExitStack() as stack,
    ):
        prepare()
        store = Store(folder)
        planned = plan_search(store, job.search_request(), None, cluster)
        session = open_session(store, stack, planned, cluster=cluster, n_trials=job.trials)
        log = TrialLog()
        run_trials(
            [session],
            {job.task: ray.put(session.trial_data)},
            cluster=cluster,
            callbacks=[log.callback()],
            deadline=None,
            max_failed=None,
            say=silent,
        )
        return log


# --- scheduling


class Asleep(Fitted):
    """A model that says the same of everything."""

    views = ("features",)
    classes = ()

    def __init__(self, n_classes: int) -> None:
        self._n_classes = n_classes

    def predict_proba(self, x: Any) -> Any:
        """Return one over the number of classes."""
        return np.full((len(x), self._n_classes), 1 / self._n_classes, dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write nothing."""

    def export_onnx(self, path: Path) -> None:
        """Write nothing."""


class Sleep(Family):
    """A family whose step is a sleep.

    Parameters
    ----------
    step_s
        Its length.
    gate
        The first trial of a process waits until so many processes stand in this folder: what is
        asked is how well open slots are kept busy, not how fast a machine starts processes.
    """

    name = "sleep"
    view = "features"
    max_steps = 4

    def __init__(self, step_s: float, gate: tuple[Path, int]) -> None:
        self._step_s = step_s
        self._folder, self._count = gate

    def space(self, trial: Any) -> dict[str, Any]:
        """Suggest a number that changes nothing."""
        return {"depth": trial.suggest_float("depth", 0.0, 1.0)}

    def default(self) -> dict[str, Any]:
        """Return the middle."""
        return {"depth": 0.5}

    def fit(self, params: Any, train: Any, **options: Any) -> Iterator[Step]:
        """Sleep."""
        del params, options
        self._wait_for_all()
        for number in range(1, self.max_steps + 1):
            time.sleep(self._step_s)
            yield Step(number, Asleep(len(train.classes)))

    def _wait_for_all(self) -> None:
        own = self._folder / str(os.getpid())
        if own.exists():
            return
        own.touch()
        deadline = time.monotonic() + _OPEN_S
        while len(list(self._folder.iterdir())) < self._count:
            if time.monotonic() > deadline:
                message = f"{self._count} processes did not start within {_OPEN_S} s."
                raise SystemExit(message)
            time.sleep(0.5)
        # Real trials do not march in step.
        time.sleep(random.Random(os.getpid()).uniform(0.0, self.max_steps * self._step_s))

    def load(self, folder: Path) -> Fitted:
        """Return nothing of use."""
        raise NotImplementedError


def add_sleep(step_s: float, gate: tuple[Path, int]) -> None:
    """Make the sleeping family known to this process, and to the noise task."""
    from dataclasses import replace

    from tunesmith.models import add_family
    from tunesmith.tasks import noise

    add_family(Sleep(step_s, gate))
    noise.TASK = replace(noise.TASK, families=("sleep",))


@main.command()
@click.argument("counts", nargs=-1, type=int)
@click.option("--step", "step_s", default=5.0, show_default=True, help="Seconds a step sleeps.")
@click.option("--rounds", default=4, show_default=True, help="Trials a slot.")
def slots(counts: Sequence[int], step_s: float, rounds: int) -> None:
    """Run sleeping trials on COUNTS logical cores, one count after the other."""
    for count in counts:
        command = [
            sys.executable, __file__, "asleep", str(count), str(step_s), str(rounds)
        ]  # fmt: skip
        environment = {**os.environ, **QUIET}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        click.echo(done.stdout.strip() or done.stderr)
        if done.returncode:
            raise SystemExit(done.returncode)


@main.command(hidden=True)
@click.argument("count", type=int)
@click.argument("step_s", type=float)
@click.argument("rounds", type=int)
def asleep(count: int, step_s: float, rounds: int) -> None:
    """Measure one number of slots.

    The efficiency is the time that trials slept, over slots times the time from the moment every
    slot was open to the moment the last trial was handed out: before it processes start, after it
    slots run empty.
    """
    hook = {"worker_process_setup_hook": f"{Path(__file__).stem}.add_sleep_as_told"}
    os.environ["BENCHMARK_STEP_S"] = str(step_s)
    folders = [str(Path(__file__).parent), str(ROOT / "platform")]
    os.environ["PYTHONPATH"] = os.pathsep.join([*folders, os.environ.get("PYTHONPATH", "")])
    job = Job("noise", "", None, ("sleep",), count * rounds, count, 0)
    with contextlib.redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as folder:
        os.environ["BENCHMARK_GATE"] = f"{folder}:{count}"
        gate = (Path(folder), count)
        log = _traced_search(job, lambda: add_sleep(step_s, gate), runtime_env=hook)
        opened = max(path.stat().st_mtime for path in gate[0].iterdir())
        first = opened - (time.time() - (time.perf_counter() - log.began))
    last = max(log.starts)
    slept = sum(
        max(0.0, min(end, last) - max(end - duration, first)) for end, duration in log.steps
    )
    click.echo(
        f"{count} slots, {len(log.trials)} trials of up to {Sleep.max_steps} x {step_s:g} s: "
        f"efficiency {slept / (count * (last - first)):.3f} over {last - first:.0f} s with all "
        f"slots open, after {first:.0f} s in which {count} processes started"
    )


def add_sleep_as_told() -> None:
    """Do what every worker process does first."""
    folder, _, count = os.environ["BENCHMARK_GATE"].rpartition(":")
    add_sleep(float(os.environ["BENCHMARK_STEP_S"]), (Path(folder), int(count)))


if __name__ == "__main__":
    main()
