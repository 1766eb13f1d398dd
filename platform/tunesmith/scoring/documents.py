"""The JSON files of a scoring: its plan while it runs, and its summary in the end."""

from typing import ClassVar

from pydantic import Field

from tunesmith.artifacts.documents import Document, Section

__all__ = ["PLAN", "SUMMARY", "Model", "Plan", "Summary"]

SUMMARY = "_summary.json"
"""Readers of a folder of Parquet leave out files whose name begins with an underscore."""
PLAN = "work/plan.json"


class Model(Section):
    """The model that scores.

    Attributes
    ----------
    task
        Name of the task that it answers.
    version
        Its number among the promoted ones; None for the winner of a run.
    run_id
        Run that it comes from.
    sha256
        Hash of its ONNX file.
    dataset
        Name and version of the data that it learned from.
    """

    task: str
    version: int | None
    run_id: str
    sha256: str
    dataset: str

    def __str__(self) -> str:
        """Return the model in words."""
        name = f"run {self.run_id}" if self.version is None else f"version {self.version}"
        return f"{self.task}, {name}"

    @property
    def option(self) -> str:
        """Options of the command that choose it."""
        if self.version is None:
            return f"--task {self.task} --run {self.run_id}"
        return f"--task {self.task} --model {self.version}"


class Plan(Document):
    """`work/plan.json`: the question that an unfinished scoring answers."""

    REMEDY: ClassVar[str] = "Begin again with --discard."

    key: str = Field(description="Digest of all that the scores depend on.")
    model: Model
    sources: tuple[str, ...]
    id_column: str | None = None
    reasons: bool = Field(default=False, description="Whether each answer has its reasons.")
    compared_with: str | None = Field(
        default=None,
        description="Dataset version whose pieces each piece is compared with: the model's own, "
        "where the store has it.",
    )


class Summary(Plan):
    """`_summary.json`: what was scored, by which model, and what became of each item."""

    REMEDY: ClassVar[str] = "Score again, with --discard."

    classes: tuple[str, ...] = Field(description="Each has a column p_CLASS.")
    found: int = Field(description="Items: files, or rows of tables. Each is a row of the scores.")
    scored: int
    failed: int
    failures: dict[str, int] = Field(description="Items without an answer, by reason.")
    labels: dict[str, int] = Field(description="Items with an answer, by label.")
    same_music: int = Field(
        default=0, description="Scored pieces that are the same music as one of `compared_with`."
    )
    ignored: dict[str, int] = Field(description="Files that the model does not read, by suffix.")
    parts: int = Field(description="Number of Parquet files.")
    created: str = Field(description="Time at which the last part was finished, ISO 8601, UTC.")
    code_version: str
