"""The store's layout: every path in it, built here and nowhere else.

A path is a tuple of names below the store's root, as `Store` takes them::

    datasets/<name>/latest.json                     the version that readers get by default
    datasets/<name>/<version>/                      a dataset version; manifest.json is its marker
    runs/.cluster.json                              the Ray cluster of the newest search
    runs/<task>/latest.json                         the newest published run
    runs/<task>/.staging-<run_id>/                  a search that did not finish, or runs
    runs/<task>/<run_id>/                           a run; run.json is its marker
    reports/<task>/<run_id>/                        the evaluation of a run; report.json comes last
    models/<task>/aliases.json                      the versions behind champion, previous, …
    models/<task>/records/<number>.json             one move of the champion
    models/<task>/<version>/                        a bundle; card.json is its marker
    studies/<study>/<key>.json                      one measurement of a replication
    serve/contests/<task>/<contest>/<replica>.json  what a replica saw of a challenger
    serve/keys/<name>-<number>-<revision>.json      the hash of an API key, and its limit
    mlflow/                                         MLflow's SQLite file and artefacts
"""

from pathlib import Path

__all__ = [
    "ANSWERS",
    "CARD",
    "CLUSTER",
    "DIAGNOSIS",
    "DIAGNOSIS_PAGE",
    "FORMER_API_KEYS",
    "HISTORY",
    "MANIFEST",
    "OUTPUT",
    "OWNER",
    "PLAN",
    "RECORD",
    "REPORT",
    "STUDY",
    "Parts",
    "aliases",
    "api_key",
    "api_keys",
    "bundle",
    "champion_record",
    "champion_records",
    "contest",
    "dataset",
    "dataset_version",
    "datasets",
    "latest_dataset",
    "latest_run",
    "measurement",
    "mlflow",
    "model",
    "models",
    "replication",
    "report",
    "reports",
    "run",
    "runs",
    "searched_tasks",
    "staged",
    "staged_run",
    "version_folder",
    "work_folder",
]

Parts = tuple[str, ...]
"""Names of the folders and of the file below the store's root."""

_DATASETS, _RUNS, _REPORTS, _MODELS = "datasets", "runs", "reports", "models"
_REPLICATIONS = "studies"
_LATEST = "latest.json"
_STAGING_PREFIX = ".staging-"
# Files inside an artefact's folder.
MANIFEST = "manifest.json"
DIAGNOSIS = "doctor.json"
DIAGNOSIS_PAGE = "doctor.html"
RECORD = "run.json"
PLAN = "plan.json"
OWNER = "owner.json"
STUDY = "study.journal"
HISTORY = "history.jsonl"
ANSWERS = "answers"
REPORT = "report.json"
CARD = "card.json"
OUTPUT = "probabilities"
"""Name of the output of every exported model, and of its answers in ``reference.npz``."""
# Files that stand alone.
FORMER_API_KEYS: Parts = ("serve", "keys.json")
CLUSTER: Parts = (_RUNS, ".cluster.json")


def staged(key: str) -> str:
    """Return the name of the folder in which the artefact `key` is built."""
    return f"{_STAGING_PREFIX}{key}"


def datasets() -> Parts:
    """Return the folder of all datasets."""
    return (_DATASETS,)


def dataset(name: str) -> Parts:
    """Return the folder of a dataset's versions."""
    return (_DATASETS, name)


def latest_dataset(name: str) -> Parts:
    """Return the file that names a dataset's latest version."""
    return (_DATASETS, name, _LATEST)


def dataset_version(name: str, version: str, *file: str) -> Parts:
    """Return the folder of a dataset version, or a file in it."""
    return (_DATASETS, name, version, *file)


def searched_tasks() -> Parts:
    """Return the folder that holds a folder for each task that was searched."""
    return (_RUNS,)


def runs(task: str) -> Parts:
    """Return the folder of a task's runs."""
    return (_RUNS, task)


def latest_run(task: str) -> Parts:
    """Return the file that names a task's newest published run."""
    return (_RUNS, task, _LATEST)


def run(task: str, run_id: str, *file: str) -> Parts:
    """Return the folder of a run, or a file in it."""
    return (_RUNS, task, run_id, *file)


def staged_run(task: str, run_id: str, *file: str) -> Parts:
    """Return the folder of a run that is not published yet, or a file in it."""
    return (_RUNS, task, staged(run_id), *file)


def work_folder(run_id: str) -> Path:
    """Return the folder of this machine where a run grows whose store is elsewhere.

    The study's journal and event files need real files.
    """
    return Path.home() / ".tunesmith" / "work" / run_id


def reports(task: str) -> Parts:
    """Return the folder of the reports on a task's runs."""
    return (_REPORTS, task)


def report(task: str, run_id: str, *file: str) -> Parts:
    """Return the folder of the report on a run, or a file in it."""
    return (_REPORTS, task, run_id, *file)


def models() -> Parts:
    """Return the folder that holds a folder for each task that has a bundle."""
    return (_MODELS,)


def model(task: str) -> Parts:
    """Return the folder of a task's bundles."""
    return (_MODELS, task)


def aliases(task: str) -> Parts:
    """Return the file that names the versions behind a task's aliases."""
    return (_MODELS, task, "aliases.json")


def version_folder(version: int) -> str:
    """Return the folder of a bundle; zeros keep the order of names the order of numbers."""
    return f"{version:04d}"


def bundle(task: str, version: int, *file: str) -> Parts:
    """Return the folder of a bundle, or a file in it."""
    return (_MODELS, task, version_folder(version), *file)


def champion_records(task: str) -> Parts:
    """Return the folder of the records of a task's champions."""
    return (_MODELS, task, "records")


def champion_record(task: str, number: int) -> Parts:
    """Return the file of one move of a task's champion."""
    return (*champion_records(task), f"{version_folder(number)}.json")


def api_keys() -> Parts:
    """Return the folder of the API keys."""
    return ("serve", "keys")


def api_key(file: str) -> Parts:
    """Return a file of an API key; see `tunesmith.artifacts.api_keys`."""
    return (*api_keys(), file)


def contest(task: str, key: str, *file: str) -> Parts:
    """Return the folder of a challenger's contest, or a file in it."""
    return ("serve", "contests", task, key, *file)


def replication(*file: str) -> Parts:
    """Return the folder of all replications, or a file in it."""
    return (_REPLICATIONS, *file)


def measurement(study: str, key: str) -> Parts:
    """Return the file of one measurement of a replication."""
    return (_REPLICATIONS, study, f"{key}.json")


def mlflow() -> Parts:
    """Return the folder of MLflow's SQLite file."""
    return ("mlflow",)
