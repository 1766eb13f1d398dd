"""HTTP client of a running Tunesmith server.

::

    from tunesmith.client import Client

    with Client() as client:
        answer = client.predict("composer", Path("piece.mid"))
        print(answer.label, answer.probability)

`AsyncClient` has the same methods as coroutines. Both retry when the server is overloaded or a
connection breaks; repeating a request has no side effects. In the terminal::

    tunesmith predict piece.mid another.mid
"""

from tunesmith.client._answers import (
    Answer,
    Labelled,
    LabelledAnswer,
    Mixture,
    Model,
    Reason,
    Segment,
    Similar,
    SimilarPiece,
    Transcription,
)
from tunesmith.client._clients import AsyncClient, Client
from tunesmith.client._errors import ClientError, RequestRefused, ServerUnavailable

__all__ = [
    "Answer",
    "AsyncClient",
    "Client",
    "ClientError",
    "Labelled",
    "LabelledAnswer",
    "Mixture",
    "Model",
    "Reason",
    "RequestRefused",
    "Segment",
    "ServerUnavailable",
    "Similar",
    "SimilarPiece",
    "Transcription",
]
