"""Promoted models, loaded to predict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from tunesmith import inference
from tunesmith.api.extras import needs
from tunesmith.api.html import facts_html
from tunesmith.api.stores import AnyStore, open_store
from tunesmith.artifacts.cards import Card
from tunesmith.artifacts.reports import Interval, Metrics
from tunesmith.audio import read_music
from tunesmith.datasets.learned import LearnedMusic
from tunesmith.errors import InputError, MidiError, ModelError, UsageError
from tunesmith.inference import Prediction as Answer
from tunesmith.inference.items import Item
from tunesmith.inference.pieces import Piece
from tunesmith.midi.score import Transcription
from tunesmith.registry import Bundle, aliases, find_bundle

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Model", "Prediction", "load_model"]

Row = Mapping[str, float | str | None]
"""One row of a table: values by column, None where a value is missing."""


@dataclass(frozen=True)
class Prediction:
    """The answer of a model to one item.

    Attributes
    ----------
    label
        The most probable class.
    probability
        Its probability.
    probabilities
        Probability of every class by label, the most probable first.
    none_of_these
        Whether the item is unlike anything that the model learned from: `label` is then only the
        nearest class. None where the model has no detector. Not true of music that the model's
        dataset holds under one of its classes, in whatever key and tempo.
    known
        How known the item is, 0 to 1; None where the model has no detector.
    confidence
        Probability that the label is right: that of the class, times the probability that the item
        is of a class at all.
    labels_90
        Labels that hold the true one with 90 % probability, if the item is of a class; None where
        the model does not say.
    transcription
        Of a recording: how sure its transcription is (``certainty``, the mean probability of its
        notes), and how many seconds were heard (``heard_s``); None for other items.
    segments
        Of a piece: a row a segment of it, with ``start_s``, ``label`` and ``probability``; None for
        other items.
    """

    label: str
    probability: float
    probabilities: Mapping[str, float]
    segments: "pd.DataFrame | None" = None
    none_of_these: bool | None = None
    known: float | None = None
    confidence: float = 0.0
    labels_90: tuple[str, ...] | None = None
    transcription: Transcription | None = None

    def __repr__(self) -> str:
        none = ", none_of_these=True" if self.none_of_these else ""
        return f"Prediction({self.label!r}, probability={self.probability:.3f}{none})"

    def _repr_html_(self) -> str:
        shares = [(label, f"{share:.1%}") for label, share in self.probabilities.items()]
        return facts_html(f"{self.label}: {self.probability:.1%}", shares[:10])


class Model:
    """One version of a task's model, ready to predict.

    Attributes
    ----------
    bundle
        The version in the store, with its card.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.bundle.task

    @property
    def version(self) -> int:
        """Number of the version, from 1."""
        return self.bundle.version

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels that it can answer with."""
        return self.bundle.classes

    @overload
    def predict(self, items: str | Path | bytes | Row) -> Prediction: ...

    @overload
    def predict(
        self, items: "pd.DataFrame | pd.Series[Any] | list[Any] | tuple[Any, ...]"
    ) -> "pd.DataFrame": ...

    @overload
    def predict(self, items: npt.NDArray[Any]) -> "Prediction | pd.DataFrame": ...

    @needs("Model.predict", "serve")
    def predict(self, items: Any) -> "Prediction | pd.DataFrame":
        """Classify one item or many.

        Parameters
        ----------
        items
            One item: the path or the bytes of a MIDI file, a
            written score or a recording, a row of a table as a mapping, an image
            as an array ``[height, width]``, or a text; as the task of the model has it. Or many: a
            list of such items, an array of images ``[images, height, width]``, or a DataFrame with
            a row an item, whose columns are those that the model learned from. Other columns are
            ignored.

        Returns
        -------
        Prediction
            For one item.
        pandas.DataFrame
            For many: a row an item, with the same index as a DataFrame that was given, else the
            paths where paths were given. Columns are ``label``, ``probability``,
            ``none_of_these`` where the model has a detector, ``certainty`` of the transcription
            where there are recordings, and one for the probability of each class.

        Raises
        ------
        UsageError
            When an item is of another type than the model reads, a file is missing, or a column is.
        MidiError
            When a file is not MIDI that can be read.
        ModelError
            When the model has no answer to an item.

        Examples
        --------
        >>> model = tunesmith.load_model("composer")  # doctest: +SKIP
        >>> model.predict("fugue.mid")  # doctest: +SKIP
        Prediction('Johann Sebastian Bach', probability=0.981)
        """
        raw, index = _as_list(items, self._reads)
        judged = self._judge(raw)
        if index is None:
            return _prediction(judged[0])
        return self._frame(judged, index)

    @cached_property
    def _model(self) -> inference.Model:
        return self.bundle.model()

    @cached_property
    def _learned(self) -> LearnedMusic:
        return LearnedMusic(self.bundle.store)

    @property
    def _reads(self) -> str:
        return self._model.preparation.kind

    def _judge(self, raw: Sequence[Any]) -> list[Answer]:
        """Return the model's answer about each item.

        Raises
        ------
        UsageError, MidiError, ModelError
            As in `predict`.
        """
        model = self._model
        items = [_item(given, self._reads) for given in raw]
        prepared = model.prepare([_pixels(item, model) for item in items])
        answers = []
        for place, answer in enumerate(model.answers(prepared, model.run(prepared.inputs))):
            if isinstance(answer, InputError):
                message = f"Item {place} of {len(items)}: {answer}"
                raise ModelError(message)
            answers.append(self._recognised(items[place], answer))
        return answers

    def _recognised(self, item: Item, answer: Answer) -> Answer:
        if not answer.none_of_these or not isinstance(item, Piece):
            return answer
        label = self._learned.label(self.bundle.card.dataset_name, item.score.notes)
        return answer.recognised(label)

    def _frame(self, judged: Sequence[Answer], index: Any) -> "pd.DataFrame":
        import pandas as pd

        shape = (len(judged), len(self.classes))
        rows = np.array([answer.probabilities for answer in judged], dtype=np.float32)
        rows = rows.reshape(shape)
        best = rows.argmax(axis=1) if len(rows) else np.zeros(0, dtype=int)
        columns = {
            "label": np.array(self.classes, dtype=object)[best],
            "probability": rows[np.arange(len(rows)), best],
        }
        if any(answer.none_of_these is not None for answer in judged):
            columns["none_of_these"] = np.array([answer.none_of_these for answer in judged])
        if any(answer.transcription is not None for answer in judged):
            heard = [answer.transcription for answer in judged]
            columns["certainty"] = np.array([of.certainty if of else np.nan for of in heard])
        columns |= {f"p_{label}": rows[:, place] for place, label in enumerate(self.classes)}
        return pd.DataFrame(columns, index=index)

    def __repr__(self) -> str:
        metric, interval = _headline(self.bundle.card)
        return f"Model({self.task!r}, version={self.version}, {metric}={interval.value:.3f})"

    def _repr_html_(self) -> str:
        card = self.bundle.card
        metrics = _metrics(card)
        figures = [
            (name.replace("_", " "), f"{of.value:.3f} [{of.low:.3f}, {of.high:.3f}]")
            for name, of in metrics.items()
        ]
        names = ", ".join(self.classes[:8]) + (", …" if len(self.classes) > 8 else "")
        facts = [
            ("aliases", ", ".join(aliases(self.bundle.store, self.task).names(self.version))),
            ("labels", names),
            ("family", card.lineage.family if card.lineage and card.lineage.family else "unknown"),
            ("run", card.run_id),
            *figures,
        ]
        return facts_html(f"{self.task}, version {self.version}", facts)


def _metrics(card: Card) -> Metrics:
    """Return each metric of the whole items with its interval."""
    return card.metrics.get(card.unit) or next(iter(card.metrics.values()))


def _headline(card: Card) -> tuple[str, Interval]:
    """Return the metric that stands for the model, and its value with an interval."""
    metrics = _metrics(card)
    name = "macro_f1" if "macro_f1" in metrics else next(iter(metrics))
    return name, metrics[name]


def _prediction(answer: Answer) -> Prediction:
    """Return a judgement with names."""
    order = np.argsort(-answer.probabilities, kind="stable")
    probabilities = {answer.classes[place]: float(answer.probabilities[place]) for place in order}
    label, probability = next(iter(probabilities.items()))
    return Prediction(
        label,
        probability,
        probabilities,
        _segments(answer),
        none_of_these=answer.none_of_these,
        known=answer.known,
        confidence=answer.confidence,
        labels_90=answer.labels_90,
        transcription=answer.transcription,
    )


def _segments(answer: Answer) -> "pd.DataFrame | None":
    import pandas as pd

    segments = answer.segments
    if segments is None:
        return None
    rows = segments.probabilities
    best = rows.argmax(axis=1) if len(rows) else np.zeros(0, dtype=int)
    return pd.DataFrame(
        {
            "start_s": segments.starts_s,
            "label": np.array(answer.classes, dtype=object)[best],
            "probability": rows[np.arange(len(rows)), best],
        }
    )


def _as_list(items: Any, reads: str) -> tuple[Sequence[Any], Any]:
    """Return the items as a list and the index of the answer's rows; None for a single item."""
    import pandas as pd

    if isinstance(items, pd.DataFrame):
        if reads != "table":
            message = (
                f"This model reads {_READS[reads]}, not rows of a table: give a list of them, such "
                "as one column of the DataFrame."
            )
            raise UsageError(message)
        return items.astype(object).where(items.notna(), None).to_dict("records"), items.index
    if isinstance(items, pd.Series) and reads != "table":
        return items.tolist(), items.index
    if isinstance(items, np.ndarray) and reads == "image" and items.ndim > 2:
        return list(items), pd.RangeIndex(len(items))
    if isinstance(items, list | tuple):
        names = [str(item) for item in items if isinstance(item, str | Path)]
        of_files = reads == "midi" and len(names) == len(items)
        return items, pd.Index(names) if of_files else pd.RangeIndex(len(items))
    return [items], None


