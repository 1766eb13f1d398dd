"""The OpenAPI document: bodies, answers and examples of the nodes as they are now.

Its parts are FastAPI's own models of the specification; `dump` makes JSON of them.
"""

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from fastapi.openapi.models import (
    Example,
    MediaType,
    Operation,
    Parameter,
    Reference,
    RequestBody,
    Response,
    Schema,
)
from pydantic import BaseModel, Field, create_model

from tunesmith.artifacts.preparation import MidiPreparation, Preparation, TablePreparation
from tunesmith.inference.explain import EXPLAINED
from tunesmith.serving.answers import Body
from tunesmith.serving.http import problems, schemas
from tunesmith.serving.http.decoding import MEDIA_TYPES
from tunesmith.serving.http.music import MUSIC_TYPES
from tunesmith.serving.http.problems import MEDIA_TYPE, Kind
from tunesmith.serving.nodes import Node

__all__ = [
    "CLASSIFY_BODY",
    "CLASSIFY_PROBLEMS",
    "CLASSIFY_TYPES",
    "MUSIC_PROBLEMS",
    "NOTES_BODY",
    "SIMILAR_BODY",
    "SIMILAR_PROBLEMS",
    "answer_model",
    "complete",
    "describe_problems",
    "example_of",
    "node_body",
]

Dumped = dict[str, Any]
"""A part of the document as FastAPI makes and takes it, of FastAPI's own type."""

BINARY = Schema(type="string", format="binary")
TEXT = "A warm, funny film that I would gladly see again."
_STROKE = [[0, 0, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 1, 0]]
IMAGE = {"pixels": _STROKE, "largest": 1}
_NOT_EMPTY = Schema(type="string", minLength=1)
_ITEM = {
    "table": Schema(
        type="object",
        description="Values by column; null for what is not known.",
        additionalProperties=Schema(type=["number", "string", "boolean", "null"]),
        minProperties=1,
    ),
    "image": Schema(
        type="object",
        required=["pixels"],
        properties={
            "pixels": Schema(
                type="array",
                description="Rows of numbers, 0 the background.",
                items=Schema(type="array", items=Schema(type="number", minimum=0)),
            ),
            "largest": Schema(type="number", description="Value of a full stroke."),
        },
    ),
    "text": Schema(type="object", required=["text"], properties={"text": _NOT_EMPTY}),
}
ROW = {"first_column": 0.5, "second_column": "a text", "third_column": None}


def dump(part: BaseModel) -> Dumped:
    """Return a part of the document as JSON holds it; an explicit null stays."""
    return part.model_dump(mode="json", by_alias=True, exclude_unset=True)


def example_of(preparation: Preparation) -> Any:
    """Return an item that a model reads, from the usual values of its training data."""
    if isinstance(preparation, TablePreparation):
        return {column.name: column.usual for column in preparation.columns}
    return IMAGE if preparation.kind == "image" else {"text": TEXT}


def problem_responses(*kinds: Kind) -> dict[str, Response]:
    """Return the responses of an operation for the problems it can answer, by status."""
    by_status: dict[int, list[Kind]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind)
    schema = Reference.model_validate({"$ref": "#/components/schemas/ProblemAnswer"})
    responses = {}
    for status, alike in by_status.items():
        examples: dict[str, Example | Reference] = {
            kind.name: {"value": problems.ProblemError(kind, f"{kind.title}.").body("/v1/…")}
            for kind in alike
        }
        responses[str(status)] = Response(
            description="; ".join(kind.title for kind in alike),
            content={MEDIA_TYPE: MediaType(schema=schema, examples=examples)},
        )
    return responses


def describe_problems(*kinds: Kind) -> dict[int | str, Dumped]:
    """Return the `responses` of a route for the problems it can answer, as FastAPI takes them."""
    return {int(status): dump(of) for status, of in problem_responses(*kinds).items()}


