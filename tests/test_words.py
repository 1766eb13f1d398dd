"""The code describes itself in plain words: habits that a program can check without guessing."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("platform", "jobs", "serve", "benchmarks", "kuberay", "docs", "examples")

QUESTION_WORDS = ("What", "Where", "Who", "How", "Which", "Whether")
# A docstring or comment that says nothing, such as "Its name." or "Which."
EMPTY_GLOSS = re.compile(r"(It|Which|Its \w+|The \w+|That|Them|One|So)\.")
# Turns of phrase that readers stumbled over, and what is written instead.
PHRASES = {
    re.compile(r"\bof late\b"): "recently, or the recent ...",
    re.compile(r"\bno number\b"): "NaN, or not a number",
    re.compile(r"\bnobody\b", re.IGNORECASE): "no with the noun, or none",
    re.compile(r"\bas whose\b"): "name the owner",
    re.compile(r"\bframes a second\b"): "frames per second",
}
LOCALS = {"said", "told", "asked", "found"}


def _sources() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from sorted((ROOT / folder).rglob("*.py"))


def _docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of every docstring, those under constants and attributes included."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for child in body if isinstance(body, list) else []:
            if (
                isinstance(child, ast.Expr)
                and isinstance(child.value, ast.Constant)
                and isinstance(child.value.value, str)
            ):
                yield child.lineno, child.value.value.strip()


def _faults(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    fields: set[int] = set()
    for line, text in _docstrings(tree):
        first = text.split("\n", 1)[0]
        if re.match(rf"({'|'.join(QUESTION_WORDS)})\b", first):
            yield f"{path}:{line}: begins with a question word: {first}"
        if EMPTY_GLOSS.fullmatch(first):
            yield f"{path}:{line}: says nothing: {first}"
        for pattern, better in PHRASES.items():
            if match := pattern.search(text):
                yield f"{path}:{line}: '{match[0]}': write {better}"
    for node in ast.walk(tree):
        # A field of a class names what a reader of the artefact looks for.
        if isinstance(node, ast.ClassDef):
            fields.update(id(item.target) for item in node.body if isinstance(item, ast.AnnAssign))
        if not isinstance(node, ast.Name) or id(node) in fields:
            continue
        if isinstance(node.ctx, ast.Store) and node.id in LOCALS:
            yield f"{path}:{node.lineno}: '{node.id}': name the value"


def test_docstrings_and_locals_are_plain() -> None:
    faults = [fault for path in _sources() for fault in _faults(path)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('"""What it is."""', "question word"),
        ('def f():\n    """Whether it is."""', "question word"),
        ('class A:\n    x: int\n    """Its name."""', "says nothing"),
        ('"""Called when nobody waits."""', "nobody"),
        ("told = 1", "told"),
    ],
)
def test_each_habit_is_found(tmp_path: Path, code: str, expected: str) -> None:
    path = tmp_path / "module.py"
    path.write_text(code)
    assert any(expected in fault for fault in _faults(path))
    path.write_text('"""Whatever the input, the output is sorted."""\nprobability = 1')
    assert not list(_faults(path))
