"""Asking a running Tunesmith server, from Python or the terminal.

    from tunesmith.client import Client

    with Client() as client:
        answer = client.predict("composer", Path("piece.mid"))
        print(answer.label, answer.probability)

`AsyncClient` has the same methods as coroutines. Both wait and ask again when the server is full or
a connection breaks; asking twice does no harm. In the terminal::

    tunesmith predict piece.mid another.mid
"""

from tunesmith.client._answers import Answer, Mixture, Model, Reason, Segment
from tunesmith.client._clients import AsyncClient, Client
from tunesmith.client._errors import ClientError, RequestRefused, ServerUnavailable

__all__ = [
    "Answer",
    "AsyncClient",
    "Client",
    "ClientError",
    "Mixture",
    "Model",
    "Reason",
    "RequestRefused",
    "Segment",
    "ServerUnavailable",
]
