"""MLflow's model registry: every bundle as an immutable version, and the aliases, for all to see.

Who answers users is said by the store's alias file alone: it moves in one step on every file
system, and a server reads it without MLflow. MLflow's registry says the same to people and to other
programs. It is compared with the store and brought up to date after every move, so a kill or a
server that was away in between loses nothing: the next command adds what is missing.
"""

import socket
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.artifacts.cards import ChampionRecord
from tunesmith.artifacts.store import Store
from tunesmith.artifacts.tracking import open_client, tracking_uri
from tunesmith.artifacts.uris import without_credentials
from tunesmith.errors import PromotionError
from tunesmith.registry.bundles import Bundle, bundles, read_aliases, versions
from tunesmith.registry.history import history

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["CatalogueError", "Catalogued", "catalogue", "catalogue_or_say", "model_name"]

_BUNDLE = "tunesmith.bundle"
_MOVED = "tunesmith.moved"
_ALIASES = ("champion", "challenger", "previous")
# MLflow's own limit of a tag is above that.
_LONGEST_TAG = 4000


class CatalogueError(PromotionError):
    """MLflow could not be told; what the store says holds all the same."""


@dataclass(frozen=True)
class Catalogued:
    """Entries of a task in MLflow's registry, and those added just now.

    Attributes
    ----------
    uri
        The registry.
    name
        The registered model.
    versions
        MLflow's version of each bundle by the bundle's own number. The two agree where one store
        has the registry for itself.
    added
        Numbers of the bundles that were added.
    moved
        Aliases that were moved or taken away.
    """

    uri: str
    name: str
    versions: Mapping[int, str]
    added: tuple[int, ...]
    moved: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """Return the same as JSON holds it."""
        return {
            "uri": without_credentials(self.uri),
            "name": self.name,
            "versions": {str(number): name for number, name in self.versions.items()},
            "added": list(self.added),
            "moved": list(self.moved),
        }


def model_name(task: str) -> str:
    """Return the name of a task's registered model."""
    return f"tunesmith-{task}"


def catalogue(store: Store, task: str, uri: str | None = None) -> Catalogued:
    """Bring MLflow's model registry up to date with the store.

    Parameters
    ----------
    store
        Holds the bundles and their aliases.
    task
        Whose models.
    uri
        The registry; by default what ``MLFLOW_TRACKING_URI`` names, else a SQLite file.

    Raises
    ------
    CatalogueError
        When MLflow cannot be opened or does not take it. Nothing of the store has changed then,
        and the next call goes on where this one ended.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    uri = uri or tracking_uri(store)
    try:
        with warnings.catch_warnings():
            # Of SQLAlchemy, about the way MLflow uses it.
            warnings.simplefilter("ignore", DeprecationWarning)
            return _brought_up_to_date(open_client(uri), store, task, uri)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        message = (
            f"MLflow's registry at {without_credentials(uri)} was not told: "
            f"{without_credentials(str(error))}. The store is right and servers "
            "follow it; the next promote, rollback or history brings the registry up to date."
        )
        raise CatalogueError(message) from error


def catalogue_or_say(store: Store, task: str, say: Callable[[str], None]) -> Catalogued | None:
    """Bring MLflow's registry up to date, or say why not: a command's own work is done by then.

    A task without a bundle is not entered.
    """
    if not versions(store, task):
        return None
    try:
        return catalogue(store, task)
    except CatalogueError as error:
        say(f"Warning: {error}")
        return None


def _brought_up_to_date(client: "MlflowClient", store: Store, task: str, uri: str) -> Catalogued:
    name = model_name(task)
    held, held_aliases = _held(client, name, task)
    of_number: dict[int, str] = {}
    added = []
    for bundle in bundles(store, task):
        place = _place(bundle, uri)
        if place not in held:
            version = client.create_model_version(
                name, place, run_id=_run_of(client, bundle), tags=_tags(bundle, place),
                description=bundle.card.intended_use,
            )  # fmt: skip
            held[place] = str(version.version)
            added.append(bundle.version)
        of_number[bundle.version] = held[place]
    moved = []
    now = read_aliases(store, task)
    for alias in _ALIASES:
        wanted = of_number.get(getattr(now, alias) or 0)
        if wanted == held_aliases.get(alias):
            continue
        if wanted is None:
            client.delete_registered_model_alias(name, alias)
        else:
            client.set_registered_model_alias(name, alias, wanted)
        moved.append(alias)
    newest = [record for record in history(store, task)[:1] if record.champion in of_number]
    for record in newest if moved else ():
        client.set_model_version_tag(name, of_number[record.champion], _MOVED, _move_text(record))
    return Catalogued(uri, name, of_number, tuple(added), tuple(moved))


def _held(client: "MlflowClient", name: str, task: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the versions that the registry holds, by the bundle's place, and the aliases."""
    from mlflow.exceptions import MlflowException

    try:
        model = client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        model = client.create_registered_model(name, tags={"tunesmith.task": task})
    held: dict[str, str] = {}
    token = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", page_token=token)
        held |= {version.tags.get(_BUNDLE, ""): str(version.version) for version in page}
        token = page.token
        if not token:
            break
    return held, {alias: str(version) for alias, version in model.aliases.items()}


def _place(bundle: Bundle, registry_uri: str) -> str:
    """Return where a bundle is, as the registry's readers can understand it."""
    path = "/".join((bundle.store.shown, *bundle.parts))
    if bundle.store.is_local and registry_uri.startswith("http"):
        # A server refuses paths of a disk, its own or another's; this one is for people to read.
        return f"tunesmith://{socket.gethostname()}{path}"
    return path


def _tags(bundle: Bundle, place: str) -> dict[str, str]:
    """Return what the card says, as far as a list of versions should show it."""
    card = bundle.card
    lineage = card.lineage
    tags = {
        _BUNDLE: place,
        "tunesmith.version": bundle.version,
        "sha256": card.sha256,
        "run": card.run_id,
        "family": lineage.family if lineage else None,
        "trial": lineage.trial if lineage else None,
        "dataset": card.dataset_name,
        "commit": lineage.commit if lineage else None,
        "created": card.created,
    }
    for level, metrics in card.metrics.items():
        for metric, interval in metrics.items():
            text = f"{interval.value:.4f} [{interval.low:.4f}, {interval.high:.4f}]"
            tags[f"{level}.{metric}"] = text
    return {key: str(value) for key, value in tags.items() if value is not None}


def _move_text(record: ChampionRecord) -> str:
    text = record.model_dump_json(exclude={"verdicts", "schema_version"})
    return text[:_LONGEST_TAG]


def _run_of(client: "MlflowClient", bundle: Bundle) -> str | None:
    """Return MLflow's run of the trial that a bundle comes from, where the search tracked it."""
    lineage = bundle.card.lineage
    experiment = client.get_experiment_by_name(bundle.card.task)
    if experiment is None or lineage is None:
        return None
    run_id, trial = bundle.card.run_id, lineage.trial
    query = f"tags.run = '{run_id}' and tags.`tunesmith.trial` = '{trial}'"
    runs = client.search_runs([experiment.experiment_id], query, max_results=1)
    return runs[0].info.run_id if runs else None
