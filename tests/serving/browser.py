"""A headless Chromium driven over its DevTools protocol, and nothing else to install."""

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import connect

__all__ = ["Browser", "find_chromium"]


def find_chromium() -> str | None:
    """Return the path of a Chromium, None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


class Browser:
    """One page in a headless Chromium.

    Parameters
    ----------
    width, height
        Of the window in CSS pixels.
    dark
        Whether the dark colour scheme is preferred.
    phone
        Whether to be a phone: touch, and two device pixels to each CSS pixel.
    """

    def __init__(
        self, width: int = 1280, height: int = 900, dark: bool = False, phone: bool = False
    ) -> None:
        self._size = (width, height)
        self._dark = dark
        self._phone = phone
        self._ids = itertools.count(1)
        self._stack = ExitStack()
        self.console: list[str] = []
        self.requests: list[str] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def _start(self, stack: ExitStack) -> None:
        chromium = find_chromium()
        assert chromium is not None
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        process = subprocess.Popen(
            [
                chromium,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                "--autoplay-policy=no-user-gesture-required",
                "--remote-debugging-port=0",
                f"--user-data-dir={folder}",
                f"--window-size={self._size[0]},{self._size[1]}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(process.wait, timeout=20)
        stack.callback(process.terminate)
        port_file = Path(folder) / "DevToolsActivePort"
        self._wait(lambda: port_file.exists() and len(port_file.read_text().split()) == 2)
        port, path = port_file.read_text().split()
        self._socket = stack.enter_context(connect(f"ws://127.0.0.1:{port}{path}", max_size=None))
        target = self._send("Target.createTarget", {"url": "about:blank"}, session=None)
        parameters = {"targetId": target["targetId"], "flatten": True}
        attached = self._send("Target.attachToTarget", parameters, session=None)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._send(f"{domain}.enable")
        metrics = {"width": self._size[0], "height": self._size[1], "mobile": self._phone}
        metrics["deviceScaleFactor"] = 2 if self._phone else 1
        self._send("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if self._dark else "light"}
        self._send("Emulation.setEmulatedMedia", {"features": [scheme]})

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _wait(self, condition: Any, timeout_s: float = 30) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "not within the time"
            time.sleep(0.02)

    def _send(
        self, method: str, parameters: dict[str, Any] | None = None, session: str | None = ""
    ) -> dict[str, Any]:
        number = next(self._ids)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters or {}}
        if session == "":
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer: dict[str, Any] = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            thrown = details.get("exception", {}).get("description", "")
            self.console.append(f"{details['text']} {thrown}")
        elif event.get("method") == "Log.entryAdded":
            entry = parameters["entry"]
            if entry["level"] == "error":
                self.console.append(f"{entry['text']} {entry.get('url', '')}")
        elif event.get("method") == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])

    def open(self, url: str) -> None:
        """Load a page and wait until it has run."""
        self._send("Page.navigate", {"url": url})
        self.until("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """Return the value of an expression; a promise is awaited."""
        answer = self._send(
            "Runtime.evaluate",
            {
                "expression": script,
                "awaitPromise": True,
                "returnByValue": True,
                "userGesture": True,
            },
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, script: str, timeout_s: float = 30) -> None:
        """Wait until an expression is true."""
        self._wait(lambda: self.run(script), timeout_s)

    def text(self, selector: str) -> str:
        """Return the text of an element."""
        return str(self.run(f"document.querySelector({selector!r}).innerText"))

    def click(self, selector: str) -> None:
        """Click the middle of an element with the mouse."""
        box = self.run(
            f"(() => {{ const e = document.querySelector({selector!r}); "
            "e.scrollIntoView({block: 'center', behavior: 'instant'}); "
            "const r = e.getBoundingClientRect(); "
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        self.mouse("mousePressed", *box)
        self.mouse("mouseReleased", *box)

    def mouse(self, kind: str, x: float, y: float) -> None:
        """Send one event of the mouse."""
        self._send(
            "Input.dispatchMouseEvent",
            {
                "type": kind,
                "x": x,
                "y": y,
                "button": "left",
                "buttons": 0 if kind == "mouseReleased" else 1,
                "clickCount": 1,
            },
        )

    def key(self, key: str, code: str = "", text: str = "") -> None:
        """Press and release a key."""
        common = {"key": key, "code": code or key}
        down = {**common, "type": "keyDown", **({"text": text} if text else {})}
        number = {"Tab": 9, "Enter": 13, " ": 32, "ArrowRight": 39, "ArrowDown": 40}.get(key)
        if number:
            down["windowsVirtualKeyCode"] = common["windowsVirtualKeyCode"] = number  # type: ignore[assignment]
        self._send("Input.dispatchKeyEvent", down)
        self._send("Input.dispatchKeyEvent", {**common, "type": "keyUp"})

    def upload(self, selector: str, file: Path) -> None:
        """Choose a file in an input."""
        document = self._send("DOM.getDocument")
        node = self._send(
            "DOM.querySelector", {"nodeId": document["root"]["nodeId"], "selector": selector}
        )
        self._send("DOM.setFileInputFiles", {"nodeId": node["nodeId"], "files": [str(file)]})

    def screenshot(self, file: Path, whole: bool = True) -> None:
        """Save a picture of the page."""
        answer = self._send(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole}
        )
        file.write_bytes(base64.b64decode(answer["data"]))
