"""YAML files that people write, read into pydantic models.

Every problem is told with the file, the line and, for a key that does not exist, the nearest one.
"""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from tunesmith.errors import UsageError

__all__ = ["read_yaml"]

Model = TypeVar("Model", bound=BaseModel)
_Location = Sequence[str | int]


def read_yaml(path: Path, model: type[Model], text: str | None = None) -> Model:
    """Read a YAML file and check it.

    Parameters
    ----------
    path
        The file.
    model
        Pydantic model of its content. Forbid extra keys in it (``extra="forbid"``), so that a
        misspelt key is an error.
    text
        The file's content, where it was read before.

    Returns
    -------
    pydantic.BaseModel
        An instance of `model`.

    Raises
    ------
    UsageError
        When the file cannot be read, is not YAML or does not fit the model. The message has a line
        for each problem.
    """
    try:
        if text is None:
            text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read: {error}."
        raise UsageError(message) from error
    except yaml.YAMLError as error:
        raise UsageError(_not_yaml(path, error)) from error
    try:
        return model.model_validate({} if content is None else content)
    except ValidationError as error:
        problems = [_problem(path, model, root, details) for details in error.errors()]
        raise UsageError("\n".join(problems)) from error


def _not_yaml(path: Path, error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        line = error.problem_mark.line + 1
        begun = error.context_mark
        context = f", {error.context} that begins in line {begun.line + 1}" if begun else ""
        return f"{path}, line {line}: not valid YAML{context}: {error.problem}."
    return f"{path}: not valid YAML: {error}."


def _problem(path: Path, model: type[BaseModel], root: Any, details: Any) -> str:
    location: _Location = details["loc"]
    name = ".".join(str(key) for key in location)
    place = f"{path}, line {_line(root, location)}"
    if details["type"] == "extra_forbidden":
        known = sorted(set(_keys_at(model, location[:-1])))
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"{place}: there is no key {name!r}.{hint} Known: {', '.join(known)}."
    if details["type"] == "missing":
        return f"{place}: the key {name!r} is missing."
    text = str(details["msg"]).removeprefix("Value error, ")
    return f"{place}: {name}: {text}" if name else f"{place}: {text}"


def _line(node: Any, location: _Location) -> int:
    """Return the line of the deepest part of `location` that the file has."""
    line = node.start_mark.line if node is not None else 0
    for key in location:
        if isinstance(node, yaml.MappingNode):
            pairs = {str(name.value): (name, value) for name, value in node.value}
            if str(key) not in pairs:
                continue  # pydantic puts names of union members into its locations
            name, node = pairs[str(key)]
            line = name.start_mark.line
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line
    return int(line) + 1


def _keys_at(model: type[BaseModel], location: _Location) -> Iterator[str]:
    """Yield the keys that may stand at `location` of a file of `model`."""
    models = [model]
    for key in location:
        fields = [m.model_fields[str(key)] for m in models if str(key) in m.model_fields]
        if fields:
            models = [m for field in fields for m in _models_in(field.annotation)]
    for schema in models:
        yield from (field.alias or name for name, field in schema.model_fields.items())


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
