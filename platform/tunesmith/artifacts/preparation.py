"""Preprocessing as data: how raw items become the inputs of a model.

A task's reader produces a `Preparation`, ``run.json`` and ``card.json`` keep it, and
`tunesmith.inference` executes it. Training and serving run the same code on the same data.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from tunesmith.errors import StoreError

__all__ = [
    "MISSING_TEXTS",
    "TEXT_COUNTS",
    "CategoryColumn",
    "Column",
    "ImagePreparation",
    "MidiPreparation",
    "NgramsColumn",
    "NumberColumn",
    "NumberFormat",
    "Preparation",
    "TablePreparation",
    "TextPreparation",
    "WordsColumn",
    "preparation_of_card",
    "preparation_of_run",
]

MISSING_TEXTS = (
    "?", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""Texts that stand for a missing value, as table programs write them; an empty cell always does."""

# Characters that Keras's Tokenizer removes, so that words are those a vocabulary was counted with.
_PUNCTUATION = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
_PIXEL = re.compile(r"pixel_(\d+)_(\d+)")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MidiPreparation(_Part):
    """A MIDI file becomes a piano roll cut into chunks, the notes of each, and musical features."""

    kind: Literal["midi"] = "midi"
    frames_per_second: float = Field(default=10.0, gt=0, description="Frames of the roll.")
    chunk_frames: int = Field(default=150, ge=1, description="Length of a chunk in frames.")
    hop_frames: int = Field(
        default=150, ge=1, description="Frames from the start of one chunk to the next."
    )
    features: tuple[str, ...] = Field(
        default=(),
        description="Musical features in the model's order; empty for all that the code computes.",
    )

    @property
    def chunk_s(self) -> float:
        """Length of a chunk in seconds."""
        return self.chunk_frames / self.frames_per_second


class NumberFormat(_Part):
    """Form of the numbers in a column of texts; cells that are numbers are taken as they are."""

    kind: Literal["number", "duration", "date"] = Field(
        default="number",
        description="A duration such as 3:45 becomes seconds, a date the days since 1970.",
    )
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ".", ",", " ", "'"] = Field(
        default="", description="Separator of thousands; a space stands for any kind of it."
    )
    affixes: tuple[str, ...] = Field(
        default=(), description="Texts before or after a number, such as a currency or %."
    )
    powers: bool = Field(
        default=False, description="Whether k, M or bn after a number multiply it."
    )
    dates: Literal["iso", "day first", "month first", "named month"] = Field(
        default="iso", description="How dates are written."
    )


class NumberColumn(_Part):
    """A column of numbers; a text that is not a number counts as missing.

    The model reads the difference from `offset` as 32-bit numbers. Where these would round whole
    numbers that differ to the same one, a second column has what is left.
    """

    kind: Literal["number"] = "number"
    name: str
    missing: tuple[float, ...] = Field(
        default=(), description="Numbers that stand for a missing value."
    )
    low: float | None = Field(default=None, description="Smallest usual value: 1st percentile.")
    high: float | None = Field(default=None, description="Largest usual value: 99th percentile.")
    usual: float | None = Field(default=None, description="Median, an example of a value.")
    format: NumberFormat | None = Field(
        default=None, description="How texts are read; None where they are plain numbers."
    )
    offset: float = Field(default=0.0, description="Subtracted from each number.")
    has_rest: bool = Field(
        default=False, description="Whether a second column has what 32 bits leave over."
    )

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the model's columns made of this one."""
        return (self.name, f"{self.name} (rest)") if self.has_rest else (self.name,)


class CategoryColumn(_Part):
    """A column of texts, one 0 or 1 for each known one; a text never seen leaves all at 0."""

    kind: Literal["category"] = "category"
    name: str
    categories: tuple[str, ...] = Field(min_length=1)
    usual: str | None = Field(default=None, description="Most frequent text, an example.")

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the model's columns made of this one."""
        return tuple(f"{self.name}={category}" for category in self.categories)