_READS = {
    "midi": "MIDI files (a path or bytes)",
    "table": "rows of a table (a mapping or a DataFrame)",
    "image": "images (an array [height, width])",
    "text": "texts",
}


def _item(given: Any, reads: str) -> Item:
    """Return one item as the model's preparation takes it."""
    import pandas as pd

    if reads == "midi" and isinstance(given, str | Path | bytes):
        return _piece(given)
    if reads == "table" and isinstance(given, Mapping | pd.Series):
        return {str(k): None if pd.isna(v) else _plain(v) for k, v in given.items()}
    if reads == "image" and isinstance(given, np.ndarray):
        return given.astype(np.float32)
    if reads == "text" and isinstance(given, str):
        return given
    message = f"This model reads {_READS[reads]}; {type(given).__name__} is none of these."
    raise UsageError(message)


def _pixels(item: Item, model: inference.Model) -> Item:
    return model.decode(item) if isinstance(item, np.ndarray) else item


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _piece(source: str | Path | bytes) -> Piece:
    if isinstance(source, bytes):
        return Piece(read_music(source))
    try:
        content = Path(source).expanduser().read_bytes()
    except OSError as error:
        message = f"{source} cannot be read: {error.strerror}."
        raise UsageError(message) from error
    try:
        return Piece(read_music(content))
    except MidiError as error:
        message = f"{source}: {error}"
        raise MidiError(message) from error


@needs("tunesmith.load_model", "serve")
def load_model(
    task: str, *, version: int | str | None = None, store: AnyStore | None = None
) -> Model:
    """Load a promoted model.

    Parameters
    ----------
    task
        Name of the task.
    version
        Number of a version, or an alias: ``champion``, ``previous`` or ``challenger``. The champion
        by default.
    store
        A folder, URI or store; see `tunesmith.open_store`.

    Returns
    -------
    Model
        Ready to predict; neither Ray nor TensorFlow is loaded.

    Raises
    ------
    UsageError
        When the task has no model, or no such alias; the message names near ones.
    StoreError
        When there is no such version, or its files are damaged.

    Examples
    --------
    >>> import tunesmith
    >>> tunesmith.load_model("composer")  # doctest: +SKIP
    Model('composer', version=3, macro_f1=0.908)
    """
    return Model(find_bundle(open_store(store), task, version))