_ALWAYS = (
    problems.KEY_REQUIRED,
    problems.RATE_LIMITED,
    problems.SLOW_UPLOAD,
    problems.TOO_LARGE,
    problems.UNSUPPORTED_MEDIA_TYPE,
    problems.EMPTY_BODY,
    problems.MALFORMED_BODY,
    problems.INVALID_INPUT,
    problems.NO_CHAMPION,
    problems.STORE_UNREACHABLE,
    problems.NODE_FAILED,
    problems.OVERLOADED,
    problems.DEADLINE,
)
_MIDI = (
    problems.NOT_MIDI,
    problems.UNREADABLE_MIDI,
    problems.NO_NOTES,
    problems.MIDI_LIMIT,
    problems.NO_MUSIC,
    problems.UNREADABLE_RECORDING,
    problems.NOT_INSTALLED,
)
CLASSIFY_PROBLEMS = describe_problems(*_ALWAYS, *_MIDI)
_OF_MODELS = (problems.NO_CHAMPION, problems.STORE_UNREACHABLE, problems.NODE_FAILED)
_OF_MUSIC = (*(of for of in _ALWAYS if of not in _OF_MODELS), *_MIDI)
MUSIC_PROBLEMS = describe_problems(*_OF_MUSIC)
SIMILAR_PROBLEMS = describe_problems(*_OF_MUSIC, problems.NO_INDEX, problems.STORE_UNREACHABLE)


def node_body(preparation: Preparation, one: bool = False) -> RequestBody:
    """Return the body of a request to a node's route, for `one` item or also for a list."""
    content: dict[str, MediaType] = {}
    kind = preparation.kind
    for media in MEDIA_TYPES[kind]:
        if media == "multipart/form-data":
            file = Schema(type="array", items=BINARY, minItems=1)
            form = Schema(type="object", required=["file"], properties={"file": file})
            content[media] = MediaType(schema=form)
        elif media == "application/json":
            item, example = _ITEM[kind], example_of(preparation)
            examples: dict[str, Example | Reference] = {"one": {"value": example}}
            if not one:
                examples["list"] = {"value": [example, example]}
            array = Schema(type="array", items=item, minItems=1)
            schema = item if one else Schema(anyOf=[item, array])
            content[media] = MediaType(schema=schema, examples=examples)
        elif media == "text/csv":
            content[media] = MediaType(schema=Schema(type="string"), example=_csv(preparation))
        elif media == "text/plain":
            content[media] = MediaType(schema=_NOT_EMPTY, example=TEXT)
        else:
            content[media] = MediaType(schema=BINARY)
    description = {
        "midi": "A MIDI file, a score or a recording; several as files of one form.",
        "table": "A row of a table, or a list of rows.",
        "image": "A picture as numbers or as a file, or a list.",
        "text": "A text, or a list of texts.",
    }[kind]
    if one:
        description = "One item; of a list no reasons are given."
    return RequestBody(required=True, description=description, content=content)


def _csv(preparation: Preparation) -> str:
    example = example_of(preparation)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(example)
    writer.writerow("" if value is None else value for value in example.values())
    return table.getvalue()


_MIXTURE = Schema(
    type="object",
    minProperties=1,
    additionalProperties=False,
    properties={
        "midi": Schema(type="string", contentEncoding="base64"),
        **_ITEM,
        "text": Schema(anyOf=[_ITEM["text"], _NOT_EMPTY]),
    },
)
_FORM = Schema(
    type="object",
    properties={
        "midi": BINARY,
        "image": BINARY,
        "table": _ITEM["table"],
        "text": Schema(type="string"),
    },
)
_CLASSIFY_BODY = RequestBody(
    required=True,
    description="Any mixture of what the nodes read.",
    content={
        "application/json": MediaType(schema=_MIXTURE, example={"table": ROW, "text": TEXT}),
        "multipart/form-data": MediaType(schema=_FORM),
    },
)
_NOTES_BODY = RequestBody(
    required=True,
    description="A MIDI file, a score or a recording.",
    content={media: MediaType(schema=BINARY) for media in MUSIC_TYPES},
)
NOTES_BODY = {"requestBody": dump(_NOTES_BODY)}
SIMILAR_BODY = {"requestBody": dump(node_body(MidiPreparation()))}
CLASSIFY_BODY = {"requestBody": dump(_CLASSIFY_BODY)}
CLASSIFY_TYPES = tuple(_CLASSIFY_BODY.content)


