"""Address of MLflow: a server by its URI, else a SQLite file of the store.

MLflow is imported inside the function: it takes more than a second, and few commands need it.
"""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.artifacts import layout
from tunesmith.artifacts.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["ENVIRONMENT_VARIABLE", "experiment", "open_client", "tracking_uri"]

ENVIRONMENT_VARIABLE = "MLFLOW_TRACKING_URI"
_FILE = "mlflow.sqlite3"
_SQLITE = "sqlite:///"
# Nothing is sent to MLflow's makers, a server that is away is not waited for by the minute, and
# what MLflow says of its tables is no concern of a person who searches.
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
}


def tracking_uri(store: Store) -> str:
    """Return the URI that MLflow is to use for a store.

    Returns
    -------
    str
        What ``MLFLOW_TRACKING_URI`` holds, else a SQLite file: in the store's folder, or in the
        home folder where the store is not on this machine, because SQLite needs a real file.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        return named
    home = Path.home() / ".tunesmith" / "work" / "mlflow"
    folder = store.local_path(*layout.mlflow()) if store.is_local else home
    return f"{_SQLITE}{folder / _FILE}"


def open_client(uri: str) -> "MlflowClient":
    """Return MLflow's client of a server or a SQLite file, which is made where there is none.

    Raises
    ------
    mlflow.exceptions.MlflowException
        When what the URI names cannot be opened.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if uri.startswith(_SQLITE):
        Path(uri.removeprefix(_SQLITE)).parent.mkdir(parents=True, exist_ok=True)
    from mlflow import MlflowClient

    # It reports the creation of its tables as news.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    return MlflowClient(uri)


def experiment(client: "MlflowClient", uri: str, name: str) -> str:
    """Return the id of MLflow's experiment `name`, which is made where there is none.

    Beside a SQLite file its artefacts lie in the same folder; a server knows a place itself.

    Raises
    ------
    mlflow.exceptions.MlflowException
        When MLflow does not answer.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        return str(experiment.experiment_id)
    place = None
    if uri.startswith(_SQLITE):
        place = (Path(uri.removeprefix(_SQLITE)).parent / "artifacts").as_uri()
    return str(client.create_experiment(name, artifact_location=place))
