"""Model bundles in the store, and the aliases that say which of them answers users.

``models/<task>/<version>/`` holds ``model.onnx``, ``known.onnx`` where the model can tell items
of no class, ``card.json`` and the same as a page to read,
``card.md``, and never changes.
``models/<task>/aliases.json`` is the only thing that moves, in one step: it names the versions
behind `champion`, `previous` and `challenger`, and the last record of the history (see
`tunesmith.registry.history`). Whatever is interrupted, it points at whole bundles.
"""

import hashlib
from dataclasses import dataclass

from tunesmith.artifacts import layout
from tunesmith.artifacts.cards import Aliases, Card, read_aliases
from tunesmith.artifacts.gaps import readable
from tunesmith.artifacts.store import Store
from tunesmith.errors import StoreError, UsageError, unknown
from tunesmith.inference.classifier import Classifier
from tunesmith.inference.model import Model
from tunesmith.inference.open_set import OpenSet

__all__ = [
    "CARD_TEXT",
    "KNOWN",
    "MODEL",
    "Aliases",
    "Bundle",
    "bundles",
    "champion",
    "find_bundle",
    "next_version",
    "open_bundle",
    "read_aliases",
    "sha256",
    "variant_file",
    "versions",
]

MODEL = "model.onnx"
KNOWN = "known.onnx"
CARD_TEXT = "card.md"


def sha256(data: bytes) -> str:
    """Return the hash by which a card knows its model."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Bundle:
    """One version of a task's model.

    Attributes
    ----------
    store
        Where the bundle is.
    task
        Name of the task.
    version
        1, 2, …
    card
        The content of ``card.json``.
    """

    store: Store
    task: str
    version: int
    card: Card

    @property
    def parts(self) -> layout.Parts:
        """The bundle's folder in the store."""
        return layout.bundle(self.task, self.version)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the columns of a prediction."""
        return self.card.labels

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
        if variant is not None and variant not in self.card.variants:
            kind = f"variant of {self.task} {self.version}"
            raise unknown(kind, variant, self.card.variants)
        described = self.card if variant is None else self.card.variants[variant]
        return self._file(variant_file(variant), described.sha256)

    def _file(self, name: str, wanted: str | None) -> bytes:
        """Return a file of the bundle after comparing it with the card's hash."""
        data = self.store.read_bytes(*self.parts, name)
        got = sha256(data)
        if got != wanted:
            message = (
                f"{'/'.join(self.parts)}/{name} is damaged: its SHA-256 is {got[:12]}…, the card "
                f"says {str(wanted)[:12]}…. Roll back, or promote its run again."
            )
            raise StoreError(message)
        return data

    def open_set(self, threads: int = 1) -> OpenSet | None:
        """Return the detector of items of no class, None where the bundle has none.

        Raises
        ------
        StoreError
            When its file is missing or damaged.
        ModelError
            When onnxruntime refuses it.
        """
        facts = self.card.detector
        if facts is None:
            return None
        return OpenSet(self._file(KNOWN, facts.sha256), facts, self.classes, threads)

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
        return Classifier(self.model_bytes(variant), self.card.json_object(), threads=threads)

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
        preparation = self.card.preparation
        if preparation is None:
            file = "/".join((*self.parts, layout.CARD))
            message = (
                f"{file} does not say how raw items become the inputs "
                f"{', '.join(self.card.inputs)}: the data gave no rules, such as a list of "
                "words. Complete the data, then search and promote again."
            )
            raise StoreError(message)
        return Model(
            self.load(threads, variant),
            preparation,
            self.task,
            self.version,
            open_set=self.open_set(threads),
            label_sets=self.card.label_sets,
        )


def variant_file(variant: str | None) -> str:
    """Return the file of a variant in a bundle's folder."""
    return MODEL if variant is None else f"model.{variant}.onnx"


def open_bundle(store: Store, task: str, version: int) -> Bundle:
    """Return a version of a task's model.

    Raises
    ------
    StoreError
        When there is no such version; the message lists those that exist.
    """
    card = Card.find(store, *layout.bundle(task, version, layout.CARD))
    if card is None:
        known = ", ".join(str(number) for number in versions(store, task)) or "none yet"
        message = f"There is no version {version} of {task!r} in {store.shown}. Known: {known}."
        raise StoreError(message)
    return Bundle(store, task, version, card)


def versions(store: Store, task: str) -> list[int]:
    """Return the numbers of a task's bundles, ascending."""
    numbers = _numbered_folders(store, task)
    return [n for n in numbers if store.exists(*layout.bundle(task, n, layout.CARD))]


def next_version(store: Store, task: str) -> int:
    """Return the number of the next bundle; a folder without a card keeps its number, too."""
    return max(_numbered_folders(store, task), default=0) + 1


def _numbered_folders(store: Store, task: str) -> list[int]:
    names = store.list(*layout.model(task))
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


def bundles(store: Store, task: str) -> list[Bundle]:
    """Return every version of a task's model that can be read, oldest first."""
    return readable(
        versions(store, task),
        lambda version: open_bundle(store, task, version),
        lambda version: f"Version {version} of {task}",
    )


def champion(store: Store, task: str) -> Bundle | None:
    """Return the version that answers users, None where nothing was promoted yet."""
    version = read_aliases(store, task).champion
    return None if version is None else open_bundle(store, task, version)


def find_bundle(store: Store, task: str, version: int | str | None = None) -> Bundle:
    """Return a version of a task's model by its number or its alias; the champion by default.

    Raises
    ------
    UsageError
        When the task has no model, or no such alias; the message names near ones.
    StoreError
        When there is no such version.
    """
    if isinstance(version, int):
        return open_bundle(store, task, version)
    names = read_aliases(store, task)
    known = {name: getattr(names, name) for name in ("champion", "previous", "challenger")}
    alias = version or "champion"
    if alias not in known:
        kind = "alias"
        raise unknown(kind, alias, known)
    number = known[alias]
    if number is None:
        raise _nothing_promoted(store, task, alias)
    return open_bundle(store, task, number)


def _nothing_promoted(store: Store, task: str, alias: str) -> UsageError:
    known = readable(
        store.list(*layout.models()),
        lambda name: (name, read_aliases(store, name).champion),
        lambda name: f"The task {name}",
    )
    promoted = [name for name, champion in known if champion is not None]
    if task not in promoted and promoted:
        kind = "promoted model"
        return unknown(kind, task, promoted)
    return UsageError(
        f"The task {task!r} has no {alias} in {store.shown}. Promote a run first: "
        f"tunesmith promote {task}."
    )
