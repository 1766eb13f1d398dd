"""The pictures of the README and the documentation, taken from the running product.

``make pictures`` runs the demo into a store below build/ (a few minutes the first time), records
its output, serves its model, and writes the page, the report, the data card and the dashboards to
docs/pictures/. Debian's Chromium takes the screenshots.
"""

import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
WORK = ROOT / "build" / "pictures"
STORE = WORK / "store"
CHROMIUM = ("/usr/bin/chromium", "/usr/bin/google-chrome")
T = TypeVar("T")
COLUMNS = 96
# One of those that the demo's search has not seen.
PIECE = Path("Bach", "bwv248.42-s.mid")
READY_S = 180.0
TUNESMITH = (sys.executable, "-m", "tunesmith")


def environment() -> dict[str, str]:
    """Return the variables of every program that is run here."""
    return os.environ | {
        "TUNESMITH_STORE": str(STORE),
        "COLUMNS": str(COLUMNS),
        "PYTHONUNBUFFERED": "1",
        "RAY_AUTH_MODE": "disabled",
    }


def run(*arguments: str) -> str:
    """Run a command of tunesmith to its end and return what it prints, in order."""
    print("$ tunesmith", *arguments, file=sys.stderr)
    finished = subprocess.run(
        [*TUNESMITH, *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if finished.returncode:
        sys.exit(f"tunesmith {' '.join(arguments)} failed:\n{finished.stdout}")
    return finished.stdout


@contextlib.contextmanager
def running(log: Path, *arguments: str) -> Iterator[None]:
    """Run a command of tunesmith for the length of a block, its output in a file."""
    with log.open("w", encoding="utf-8") as file:
        command = [*TUNESMITH, *arguments]
        process = subprocess.Popen(command, env=environment(), stdout=file, stderr=file)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=READY_S)


def wait_for(look: Callable[[], T | None], what: str) -> T:
    """Return what `look` gives as soon as it gives something."""
    deadline = time.monotonic() + READY_S
    while (seen := look()) is None:
        if time.monotonic() > deadline:
            sys.exit(f"{what} was not there after {READY_S:.0f} s; look into {WORK}.")
        time.sleep(0.5)
    return seen


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def terminal(name: str, title: str, session: list[tuple[str, str]]) -> None:
    """Write what a terminal shows as an SVG drawing."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for command, output in session:
        console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
        console.print(Text.from_ansi(output.rstrip().replace(str(ROOT), "~/tunesmith")))
    drawing = console.export_svg(title=title)
    # Rich's drawings load a font from elsewhere; the reader's own will do.
    drawing = re.sub(r"@font-face \{.*?\}", "", drawing, flags=re.DOTALL)
    (PICTURES / f"{name}.svg").write_text(drawing, encoding="utf-8")


@contextlib.contextmanager
def browser() -> Iterator[Callable[..., Page]]:
    """Start Chromium; the function opens a page of a size."""
    path = next((path for path in CHROMIUM if Path(path).exists()), None)
    if path is None:
        sys.exit("No Chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--disable-gpu"])

        def page(width: int, height: int, *, phone: bool = False) -> Page:
            return chromium.new_page(
                viewport={"width": width, "height": height},
                device_scale_factor=2 if phone else 1.5,
                is_mobile=phone,
                has_touch=phone,
            )

        yield page
        chromium.close()


def answers(url: str) -> bool | None:
    """Return whether a server is ready."""
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310
        return response.status == 200 or None
    return None


def picture_of_the_page(open_page: Callable[..., Page], piece: Path) -> None:
    """Serve the demo's model and drop a piece on its page."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with running(WORK / "serve.log", "serve", "--port", str(port)):
        wait_for(lambda: answers(f"{address}/readyz"), "the server")
        for name, size in {"page": (1280, 860), "phone": (390, 844)}.items():
            page = open_page(*size, phone=name == "phone")
            page.goto(address)
            page.locator("#file").set_input_files(piece)
            page.locator("#why").wait_for(timeout=READY_S * 1000)
            page.mouse.move(0, 0)
            page.evaluate("scrollTo(0, document.querySelector('#result').offsetTop - 24)")
            page.screenshot(path=PICTURES / f"{name}.png")
            page.close()


def pictures_of_files(open_page: Callable[..., Page]) -> None:
    """Open the report and the data card."""
    (report,) = sorted(STORE.glob("reports/composer/*/report.html"))[-1:]
    card = Path(json.loads(run("datasets", "card", "demo", "--json"))["card"])
    for name, file in (("report", report), ("data-card", card)):
        page = open_page(1120, 1000)
        page.goto(file.as_uri())
        page.screenshot(path=PICTURES / f"{name}.png")
        page.close()


def pictures_of_dashboards(open_page: Callable[..., Page]) -> None:
    """Open the dashboards of the demo's search."""
    log = WORK / "watch.log"
    views = {
        "TensorBoard": ("tensorboard", "/#timeseries"),
        "Optuna": ("optuna", "/dashboard/studies/0"),
    }
    with running(log, "watch", "composer"):
        for title, (name, path) in views.items():
            pattern = re.compile(rf"^{title}.*?(http://\S+)", re.MULTILINE)

            def address(pattern: re.Pattern[str] = pattern) -> str | None:
                match = pattern.search(log.read_text(encoding="utf-8"))
                return match[1] if match else None

            url = wait_for(address, title)
            page = open_page(1280, 860)
            page.goto(url.rstrip("/") + path)
            page.wait_for_load_state("networkidle")
            # Both draw their plots after the data is there, and say nowhere that they have.
            page.wait_for_timeout(4000)
            page.screenshot(path=PICTURES / f"{name}.png")
            page.close()


def main() -> None:
    """Take every picture."""
    for folder in (PICTURES, WORK):
        folder.mkdir(parents=True, exist_ok=True)
    port = str(free_port())
    demo = run("demo", "--once", "--port", port, "--store", str(STORE))
    terminal("demo", "tunesmith demo", [("tunesmith demo --once", demo)])
    steps = ("leaderboard", "evaluate composer", "history composer")
    terminal("commands", "tunesmith", [(f"tunesmith {s}", run(*s.split())) for s in steps])
    with browser() as open_page:
        picture_of_the_page(open_page, Path.home() / ".tunesmith" / "demo" / "scores" / PIECE)
        pictures_of_files(open_page)
        pictures_of_dashboards(open_page)


if __name__ == "__main__":
    main()
