"""The Python API and the command line give the same for the same arguments."""

import contextlib
import inspect
import json
from dataclasses import replace
from importlib import import_module

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tunesmith
from tests import artefacts
from tests.in_process import ingest_in_process
from tunesmith.artifacts.store import Store
from tunesmith.cluster import connection
from tunesmith.errors import PromotionError, StoreError, UsageError
from tunesmith.evaluation import evaluator
from tunesmith.reports import publishing

# Options of every command that a function has no use for, and those that give another result.
ONLY_COMMAND = {"discard", "as_json", "verbose", "wide", "help", "dry_run", "every"}
ONLY_FUNCTION = {"progress"}
# Where an option's name in the command's function is not the option's own.
NAMES = {
    "run_id": "run", "track": "mlflow", "plugins": "plugin", "tasks": "task", "datasets": "dataset",
}  # fmt: skip


def command_of(name):
    return import_module(f"tunesmith.cli.{name}").main


@pytest.mark.parametrize("name", ["ingest", "tune", "evaluate", "promote", "score", "similar"])
def test_options_have_the_same_names_and_defaults(name):
    parameters = inspect.signature(getattr(tunesmith, name)).parameters
    command = command_of(name)
    defaults = command.make_context(name, [], resilient_parsing=True).params
    options = {
        NAMES.get(option.name, option.name): option
        for option in command.params
        if option.name not in ONLY_COMMAND
    }
    assert set(parameters) - ONLY_FUNCTION == set(options)
    for option_name, option in options.items():
        default = parameters[option_name].default
        if default is inspect.Parameter.empty:
            assert option.required or option_name == "task"
        elif default == ():
            assert option.multiple
        else:
            of_option = None if option.multiple else defaults[option.name]
            assert default == of_option, option_name


def run(name, *arguments):
    return CliRunner().invoke(command_of(name), [*map(str, arguments), "--json"])


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], {}),
        (
            ["--label", "prefix", "--chunk-frames", "50", "--hop-frames", "25"],
            {"label": "prefix", "chunk_frames": 50, "hop_frames": 25},
        ),
        (["--composers", "Bach, Chopin"], {"composers": ["Bach", "Chopin"]}),
        (["--composers", "Bach", "--frames-per-second", "20", "--card"],
         {"composers": "Bach", "frames_per_second": 20, "card": True}),
    ],
)  # fmt: skip
def test_ingest_makes_the_same_version(tmp_path, corpus, monkeypatch, arguments, options):
    ingest_in_process(monkeypatch)
    monkeypatch.setattr(connection, "connect", lambda *_, **options: None)
    monkeypatch.setattr("tunesmith.api.ingestion.connect", lambda *_, **options: None)
    done = run("ingest", corpus, "--name", "small", "--store", tmp_path / "cli", *arguments)
    assert done.exit_code == 0, done.output
    lines = []
    frames = tunesmith.ingest(
        corpus, name="small", store=tmp_path / "api", progress=lines.append, **options
    )
    result = json.loads(done.stdout)
    assert frames.version == result["version"]
    assert frames.dataset.manifest.counts.model_dump() == result["counts"]
    assert lines[-1].endswith(" of 27 files") or "composers" in options
    card = frames.dataset.store.exists("datasets", "small", frames.version, "card.html")
    assert card == bool(options.get("card"))


TEXT = st.text("abc", min_size=1, max_size=3)
SEARCHES = st.fixed_dictionaries(
    {},
    optional={
        "version": TEXT,
        "least_pieces": st.integers(2, 9),
        "least_share": st.sampled_from([0.0, 0.25, 1.0]),
        "preset": st.sampled_from(["fast", "good", "best"]),
        "trials": st.integers(1, 50),
        "time_budget": st.sampled_from(["90s", "15m", "1h30m", "7"]),
        "families": st.just(["boosting"]),
        "seed": st.integers(0, 2**32 - 1),
        "max_failed": st.integers(0, 5),
        "resume": st.just(True),
        "extend": st.just(True),
        "mlflow": st.just(False),
        "group": st.lists(TEXT, max_size=2),
        "drop": st.lists(TEXT, max_size=2),
        "read_as": st.dictionaries(TEXT, st.sampled_from(["comma", "text"]), max_size=2),
        "target": TEXT,
    },
).filter(lambda options: not options.keys() >= {"resume", "extend"})