def answer_model(name: str, kind: str) -> type[BaseModel]:
    """Return the model of a node's answer about one item."""
    base = schemas.PieceAnswer if kind == "midi" else schemas.PlainAnswer
    label = (str, Field(description="Most probable class."))
    title = f"{name.title().replace('_', '').replace('-', '')}Answer"
    doc = f"Answer of {name}."
    made: type[BaseModel] = create_model(title, __base__=base, __doc__=doc, **{name: label})  # type: ignore[call-overload]
    return made


def complete(document: Dumped, nodes: Iterable[Node]) -> Dumped:
    """Add the routes of the nodes to an OpenAPI document, and the problems of every route."""
    components = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    components["ProblemAnswer"] = schemas.ProblemAnswer.model_json_schema()
    classify_all = document["paths"]["/v1/classify"]["post"]
    shared = [Parameter.model_validate(parameter) for parameter in classify_all["parameters"]]
    for node in nodes:
        if node.preparation is None:
            continue
        operations = _operations(node, node.preparation, shared, components)
        for action, operation in operations.items():
            document["paths"][f"/v1/{node.name}{action}"] = {"post": dump(operation)}
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
    shared: list[Parameter],
    components: Body,
) -> dict[str, Operation]:
    """Return the operations of a node by the rest of their route: "", "/why" and "/label"."""
    kinds = (*_ALWAYS, *(_MIDI if preparation.kind == "midi" else ()))
    failed = problem_responses(*kinds)
    detail = Parameter.model_validate(
        {
            "name": "detail",
            "in": "query",
            "required": False,
            "description": "Whether each segment carries the probability of every class.",
            "schema": {"type": "boolean", "default": False},
        }
    )
    item = _reference(answer_model(node.name, preparation.kind), components)
    several = _reference(schemas.ListAnswer, components)
    classify = Operation(
        tags=["classify"],
        summary=node.title,
        operationId=node.name,
        parameters=[detail, *shared],
        requestBody=node_body(preparation),
        responses={"200": _answer(Schema(anyOf=[item, several])), **failed},
    )
    operations = {"": classify}
    if node.settings.decision is not None:
        operations["/label"] = _label_operation(node, preparation, shared, components, failed)
    if preparation.kind not in EXPLAINED:
        return operations
    operations["/why"] = Operation(
        tags=["classify"],
        summary=f"Reasons for and against the answer of {node.name}",
        operationId=f"{node.name}_why",
        parameters=[*shared],
        requestBody=node_body(preparation, one=True),
        responses={"200": _answer(_reference(schemas.WhyAnswer, components)), **failed},
    )
    return operations


def _label_operation(
    node: Node,
    preparation: Preparation,
    shared: list[Parameter],
    components: Body,
    failed: dict[str, Response],
) -> Operation:
    label = Parameter.model_validate(
        {
            "name": "label",
            "in": "query",
            "required": True,
            "description": "The right label of the item.",
            "schema": {"type": "string", "minLength": 1},
        }
    )
    deadline = [of for of in shared if of.name.lower() == "x-deadline-s"]
    answer = _answer(_reference(schemas.LabelledItem, components))
    return Operation(
        tags=["classify"],
        summary=f"The right label of an item of {node.name}, by which its challenger is judged",
        operationId=f"{node.name}_label",
        parameters=[label, *deadline],
        requestBody=node_body(preparation, one=True),
        responses={"200": answer, **failed, **problem_responses(problems.NOT_A_LABELLER)},
    )


def _answer(schema: Schema) -> Response:
    return Response(
        description="The answer", content={"application/json": MediaType(schema=schema)}
    )


def _reference(model: type[BaseModel], components: Body) -> Schema:
    """Return a reference to a model, which is put among the components."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    components |= schema.pop("$defs", {})
    components[model.__name__] = schema
    return Schema.model_validate({"$ref": f"#/components/schemas/{model.__name__}"})
