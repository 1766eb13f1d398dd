"""Problem details (RFC 9457): the one form in which every error is answered."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import Scope

from tunesmith.errors import InputError
from tunesmith.serving.answers import Body
from tunesmith.serving.http.paths import path_of, prefix_of
from tunesmith.serving.http.responses import JsonResponse

__all__ = [
    "DEADLINE",
    "EMPTY_BODY",
    "INTERNAL",
    "INVALID_INPUT",
    "KEY_REQUIRED",
    "KINDS",
    "MALFORMED_BODY",
    "MEDIA_TYPE",
    "METHOD_NOT_ALLOWED",
    "MIDI_LIMIT",
    "NODE_FAILED",
    "NOT_A_LABELLER",
    "NOT_INSTALLED",
    "NOT_MIDI",
    "NO_CHAMPION",
    "NO_INDEX",
    "NO_MUSIC",
    "NO_NOTES",
    "OVERLOADED",
    "RATE_LIMITED",
    "SLOW_UPLOAD",
    "STORE_UNREACHABLE",
    "TOO_LARGE",
    "UNKNOWN_MODEL",
    "UNKNOWN_ROUTE",
    "UNREADABLE_MIDI",
    "UNREADABLE_RECORDING",
    "UNSUPPORTED_MEDIA_TYPE",
    "Kind",
    "ProblemError",
    "problem_of",
    "respond",
]

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Kind:
    """A kind of problem: its name in URIs, HTTP status, title, and what a client should do."""

    name: str
    status: int
    title: str
    advice: str


EMPTY_BODY = Kind(
    "empty-body",
    400,
    "The request has no content",
    "Send the item in the body.",
)
MALFORMED_BODY = Kind(
    "malformed-body",
    400,
    "The body cannot be read in its declared form",
    "Check the multipart boundary, or the JSON syntax.",
)
UNKNOWN_ROUTE = Kind(
    "unknown-route",
    404,
    "There is nothing here",
    "See /docs for every route.",
)
SLOW_UPLOAD = Kind(
    "slow-upload",
    408,
    "The body did not arrive in time",
    "Send it again over a faster connection, compressed with gzip, or in smaller parts.",
)
STORE_UNREACHABLE = Kind(
    "store-unreachable",
    503,
    "The server cannot read its models",
    "Try again. Whoever runs the server: check the store's address, credentials and network.",
)
UNKNOWN_MODEL = Kind(
    "unknown-model",
    404,
    "There is no model of this name",
    "See /v1/models.",
)
METHOD_NOT_ALLOWED = Kind(
    "method-not-allowed",
    405,
    "This route does not answer this method",
    "Use a method from the Allow header.",
)
TOO_LARGE = Kind(
    "too-large",
    413,
    "The request is larger than this server accepts",
    "Send less at once; the limits are listed at /v1/limits.",
)
UNSUPPORTED_MEDIA_TYPE = Kind(
    "unsupported-media-type",
    415,
    "Unsupported content type",
    "Send one of the types that /docs lists for the route.",
)
NOT_MIDI = Kind(
    "not-midi",
    422,
    "The file is neither MIDI, nor a score, nor a recording",
    "Send a MIDI file, MusicXML, or a recording such as MP3, WAV, FLAC, OGG or M4A.",
)
UNREADABLE_MIDI = Kind(
    "unreadable-midi",
    422,
    "The file is damaged",
    "Export it again from the program that made it.",
)
NO_NOTES = Kind(
    "no-notes",
    422,
    "The file holds no notes to judge",
    "Send a file with pitched notes; drums alone do not count.",
)
MIDI_LIMIT = Kind(
    "midi-limit",
    422,
    "The piece asks for more than this server grants",
    "Send a shorter piece, or part of it; the limits are listed at /v1/limits.",
)
NO_MUSIC = Kind(
    "no-music",
    422,
    "No music was heard in the recording",
    "Send a recording of music; speech, silence and noise have no notes.",
)
UNREADABLE_RECORDING = Kind(
    "unreadable-recording",
    422,
    "The recording is damaged",
    "Export it again, or send it in another format, such as MP3 or WAV.",
)
NOT_INSTALLED = Kind(
    "not-installed",
    501,
    "This server does not read such files",
    "Send a MIDI file. Whoever runs the server: install the extra that the detail names.",
)
INVALID_INPUT = Kind(
    "invalid-input",
    422,
    "The input does not have the form the model expects",
    "Compare it with the example at /docs and the inputs at /v1/models.",
)
INTERNAL = Kind(
    "internal",
    500,
    "The server made a mistake",
    "Report it with the request id.",
)
NO_CHAMPION = Kind(
    "no-champion",
    503,
    "No model has been promoted for this task yet",
    "Run `tunesmith tune` and `tunesmith promote` for the task; it is served within seconds.",
)
NO_INDEX = Kind(
    "no-index",
    503,
    "There are no pieces to compare with",
    "Whoever runs the server: name a dataset of its store under `similar`, and ingest one that an "
    "earlier release made again.",
)
DEADLINE = Kind(
    "deadline",
    504,
    "The answer was not ready in time",
    "Try again, send less at once, or ask for more time with the header X-Deadline-S.",
)
OVERLOADED = Kind(
    "overloaded",
    503,
    "The server has as much to do as it can",
    "Try again after the time that Retry-After names.",
)
NODE_FAILED = Kind(
    "node-failed",
    503,
    "A part of the graph failed",
    "Try again; if it stays, the server's log names the cause under the request id.",
)
KEY_REQUIRED = Kind(
    "key-required",
    401,
    "An API key is needed",
    "Send the header 'Authorization: Bearer KEY'; who runs the server makes keys.",
)
NOT_A_LABELLER = Kind(
    "not-a-labeller",
    403,
    "This client may not send labels",
    "Send them with a key that `labels_from` names in the server's settings.",
)
RATE_LIMITED = Kind(
    "rate-limited",
    429,
    "This key has sent too many requests",
    "Try again after the time that Retry-After names.",
)
KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        EMPTY_BODY,
        MALFORMED_BODY,
        UNKNOWN_ROUTE,
        UNKNOWN_MODEL,
        METHOD_NOT_ALLOWED,
        SLOW_UPLOAD,
        TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
        NOT_MIDI,
        UNREADABLE_MIDI,
        NO_NOTES,
        MIDI_LIMIT,
        NO_MUSIC,
        UNREADABLE_RECORDING,
        NOT_INSTALLED,
        INVALID_INPUT,
        INTERNAL,
        NO_CHAMPION,
        NO_INDEX,
        STORE_UNREACHABLE,
        DEADLINE,
        OVERLOADED,
        NODE_FAILED,
        KEY_REQUIRED,
        NOT_A_LABELLER,
        RATE_LIMITED,
    )
}


class ProblemError(Exception):
    """Ends a request with a problem body.

    Parameters
    ----------
    kind
        One of `KINDS`.
    detail
        What was wrong with this very request; never the client's own content.
    headers
        Extra response headers.
    more
        Extension members of the body.
    """

    def __init__(
        self, kind: Kind, detail: str, headers: Mapping[str, str] | None = None, **more: object
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (self.kind, self.detail, self.headers, self.more)

    def copy(self) -> "ProblemError":
        """Return an equal problem, which another thread may raise."""
        return _again(self.kind, self.detail, self.headers, dict(self.more))

    def body(self, instance: str | None = None, prefix: str = "") -> Body:
        """Return the problem details.

        `instance` is the path of the request, and `prefix` the path below which clients see this
        server.
        """
        return {
            "type": f"{prefix}/problems/{self.kind.name}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            **({"instance": instance} if instance else {}),
            "advice": self.kind.advice,
            **self.more,
        }


def _again(kind: Kind, detail: str, headers: dict[str, str], more: Body) -> ProblemError:
    return ProblemError(kind, detail, headers, **more)


_OF_INPUTS = {
    "empty": EMPTY_BODY,
    "not-midi": NOT_MIDI,
    "no-notes": NO_NOTES,
    "midi-limit": MIDI_LIMIT,
    "damaged-midi": UNREADABLE_MIDI,
    "no-music": NO_MUSIC,
    "damaged-recording": UNREADABLE_RECORDING,
    "not-installed": NOT_INSTALLED,
    "damaged": MALFORMED_BODY,
    "not-picture": UNSUPPORTED_MEDIA_TYPE,
    "too-large": TOO_LARGE,
}


def problem_of(error: InputError) -> ProblemError:
    """Return the problem of an item that a model cannot read."""
    return ProblemError(
        _OF_INPUTS.get(error.reason, INVALID_INPUT), str(error), None, **error.facts
    )


def respond(problem: ProblemError, scope: Scope) -> JsonResponse:
    """Return the response for the problem of a request."""
    prefix = prefix_of(scope)
    response = JsonResponse(
        problem.body(prefix + path_of(scope), prefix),
        status_code=problem.kind.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )
    if problem.kind is KEY_REQUIRED:  # a line of its own: browsers read one scheme a line
        response.headers.append("WWW-Authenticate", "Bearer")
    return response
