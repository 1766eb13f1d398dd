"""The OpenAPI document: bodies, answers and examples of the nodes as they are now."""

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, Field, create_model

from tunesmith.artifacts.documents import JsonObject
from tunesmith.artifacts.preparation import Preparation, TablePreparation
from tunesmith.serving.http import problems, schemas
from tunesmith.serving.http.decoding import MEDIA_TYPES
from tunesmith.serving.http.problems import MEDIA_TYPE, Kind
from tunesmith.serving.nodes import Node

__all__ = [
    "CLASSIFY_BODY",
    "CLASSIFY_PROBLEMS",
    "CLASSIFY_TYPES",
    "EXPLAINED",
    "answer_model",
    "complete",
    "describe_problems",
    "example_of",
    "node_body",
]

EXPLAINED = ("midi", "table")
"""Kinds of items whose parts have names, so that reasons can be given."""
BINARY = {"type": "string", "format": "binary"}
TEXT = "A warm, funny film that I would gladly see again."
_STROKE = [[0, 0, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 1, 0]]
IMAGE = {"pixels": _STROKE, "largest": 1}
_ITEM: JsonObject = {
    "table": {
        "type": "object",
        "description": "Values by column; null for what is not known.",
        "additionalProperties": {"type": ["number", "string", "boolean", "null"]},
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
ROW = {"first_column": 0.5, "second_column": "a text", "third_column": None}


def example_of(preparation: Preparation) -> Any:
    """Return an item that a model reads, from the usual values of its training data."""
    if isinstance(preparation, TablePreparation):
        return {column.name: column.usual for column in preparation.columns}
    return IMAGE if preparation.kind == "image" else {"text": TEXT}


def describe_problems(*kinds: Kind) -> dict[int | str, JsonObject]:
    """Return the `responses` of an operation for the problems it can answer."""
    found: dict[int | str, JsonObject] = {}
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


def node_body(preparation: Preparation, one: bool = False) -> JsonObject:
    """Return the `requestBody` of a node's route, for `one` item or also for a list."""
    content: JsonObject = {}
    schema: JsonObject
    kind = preparation.kind
    for media in MEDIA_TYPES[kind]:
        if media == "multipart/form-data":
            file = {"file": {"type": "array", "items": BINARY, "minItems": 1}}
            schema = {"type": "object", "required": ["file"], "properties": file}
            content[media] = {"schema": schema}
        elif media == "application/json":
            item, example = _ITEM[kind], example_of(preparation)
            examples = {"one": {"value": example}}
            if not one:
                examples["list"] = {"value": [example, example]}
            array = {"type": "array", "items": item, "minItems": 1}
            schema = item if one else {"anyOf": [item, array]}
            content[media] = {"schema": schema, "examples": examples}
        elif media == "text/csv":
            content[media] = {"schema": {"type": "string"}, "example": _csv(preparation)}
        elif media == "text/plain":
            content[media] = {"schema": {"type": "string", "minLength": 1}, "example": TEXT}
        else:
            content[media] = {"schema": BINARY}
    description = {
        "midi": "A Standard MIDI File; several as files of one form.",
        "table": "A row of a table, or a list of rows.",
        "image": "A picture as numbers or PNG, or a list.",
        "text": "A text, or a list of texts.",
    }[kind]
    if one:
        description = "One item; of a list no reasons are given."
    return {"required": True, "description": description, "content": content}


def _csv(preparation: Preparation) -> str:
    example = example_of(preparation)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(example)
    writer.writerow("" if value is None else value for value in example.values())
    return table.getvalue()


CLASSIFY_BODY: JsonObject = {
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
                "example": {"table": ROW, "text": TEXT},
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "midi": BINARY,
                        "image": BINARY,
                        "table": _ITEM["table"],
                        "text": {"type": "string"},
                    },
                }
            },
        },
    }
}
CLASSIFY_TYPES = tuple(CLASSIFY_BODY["requestBody"]["content"])


def answer_model(name: str, kind: str) -> type[BaseModel]:
    """Return the model of a node's answer about one item."""
    base = schemas.PieceAnswer if kind == "midi" else schemas.PlainAnswer
    member: JsonObject = {name: (str, Field(description="Most probable class."))}
    title = f"{name.title().replace('_', '').replace('-', '')}Answer"
    return create_model(title, __base__=base, __doc__=f"Answer of {name}.", **member)


def complete(document: JsonObject, nodes: Iterable[Node]) -> JsonObject:
    """Add the routes of the nodes to an OpenAPI document, and the problems of every route."""
    components = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    components["ProblemAnswer"] = schemas.ProblemAnswer.model_json_schema()
    shared = document["paths"]["/v1/classify"]["post"]["parameters"]
    for node in nodes:
        if node.preparation is None:
            continue
        classify, why = _operations(node, node.preparation, shared, components)
        document["paths"][f"/v1/{node.name}"] = {"post": classify}
        if why is not None:
            document["paths"][f"/v1/{node.name}/why"] = {"post": why}
    invalid = describe_problems(problems.INVALID_INPUT)[422]
    refused = describe_problems(problems.KEY_REQUIRED, problems.RATE_LIMITED)
    for path in document["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            responses["200"]["description"] = "The answer"
            if "HTTPValidationError" in json.dumps(responses.get("422", {})):
                responses["422"] = invalid
            for status, response in refused.items():
                responses.setdefault(str(status), response)
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{}, {"key": []}]
    return document


def _operations(
    node: Node,
    preparation: Preparation,
    shared: list[JsonObject],
    components: JsonObject,
) -> tuple[JsonObject, JsonObject | None]:
    """Return the operations POST /v1/NAME and, where reasons are given, POST /v1/NAME/why."""
    kinds = (*_ALWAYS, *(_MIDI if preparation.kind == "midi" else ()))
    failed = {str(status): found for status, found in describe_problems(*kinds).items()}
    detail = {
        "name": "detail",
        "in": "query",
        "required": False,
        "description": "Whether each segment carries the probability of every class.",
        "schema": {"type": "boolean", "default": False},
    }
    item = _reference(answer_model(node.name, preparation.kind), components)
    several = _reference(schemas.ListAnswer, components)
    classify = {
        "tags": ["classify"],
        "summary": node.title,
        "operationId": node.name,
        "parameters": [detail, *shared],
        "requestBody": node_body(preparation),
        "responses": {"200": _answer({"anyOf": [item, several]}), **failed},
    }
    if preparation.kind not in EXPLAINED:
        return classify, None
    why = {
        "tags": ["classify"],
        "summary": f"Reasons for and against the answer of {node.name}",
        "operationId": f"{node.name}_why",
        "parameters": shared,
        "requestBody": node_body(preparation, one=True),
        "responses": {"200": _answer(_reference(schemas.WhyAnswer, components)), **failed},
    }
    return classify, why


def _answer(schema: JsonObject) -> JsonObject:
    return {"description": "The answer", "content": {"application/json": {"schema": schema}}}


def _reference(model: type[BaseModel], components: JsonObject) -> JsonObject:
    """Return a reference to a model, which is put among the components."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    components |= schema.pop("$defs", {})
    components[model.__name__] = schema
    return {"$ref": f"#/components/schemas/{model.__name__}"}