def arguments_of(options):
    """Return options of the API as the command line takes them."""
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if name == "mlflow":
            yield "--no-mlflow"
        elif value is True:
            yield flag
        elif name == "families":
            yield from (flag, ",".join(value))
        elif name == "read_as":
            for column, how in value.items():
                yield from (flag, f"{column}={how}")
        else:
            for single in value if isinstance(value, list) else [value]:
                yield from (flag, str(single))


@pytest.fixture
def searches(monkeypatch):
    """Return the list of searches that were calls for; none is run."""
    calls = []

    def search(store, asks, **options):
        for name in ("say", "began"):
            options.pop(name)
        calls.append((store.uri, list(asks), options))
        return []

    @contextlib.contextmanager
    def session(address, **options):
        yield {"CPU": 2.0}

    monkeypatch.setattr("tunesmith.tuning.driver.search", search)
    monkeypatch.setattr(connection, "session", session)
    monkeypatch.setattr(connection, "connect", lambda *_, **options: {"CPU": 2.0})
    monkeypatch.setattr(connection, "endpoints", lambda: {"dashboard": None, "metrics": []})
    monkeypatch.setattr("tunesmith.api.search.open_run", lambda store, task: task)
    monkeypatch.setattr("tunesmith.api.search.Run", lambda run: run)
    return calls


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    tasks=st.lists(
        st.sampled_from(["composer", "genre", "digits"]), min_size=1, max_size=3, unique=True
    ),
    options=SEARCHES,
)
def test_tune_asks_for_the_same_search(searches, tmp_path, tasks, options):
    searches.clear()
    named = ["--dataset", "mine", "--store", str(tmp_path)]
    done = run("tune", *tasks, *named, *arguments_of(options))
    assert done.exit_code == 0, done.output
    assert tunesmith.tune(tasks, dataset="mine", store=tmp_path, **options) == tasks
    assert searches[0] == searches[1]


def test_one_task_gives_one_run_and_each_may_have_its_own_dataset(searches, store):
    assert tunesmith.tune("composer", dataset={"composer": "mine"}, store=store) == "composer"
    ((_, (request,), _),) = searches
    assert request.data.dataset == "mine"


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("compser", {}, "Did you mean composer"),
        (3, {}, "of type int"),
        ("digits", {"trials": 0}, "at least 1"),
        ("digits", {"trials": "5"}, "trials is '5'"),
        ("digits", {"seed": -1}, "seed is -1"),
        ("digits", {"seed": 2**32}, "from 0 to 4294967295"),
        ("digits", {"families": "svn"}, "Did you mean svm"),
        ("digits", {"families": [3]}, "A family is 3, of type int"),
        ("digits", {"time_budget": "soon"}, "not a length of time"),
        ("digits", {"preset": "faster"}, "Did you mean fast"),
        ("digits", {"store": 7}, "of type int"),
        ("digits", {"plugin": "nowhere.py"}, "does not exist"),
    ],
)
def test_tune_refuses_wrong_arguments_before_ray_starts(monkeypatch, task, options, message):
    def connect(*_, **options):
        raise AssertionError

    monkeypatch.setattr(connection, "connect", connect)
    with pytest.raises(UsageError, match=message):
        tunesmith.tune(task, **options)


@pytest.fixture
def examples(monkeypatch):
    made = artefacts.make_examples(180)
    monkeypatch.setattr(evaluator, "load_data", lambda run: artefacts.data_of(made))
    monkeypatch.setattr(evaluator, "load_pieces", lambda run, test: None)
    monkeypatch.setattr(publishing, "draw", lambda *arguments: {})
    return made


def add_run(place, examples):
    store = Store(place)
    artefacts.write_run(store, examples, artefacts.chunk_model(artefacts.register_weights()))
    return store


