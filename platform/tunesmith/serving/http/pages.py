"""The files of the page, and addresses that are pages for people and JSON for programs."""

from pathlib import Path

from fastapi import Request
from fastapi.responses import FileResponse

__all__ = ["FOR_BOTH", "PAGE", "page_for"]

PAGE = Path(__file__).parent.parent / "page"
"""Folder of the files of the page."""
FOR_BOTH = {"Vary": "Accept"}
"""Headers of an answer that depends on who asks."""


def page_for(request: Request, name: str) -> FileResponse | None:
    """Return a file of the page where a browser opens the address, None where a program asks.

    Browsers ask for ``text/html`` where a person opens an address; scripts and clients do not.
    """
    if "text/html" not in request.headers.get("accept", "").lower():
        return None
    return FileResponse(PAGE / name, headers=FOR_BOTH)