class WordsColumn(_Part):
    """A column of longer texts, one 0 or 1 for each known word that a text holds."""

    kind: Literal["words"] = "words"
    name: str
    words: tuple[str, ...] = Field(min_length=1, description="In lower case.")
    usual: str | None = Field(default=None, description="A text of the training data.")

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the model's columns made of this one."""
        return tuple(f"{self.name} has {word}" for word in self.words)


TEXT_COUNTS = (
    "characters",
    "words",
    "capitals",
    "numerals",
    "signs",
    "letters beyond ASCII",
    "hyphens",
    "brackets",
    "commas",
    "apostrophes",
)
"""Counts of a text that a model reads of an `NgramsColumn` beside its n-grams."""


class NgramsColumn(_Part):
    """A column of texts such as titles, read by their n-grams of words and of characters.

    The n-grams are a view of their own, beside a few counts of each text.
    """

    kind: Literal["ngrams"] = "ngrams"
    name: str
    most: int = Field(ge=1, le=4096, description="N-grams that are read of a text, at most.")
    usual: str | None = Field(default=None, description="A text of the training data.")

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the model's columns made of this one."""
        return tuple(f"{self.name} ({count})" for count in TEXT_COUNTS)


Column = Annotated[
    NumberColumn | CategoryColumn | WordsColumn | NgramsColumn, Field(discriminator="kind")
]
"""A column of a table, discriminated by `kind`."""


class TablePreparation(_Part):
    """A row of a table becomes numbers, NaN where a value is missing."""

    kind: Literal["table"] = "table"
    columns: tuple[Column, ...] = Field(min_length=1)
    missing_texts: tuple[str, ...] = Field(
        default=MISSING_TEXTS,
        description="Texts that stand for a missing value in every column, besides an empty one.",
    )

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the model's columns, in order."""
        return tuple(name for column in self.columns for name in column.features)

    @property
    def texts(self) -> tuple[NgramsColumn, ...]:
        """The columns that are read by n-grams, in order."""
        return tuple(column for column in self.columns if isinstance(column, NgramsColumn))

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            message = f"columns are named twice: {', '.join(twice)}"
            raise ValueError(message)
        return self


class ImagePreparation(_Part):
    """A picture becomes grey pixels, light strokes on a dark background, of a fixed size."""

    kind: Literal["image"] = "image"
    height: int = Field(ge=1, le=4096, description="Pixels from top to bottom.")
    width: int = Field(ge=1, le=4096, description="Pixels from left to right.")
    largest: float = Field(
        default=255.0, gt=0, description="Value of a full stroke; 0 is the background."
    )
    whole_numbers: bool = Field(
        default=False, description="Whether pixels are rounded to whole numbers."
    )
    flat: bool = Field(
        default=False, description="Whether a picture is one row of numbers instead of a grid."
    )
    framing: Literal["filled", "centred"] = Field(
        default="filled",
        description="How a drawing stands in the picture: it fills it, or its centre of mass is "
        "in the middle of a margin.",
    )

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the model's columns where a picture is one row of numbers, else ()."""
        if not self.flat:
            return ()
        return tuple(
            f"pixel_{row}_{column}" for row in range(self.height) for column in range(self.width)
        )


class TextPreparation(_Part):
    """A text becomes the numbers of its last words, padded in front to a fixed length."""

    kind: Literal["text"] = "text"
    words: tuple[str, ...] = Field(description="Known words; the first has the number `first`.")
    first: int = Field(ge=0, description="Number of the first word.")
    start: int | None = Field(default=None, description="Number that begins every text.")
    unknown: int = Field(ge=0, description="Number of a word that is not known.")
    padding: int = Field(default=0, ge=0, description="Number in front of a short text.")
    length: int = Field(ge=1, description="Numbers in the model's input.")
    removed: str = Field(default=_PUNCTUATION, description="Characters that only separate words.")
    lower_case: bool = Field(default=True, description="Whether a text is put in lower case.")


Preparation = Annotated[
    MidiPreparation | TablePreparation | ImagePreparation | TextPreparation,
    Field(discriminator="kind"),
]
"""Preparation of one kind of item, discriminated by `kind`."""

_ADAPTER: TypeAdapter[Preparation] = TypeAdapter(Preparation)
_FRAMES = ("frames_per_second", "chunk_frames", "hop_frames")


