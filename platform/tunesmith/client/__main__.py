"""``tunesmith predict FILE…``, or ``python -m tunesmith.client``: ask a server about files."""

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from tunesmith.client._clients import DEFAULT_URL, Client
from tunesmith.client._errors import ClientError

__all__ = ["main"]


def main(arguments: list[str] | None = None, program: str = "python -m tunesmith.client") -> int:
    """Ask about each file and print a line for it; returns the exit code.

    0 when every file was answered, 1 when one was not.
    """
    about = "Ask a running server about files."
    parser = argparse.ArgumentParser(prog=program, description=about)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="MIDI or PNG files")
    parser.add_argument("--task", default="composer", help="what to ask (default: %(default)s)")
    parser.add_argument("--url", default=DEFAULT_URL, help="the server (default: %(default)s)")
    parser.add_argument(
        "--key",
        default=os.environ.get("TUNESMITH_KEY"),
        help="API key (default: the environment variable TUNESMITH_KEY)",
    )
    parser.add_argument("--why", action="store_true", help="print what spoke for each answer, too")
    parser.add_argument("--json", action="store_true", help="print one JSON object a file")
    chosen = parser.parse_args(arguments)
    code = 0
    with Client(chosen.url, chosen.key) as client:
        for file in chosen.files:
            try:
                answer = client.predict(chosen.task, file)
                reasons = client.why(chosen.task, file) if chosen.why else ()
            except (ClientError, OSError) as error:
                print(f"{file}: {error}", file=sys.stderr)
                code = 1
                continue
            if chosen.json:
                why = {"why": [asdict(reason) for reason in reasons]} if chosen.why else {}
                print(json.dumps({"file": str(file), **asdict(answer), **why}))
            else:
                doubt = " (unsure)" if answer.unsure else ""
                print(f"{file}: {answer.label} {answer.probability:.0%}{doubt}")
                for reason in reasons[:5]:
                    side = "for it" if reason.effect > 0 else "against it"
                    print(f"    {reason.part}: {side}; without, {reason.probability_without:.0%}")
    return code


if __name__ == "__main__":
    sys.exit(main())
