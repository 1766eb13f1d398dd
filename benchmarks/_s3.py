"""An S3 server of the drills."""

import json
import os
import select
import subprocess
import sys
from typing import Any, Self

from _cluster import ROOT

__all__ = ["Server"]


class Server:
    """An S3 server in a process of its own, which can hold a write back."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.s3"], cwd=ROOT, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"},
        )  # fmt: skip
        orders, answers = self._process.stdin, self._process.stdout
        if orders is None or answers is None:
            message = "The S3 server has no pipes."
            raise RuntimeError(message)
        self._orders, self._answers = orders, answers
        self.address = answers.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def order(self, **order: Any) -> None:
        """Give the server an order, see `tests.s3`."""
        self._orders.write(json.dumps(order) + "\n")
        self._orders.flush()

    def has_reached(self) -> bool:
        """Return whether the write that is to be held has come, once."""
        ready, _, _ = select.select([self._answers], [], [], 0)
        return bool(ready) and self._answers.readline() == "reached\n"
