"""What the OpenAPI document says about bodies and answers, with real examples."""

from typing import Any

from pydantic import BaseModel, create_model

from tunesmith.serving.http import problems, schemas
from tunesmith.serving.http.decoding import MEDIA_TYPES
from tunesmith.serving.http.problems import MEDIA_TYPE, Kind
from tunesmith.serving.settings import NodeSettings

__all__ = [
    "CLASSIFY_BODY",
    "CLASSIFY_PROBLEMS",
    "CLASSIFY_TYPES",
    "answer_model",
    "describe_problems",
    "node_body",
    "node_problems",
]

BINARY = {"type": "string", "format": "binary"}
# What the shipped tasks on songs read, both together.
SONG = {
    "popularity": 47,
    "acousticness": 0.12,
    "danceability": 0.68,
    "duration_ms": 214000,
    "duration (ms)": 214000,
    "energy": 0.81,
    "instrumentalness": 0.0,
    "key": "A#",
    "liveness": 0.11,
    "loudness": -5.4,
    "mode": "Minor",
    "speechiness": 0.05,
    "spec_rate": 2.3e-07,
    "tempo": 121.0,
    "valence": 0.64,
}
TEXT = "A warm, funny film that I would gladly see again."
_STROKE = [[0, 0, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 1, 0]]
IMAGE = {"pixels": _STROKE, "largest": 1}
_ITEM = {
    "song": {
        "type": "object",
        "description": "Features by name; null for what is not known.",
        "additionalProperties": {"type": ["number", "string", "null"]},
        "minProperties": 1,
    },
    "image": {
        "type": "object",
        "required": ["pixels"],
        "properties": {
            "pixels": {
                "type": "array",
                "description": "Rows of numbers, 0 the background.",
                "items": {"type": "array", "items": {"type": "number", "minimum": 0}},
            },
            "largest": {"type": "number", "description": "Value of a full stroke."},
        },
    },
    "text": {
        "type": "object",
        "required": ["text"],
        "properties": {"text": {"type": "string", "minLength": 1}},
    },
}
_EXAMPLES: dict[str, Any] = {"song": SONG, "image": IMAGE, "text": {"text": TEXT}}


def describe_problems(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an operation for the problems it can answer."""
    found: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        response = found.setdefault(
            kind.status,
            {
                "description": "",
                "content": {
                    MEDIA_TYPE: {
                        "schema": {"$ref": "#/components/schemas/ProblemAnswer"},
                        "examples": {},
                    }
                },
            },
        )
        titles = filter(None, (response["description"], kind.title))
        response["description"] = "; ".join(titles)
        problem = problems.ProblemError(kind, f"{kind.title}.")
        response["content"][MEDIA_TYPE]["examples"][kind.name] = {"value": problem.body("/v1/…")}
    return found


_ALWAYS = (
    problems.KEY_REQUIRED,
    problems.RATE_LIMITED,
    problems.TOO_LARGE,
    problems.UNSUPPORTED_MEDIA_TYPE,
    problems.EMPTY_BODY,
    problems.MALFORMED_BODY,
    problems.INVALID_INPUT,
    problems.NO_CHAMPION,
    problems.NODE_FAILED,
    problems.OVERLOADED,
    problems.DEADLINE,
)
_MIDI = (problems.NOT_MIDI, problems.UNREADABLE_MIDI, problems.NO_NOTES, problems.MIDI_LIMIT)
CLASSIFY_PROBLEMS = describe_problems(*_ALWAYS, *_MIDI)


def node_problems(node: NodeSettings) -> dict[int | str, dict[str, Any]]:
    """Return the problems that a node's route can answer."""
    return describe_problems(*_ALWAYS, *(_MIDI if node.reads == "midi" else ()))


def node_body(node: NodeSettings) -> dict[str, Any]:
    """Return the `requestBody` of a node's route."""
    content: dict[str, Any] = {}
    for kind in MEDIA_TYPES[node.reads]:
        if kind == "multipart/form-data":
            file = {"file": {"type": "array", "items": BINARY, "minItems": 1}}
            schema = {"type": "object", "required": ["file"], "properties": file}
            content[kind] = {"schema": schema}
        elif kind == "application/json":
            item = _ITEM[node.reads]
            example = _EXAMPLES[node.reads]
            content[kind] = {
                "schema": {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]},
                "examples": {"one": {"value": example}, "list": {"value": [example, example]}},
            }
        elif kind == "text/csv":
            rows = [",".join(SONG), ",".join(map(str, SONG.values()))]
            content[kind] = {"schema": {"type": "string"}, "example": "\n".join(rows)}
        elif kind == "text/plain":
            content[kind] = {"schema": {"type": "string", "minLength": 1}, "example": TEXT}
        else:
            content[kind] = {"schema": BINARY}
    what = {
        "midi": "A Standard MIDI File; several as files of one form.",
        "song": "A song's features, or a list of songs.",
        "image": "A picture as numbers or PNG, or a list.",
        "text": "A text, or a list of texts.",
    }[node.reads]
    return {"requestBody": {"required": True, "description": what, "content": content}}


CLASSIFY_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Any mixture of what the nodes read.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": False,
                    "properties": {
                        "midi": {"type": "string", "contentEncoding": "base64"},
                        **_ITEM,
                        "text": {"anyOf": [_ITEM["text"], {"type": "string", "minLength": 1}]},
                    },
                },
                "example": {"song": SONG, "text": TEXT},
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "midi": BINARY,
                        "image": BINARY,
                        "song": _ITEM["song"],
                        "text": {"type": "string"},
                    },
                }
            },
        },
    }
}
CLASSIFY_TYPES = tuple(CLASSIFY_BODY["requestBody"]["content"])


def answer_model(name: str, node: NodeSettings) -> type[BaseModel]:
    """Return the model of a node's answer: one item's, or those of a list."""
    if name == "composer":
        one: type[BaseModel] = schemas.ComposerAnswer
    else:
        base = schemas.PieceAnswer if node.reads == "midi" else schemas.PlainAnswer
        best: dict[str, Any] = {name: (str, ...)}
        title = f"{name.title().replace('_', '')}Answer"
        one = create_model(title, __base__=base, __doc__=f"What {name} says.", **best)
    return one