def test_evaluate_measures_the_same(tmp_path, examples):
    add_run(tmp_path / "cli", examples)
    done = run("evaluate", "composer", "--store", tmp_path / "cli")
    assert done.exit_code == 0, done.output
    store, lines = add_run(tmp_path / "api", examples), []
    report = tunesmith.evaluate("composer", run="r1", store=store, progress=lines.append)
    figures = json.loads(done.stdout)["metrics"]["piece"]
    for name, row in report.metrics.iterrows():
        assert row.to_dict() == {key: figures[name][key] for key in ("value", "low", "high")}
    assert lines
    assert report.page.endswith("reports/composer/r1/report.html")
    assert repr(report).startswith("Report('composer', 'r1', macro_f1=0.")
    assert len(report.predictions) == json.loads(done.stdout)["n_test"]
    assert set(report.per_class.index) == set(artefacts.CLASSES)
    html = report._repr_html_()
    assert "balanced accuracy" in html
    assert report.page in html


def test_promote_makes_the_same_champion(tmp_path, examples):
    add_run(tmp_path / "cli", examples)
    done = run("promote", "composer", "--store", tmp_path / "cli")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    model = tunesmith.promote("composer", store=add_run(tmp_path / "api", examples))
    assert model.version == result["version"] == 1
    assert model.bundle.card.sha256 == result["sha256"]
    loaded = tunesmith.load_model("composer", store=tmp_path / "api")
    assert (loaded.version, loaded.classes) == (1, artefacts.CLASSES)


def test_what_the_gate_refuses_is_an_error_and_moves_nothing(tmp_path, examples):
    store = add_run(tmp_path, examples)
    with pytest.raises(PromotionError):
        tunesmith.promote("composer", memory_mb=1, store=store)
    with pytest.raises(UsageError, match="has no champion"):
        tunesmith.load_model("composer", store=store)


def test_a_run_stands_for_its_task_its_store_and_itself(tmp_path, examples):
    from tunesmith.api.results import Run
    from tunesmith.artifacts.runs import open_run

    store = add_run(tmp_path, examples)
    finished = Run(open_run(store, "composer"))
    assert repr(finished) == "Run('composer', 'r1', family='toy', macro_f1=0.800)"
    assert list(finished.trials.index) == [1, 2, 0, 3]
    assert finished.trials.loc[1, "params"] == {"strength": 60.0}
    assert "toy, macro_f1 0.800 on validation (4 trials)" in finished._repr_html_()
    assert tunesmith.evaluate(finished).run_id == "r1"
    assert tunesmith.promote(finished).bundle.card.run_id == "r1"
    with pytest.raises(UsageError, match="names two runs"):
        tunesmith.evaluate(finished, run="r2")


def test_a_run_or_task_that_does_not_exist_is_named(tmp_path, examples):
    store = add_run(tmp_path, examples)
    with pytest.raises(UsageError, match="Did you mean composer"):
        tunesmith.evaluate("composr", store=store)
    with pytest.raises(UsageError, match="run of composer"):
        tunesmith.evaluate("composer", run="r9", store=store)
    with pytest.raises(StoreError, match="no run of 'digits'"):
        tunesmith.promote("digits", store=store)
    with pytest.raises(UsageError, match="no figure named 'confusion'"):
        tunesmith.evaluate("composer", store=store).figure("confusion")


def test_a_task_object_is_known_by_its_name_afterwards(searches, store):
    from tunesmith.tasks import get_task

    task = replace(get_task("digits"), name="my_digits")
    assert tunesmith.tune(task, store=store) == "my_digits"
    assert get_task("my_digits") is task
    again = replace(task, title="Corrected")
    tunesmith.tune(again, store=store)
    assert get_task("my_digits") is again
    with pytest.raises(UsageError, match="read a table of your own"):
        tunesmith.tune("digits", csv="songs.csv", store=store)
    with pytest.raises(UsageError, match="two objects of the kind task named 'digits'"):
        tunesmith.tune(replace(task, name="digits"), store=store)