def preparation_of_run(facts: Mapping[str, Any]) -> Preparation | None:
    """Return the preparation in the content of ``run.json``, also of an older run.

    Returns
    -------
    Preparation or None
        None where the run does not say how its inputs are made; its model cannot be served then.

    Raises
    ------
    StoreError
        When the member ``preparation`` is not what a search writes.
    """
    if "preparation" in facts:
        return _read(facts["preparation"], "run.json")
    parameters = facts.get("parameters") or {}
    return _older(
        facts.get("views") or (),
        facts.get("features") or parameters.get("features") or (),
        parameters.get("text"),
        parameters,
    )


def preparation_of_card(card: Mapping[str, Any]) -> Preparation | None:
    """Return the preparation in the content of ``card.json``, also of an older bundle.

    An older card does not list the numbers that stand for a missing value in its tables; those are
    read as they are.

    Raises
    ------
    StoreError
        When the member ``preparation`` is not what a promotion writes.
    """
    if "preparation" in card:
        return _read(card["preparation"], "card.json")
    parameters = card.get("parameters") or {}
    inputs: Mapping[str, Any] = card.get("inputs") or {}
    older = _older(
        tuple(inputs),
        card.get("features") or parameters.get("features") or (),
        card.get("text"),
        card.get("dataset") or {},
    )
    if older is None and len(inputs) == 1:
        shape = next(iter(inputs.values())).get("shape") or ()
        return _picture(shape)
    return older


def _read(content: Any, file: str) -> Preparation | None:
    if content is None:
        return None
    try:
        return _ADAPTER.validate_python(content)
    except ValidationError as error:
        message = (
            f"`preparation` in {file} cannot be read: {error.errors()[0]['msg']}. It was written "
            "by another version; search and promote again."
        )
        raise StoreError(message) from error


def _older(
    views: Sequence[str],
    features: Sequence[str],
    text: Mapping[str, Any] | None,
    frames: Mapping[str, Any],
) -> Preparation | None:
    """Return the preparation that versions before 0.2 had in their code."""
    if text:
        known = ("words", "first", "start", "unknown", "padding", "length")
        return TextPreparation(**{name: text[name] for name in known if name in text})
    if {"chunks", "notes"} & set(views) or all(frames.get(name) for name in _FRAMES):
        cut = {name: frames[name] for name in _FRAMES if frames.get(name)}
        return MidiPreparation(**cut, features=tuple(features))
    if features:
        places = [_PIXEL.fullmatch(name) for name in features]
        if all(places):
            height, width = (
                1 + max(int(place[group]) for place in places if place) for group in (1, 2)
            )
            largest = 16.0 if (height, width) == (8, 8) else 255.0
            return ImagePreparation(height=height, width=width, largest=largest, flat=True)
        return TablePreparation(columns=_columns(features))
    return None


def _columns(features: Sequence[str]) -> tuple[NumberColumn | CategoryColumn, ...]:
    """Return the columns that the names of features stand for, such as ``tempo`` and ``key=A``."""
    categories: dict[str, list[str]] = {}
    for feature in features:
        name, separator, category = feature.partition("=")
        own = categories.setdefault(name, [])
        if separator:
            own.append(category)
    return tuple(
        CategoryColumn(name=name, categories=tuple(own)) if own else NumberColumn(name=name)
        for name, own in categories.items()
    )


def _picture(shape: Sequence[int | None]) -> ImagePreparation | None:
    """Return the preparation of pictures for a model whose card gives nothing but its shape."""
    sizes = [size for size in shape[1:] if size is not None]
    if len(sizes) == 3 and sizes[2] == 1:
        sizes = sizes[:2]
    if len(sizes) == 2:
        height, width = sizes
        return ImagePreparation(height=height, width=width, whole_numbers=True, framing="centred")
    side = round(sizes[0] ** 0.5) if len(sizes) == 1 else 0
    if side and side * side == sizes[0]:
        largest = 16.0 if side == 8 else 255.0
        return ImagePreparation(height=side, width=side, largest=largest, flat=True)
    return None
