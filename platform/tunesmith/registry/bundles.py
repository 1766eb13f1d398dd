"""Model bundles in the store, and the aliases that say which of them answers users.

``models/<task>/<version>/`` holds ``model.onnx``, ``card.json`` and the same as a page to read,
``card.md``, and never changes.
``models/<task>/aliases.json`` is the only thing that moves, in one step: it names the versions
behind `champion`, `previous` and `challenger`, and the last record of the history (see
`tunesmith.registry.history`). Whatever is interrupted, it points at whole bundles.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from tunesmith.artifacts.preparation import preparation_of_card
from tunesmith.artifacts.store import Store
from tunesmith.errors import StoreError, unknown
from tunesmith.inference.classifier import Classifier
from tunesmith.inference.model import Model

__all__ = [
    "ALIASES",
    "CARD",
    "CARD_TEXT",
    "FOLDER",
    "MODEL",
    "Aliases",
    "Bundle",
    "aliases",
    "bundles",
    "champion",
    "open_bundle",
    "sha256",
]

FOLDER = "models"
MODEL = "model.onnx"
CARD = "card.json"
CARD_TEXT = "card.md"
ALIASES = "aliases.json"


def sha256(data: bytes) -> str:
    """Return the hash by which a card knows its model."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Aliases:
    """Which version stands behind each name; None where there is none.

    Attributes
    ----------
    champion
        Answers users.
    previous
        Answered before it; `rollback` returns to it.
    challenger
        Was registered last and waits for, or was refused by, the gate.
    record
        Number of the history's last record, 0 before the first.
    """

    champion: int | None = None
    previous: int | None = None
    challenger: int | None = None
    record: int = 0

    def names(self, version: int) -> list[str]:
        """Return the aliases of a version."""
        named = {"champion": self.champion, "previous": self.previous}
        named["challenger"] = self.challenger
        return [name for name, number in named.items() if number == version]


@dataclass(frozen=True)
class Bundle:
    """One version of a task's model.

    Attributes
    ----------
    store
        Where it is.
    task
        What it answers.
    version
        1, 2, …
    card
        The content of ``card.json``.
    """

    store: Store
    task: str
    version: int
    card: dict[str, Any]

    @property
    def parts(self) -> tuple[str, str, str]:
        """Where the bundle stands in the store."""
        return (FOLDER, self.task, folder_name(self.version))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the columns of a prediction."""
        return tuple(self.card["labels"])

    def model_bytes(self, variant: str | None = None) -> bytes:
        """Return the ONNX model, or a variant of it, after comparing it with the card's hash.

        Parameters
        ----------
        variant
            A name under ``variants`` in the card; the model itself by default.

        Raises
        ------
        UsageError
            When the bundle holds no such variant.
        StoreError
            When the file is missing or is not the one that the card describes.
        """
        held = {None: self.card, **(self.card.get("variants") or {})}
        if variant not in held:
            kind = f"variant of {self.task} {self.version}"
            raise unknown(kind, str(variant), [name for name in held if name])
        file = variant_file(variant)
        data = self.store.read_bytes(*self.parts, file)
        wanted, got = held[variant].get("sha256"), sha256(data)
        if got != wanted:
            message = (
                f"{'/'.join(self.parts)}/{file} is damaged: its SHA-256 is {got[:12]}…, the card "
                f"says {str(wanted)[:12]}…. Roll back, or promote its run again."
            )
            raise StoreError(message)
        return data

    def load(self, threads: int = 1, variant: str | None = None) -> Classifier:
        """Return the model, ready to predict.

        Parameters
        ----------
        threads
            Threads of one prediction; 0 for every core.
        variant
            As in `model_bytes`.

        Raises
        ------
        StoreError
            When the model's file is missing or damaged.
        ModelError
            When onnxruntime refuses it.
        """
        return Classifier(self.model_bytes(variant), self.card, threads=threads)

    def model(self, threads: int = 1, variant: str | None = None) -> Model:
        """Return the model with the preparation of what it reads: it answers raw items.

        Parameters
        ----------
        threads, variant
            As in `load`.

        Raises
        ------
        StoreError
            When the model's file is missing or damaged, or the card does not say how the model's
            inputs are made.
        ModelError
            When onnxruntime refuses it.
        """
        preparation = preparation_of_card(self.card)
        if preparation is None:
            message = (
                f"{'/'.join(self.parts)}/{CARD} does not say how raw items become the inputs "
                f"{', '.join(self.card['inputs'])}: the data gave no rules, such as a list of "
                "words. Complete the data, then search and promote again."
            )
            raise StoreError(message)
        return Model(self.load(threads, variant), preparation, self.task, self.version)


def variant_file(variant: str | None) -> str:
    """Return the file of a variant in a bundle's folder."""
    return MODEL if variant is None else f"model.{variant}.onnx"


def folder_name(version: int) -> str:
    """Return the folder of a version; zeros keep the order of names the order of numbers."""
    return f"{version:04d}"


def aliases(store: Store, task: str) -> Aliases:
    """Return the aliases of a task, all None where nothing was promoted yet.

    Raises
    ------
    StoreError
        When the file is there but is not what `promote` writes.
    """
    if not store.exists(FOLDER, task, ALIASES):
        return Aliases()
    found = store.read_json(FOLDER, task, ALIASES)
    known = Aliases.__dataclass_fields__
    if not isinstance(found, dict) or not found.keys() <= known.keys():
        message = f"{FOLDER}/{task}/{ALIASES} is not a table of aliases; known: {', '.join(known)}."
        raise StoreError(message)
    return Aliases(**found)


def open_bundle(store: Store, task: str, version: int) -> Bundle:
    """Return a version of a task's model.

    Raises
    ------
    StoreError
        When there is no such version; the message lists those that exist.
    """
    if not store.exists(FOLDER, task, folder_name(version), CARD):
        known = ", ".join(str(number) for number in versions(store, task)) or "none yet"
        message = f"There is no version {version} of {task!r} in {store.uri}. Known: {known}."
        raise StoreError(message)
    card = store.read_json(FOLDER, task, folder_name(version), CARD)
    return Bundle(store, task, version, card)


def versions(store: Store, task: str) -> list[int]:
    """Return the numbers of a task's bundles, ascending."""
    numbers = (int(name) for name in store.list(FOLDER, task) if name.isdecimal())
    return sorted(n for n in numbers if store.exists(FOLDER, task, folder_name(n), CARD))


def bundles(store: Store, task: str) -> list[Bundle]:
    """Return every version of a task's model, oldest first."""
    return [open_bundle(store, task, version) for version in versions(store, task)]


def champion(store: Store, task: str) -> Bundle | None:
    """Return the version that answers users, None where nothing was promoted yet."""
    version = aliases(store, task).champion
    return None if version is None else open_bundle(store, task, version)
