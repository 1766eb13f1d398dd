"""POST /v1/notes: the notes of a file of music, as the models read them.

With it a page can draw and play a recording or a score, and asks about the notes from then on, so
that a recording is transcribed once.
"""

from fastapi import FastAPI, Request, Response

from tunesmith.inference.pieces import Piece
from tunesmith.serving.answers import Body
from tunesmith.serving.http import problems, schemas
from tunesmith.serving.http.bodies import media_type
from tunesmith.serving.http.headers import DeadlineHeader, deadline_of
from tunesmith.serving.http.music import (
    MUSIC_TYPES,
    largest_file,
    read_music_file,
    takes_long,
)
from tunesmith.serving.http.openapi import MUSIC_PROBLEMS, NOTES_BODY
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.http.responses import JsonResponse
from tunesmith.serving.predict import summary
from tunesmith.serving.service import Service

__all__ = ["add_notes"]


def add_notes(api: FastAPI, service: Service) -> None:
    """Add the route."""
    limits = service.settings.limits

    @api.post(
        "/v1/notes",
        summary="The notes of a MIDI file, a score or a recording",
        operation_id="notes",
        tags=["classify"],
        response_model=schemas.NotesAnswer,
        responses=MUSIC_PROBLEMS,
        openapi_extra=NOTES_BODY,
    )
    async def notes(request: Request, x_deadline_s: DeadlineHeader = None) -> Response:
        deadline = deadline_of(limits, x_deadline_s)
        kind = media_type(request) or MUSIC_TYPES[0]
        if kind not in MUSIC_TYPES:
            accepted = ", ".join(MUSIC_TYPES)
            detail = f"The body is declared as {kind[:100]!r}; this route reads {accepted}."
            raise ProblemError(problems.UNSUPPORTED_MEDIA_TYPE, detail, {"Accept": accepted})
        data = await service.receiver.read(request, deadline, largest_file(limits))

        def read() -> Body:
            return _notes(read_music_file(data, limits, deadline))

        with service.admission.enter():
            if takes_long(data):
                body = await service.listen(read, deadline)
            else:
                body = await service.in_thread(read)
        return JsonResponse(body)


def _notes(piece: Piece) -> Body:
    notes = piece.score.notes
    columns = (
        notes["onset_s"].round(4),
        notes["offset_s"].round(4),
        notes["pitch"],
        notes["velocity"],
        notes["is_drum"],
        notes["instrument"],
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {
        **summary(piece).body(),
        "reader": piece.score.reader,
        "warnings": list(piece.score.warnings),
        "instruments": [
            {"name": each.name, "program": each.program, "is_drum": each.is_drum}
            for each in piece.score.instruments
        ],
        "played": [list(row) for row in rows],
    }
