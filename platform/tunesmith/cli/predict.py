"""``tunesmith predict FILE…``: classify files with a running server."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunesmith.audio import RECORDING_SUFFIXES
from tunesmith.cli.command import command, echo
from tunesmith.errors import UsageError
from tunesmith.midi.notation import NOTATION_SUFFIXES

if TYPE_CHECKING:
    from tunesmith.client import Client

__all__ = ["main"]

# Kind of item by the ending of a file; all others are texts.
_KINDS = {
    **dict.fromkeys((".mid", ".midi", *NOTATION_SUFFIXES, *RECORDING_SUFFIXES), "midi"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp"), "image"),
}


def _show(result: dict[str, Any]) -> None:
    for answer in result["answers"]:
        click.echo(f"{answer['file']}: {_words(answer)}{_heard(answer['transcription'])}")
        for reason in answer.get("why", [])[:5]:
            side = "for it" if reason["effect"] > 0 else "against it"
            without = reason["probability_without"]
            click.echo(f"    {reason['part']}: {side}; {without:.0%} without it")


def _words(answer: dict[str, Any]) -> str:
    """Return an answer in a line: the class, or that it is none of them."""
    label, probability = answer["label"], f"{answer['probability']:.0%}"
    if answer["none_of_these"]:
        return f"none of these (the nearest is {label}, {probability})"
    others = [name for name in answer["labels_90"] or () if name != label]
    hints = ["unsure"] if answer["unsure"] else []
    hints += [f"or {', '.join(others)}"] if others else []
    return f"{label} {probability}" + (f" ({'; '.join(hints)})" if hints else "")


def _heard(transcription: dict[str, Any] | None) -> str:
    """Return what to say of the notes of a recording."""
    if transcription is None:
        return ""
    certainty, heard_s = transcription["certainty"], transcription["heard_s"]
    return f"; transcribed from {heard_s:.0f} s of the recording, certainty {certainty:.2f}"


def _task_for(client: "Client", file: Path) -> str:
    """Return the one task of the server that reads such a file.

    Raises
    ------
    UsageError
        When no task does, or several do.
    """
    kind = _KINDS.get(file.suffix.lower(), "text")
    nodes = client.graph()
    able = sorted(node["name"] for node in nodes if node["reads"] == kind and node["ready"])
    if len(able) == 1:
        return str(able[0])
    served = ", ".join(sorted(node["name"] for node in nodes)) or "none"
    reason = f"{', '.join(able)} do" if able else f"none does; the server has {served}"
    message = f"Which task reads {file.name} ({kind})? {reason}. Name one with --task."
    raise UsageError(message)


@command(
    show=_show,
    code=lambda result: 1 if result["failed"] else 0,
    uses_store=False,
    sections={"Where": ("url", "key")},
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option(
    "--task", metavar="NAME", help="Task to answer  [the only one that reads such a file]"
)
@click.option("--url", metavar="URL", help="Address of the server  [http://127.0.0.1:8000]")
@click.option("--key", metavar="KEY", help="API key  [TUNESMITH_KEY]")
@click.option("--why", is_flag=True, help="Print the inputs that mattered most as well.")
def main(
    *, files: tuple[Path, ...], task: str | None, url: str | None, key: str | None, why: bool
) -> dict[str, Any]:
    """Classify FILEs (MIDI, scores, recordings, pictures or text) with a running server.

    \b
    Examples:
      tunesmith predict piece.mid --why
      tunesmith predict recording.mp3
      tunesmith predict --task digits three.png
    """
    from tunesmith.client import Client, ClientError
    from tunesmith.client._clients import DEFAULT_URL

    answers: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    with Client(url or DEFAULT_URL, key or os.environ.get("TUNESMITH_KEY")) as client:
        for file in files:
            try:
                chosen = task or _task_for(client, file)
                answer = client.predict(chosen, file)
                reasons = client.why(chosen, file) if why else ()
            except (ClientError, OSError) as error:
                echo(f"{file}: {error}")
                failed.append({"file": str(file), "error": str(error)})
                continue
            row = {"file": str(file), "probability": answer.probability, **asdict(answer)}
            answers.append(row | ({"why": [asdict(r) for r in reasons]} if why else {}))
    return {"answers": answers, "failed": failed}
