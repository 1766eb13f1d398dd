"""A browser below a path of a real nginx, configured with the lines of the documentation."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner
from playwright.sync_api import expect

from tests.nodes import free_port
from tests.serving.browser import NEEDS_CHROMIUM, open_tab
from tests.serving.conftest import served, write_bundle
from tests.serving.http.test_auth import make_key
from tests.serving.test_champions import wait_until
from tests.serving.test_page import expect_answer
from tunesmith.artifacts.store import Store
from tunesmith.cli.keys import main as keys
from tunesmith.serving.service import Service
from tunesmith.serving.settings import shipped

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = [
    *NEEDS_CHROMIUM,
    pytest.mark.skipif(NGINX is None, reason="no nginx: install the package nginx"),
]
DOCUMENT = Path(__file__).parents[2] / "docs" / "serving.md"
CONFIGURATION = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    {location}
  }}
}}
"""


def documented(server: str) -> str:
    """Return the location that the documentation gives, for another server."""
    (location,) = re.findall(
        r"^    (location /music/ \{.*?^    \})", DOCUMENT.read_text(), re.M | re.S
    )
    assert location.count("http://127.0.0.1:8000") == 1
    return str(location.replace("http://127.0.0.1:8000", server))


@contextmanager
def nginx(folder: Path, location: str) -> Iterator[str]:
    """Run nginx with a location; yield its URL."""
    port = free_port()
    file = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    file.write_text(CONFIGURATION.format(user=user, folder=folder, port=port, location=location))
    process = subprocess.Popen([str(NGINX), "-e", str(folder / "error.log"), "-c", str(file)])
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                httpx2.get(url)
                break
            except httpx2.TransportError:
                assert process.poll() is None, (folder / "error.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.mark.parametrize("cuts_off", [True, False])
def test_page_documents_health_and_keys_below_a_path(
    store: Store, tmp_path: Path, midi_factory: Callable[..., bytes], cuts_off: bool
) -> None:
    for task in ("composer", "sentiment"):
        write_bundle(store, task=task, favour=1)
    key = make_key(store, "ann")
    service = Service(shipped(store=store.uri, root_path="/music", reload_s=0.1))
    with served(service) as server:
        location = documented(server)
        if not cuts_off:
            location = location.replace(f"{server}/;", f"{server};")
        with nginx(tmp_path, location) as url, open_tab() as tab:
            # Health is open, everything else asks for the key.
            assert httpx2.get(f"{url}/music/healthz").json() == {"status": "ok"}
            assert httpx2.get(f"{url}/music/readyz").json() == {"status": "ready"}
            refused = httpx2.get(f"{url}/music/v1/models")
            assert (refused.status_code, refused.json()["type"]) == (
                401, "/music/problems/key-required",
            )  # fmt: skip
            assert "Basic" in refused.headers["www-authenticate"]
            # The password that a person would type: the browser keeps it for this server.
            signed_in = url.replace("//", f"//ann:{key}@")
            for page, place in (("docs", "details.operation"), ("", "#pieces button")):
                tab.page.goto(f"{signed_in}/music/{page}")
                expect(tab.page.locator(place).first).to_be_attached()
            tab.page.goto(f"{url}/music/docs")
            operations = tab.page.locator("details.operation")
            expect(operations.nth(8)).to_be_attached()
            sentiment = tab.page.locator("#sentiment")
            sentiment.evaluate("details => { details.open = true; }")
            sentiment.locator("form").evaluate("form => form.requestSubmit()")
            expect(sentiment.locator("form pre")).to_have_text(re.compile("^200"))
            tab.page.goto(f"{url}/music/")
            file = tmp_path / "piece.mid"
            file.write_bytes(midi_factory(n_notes=200))
            tab.page.locator("#file").set_input_files(file)
            expect_answer(tab.page)
            assert tab.page.inner_text("#verdict") == "Beethoven"
            expect(tab.page.locator("#why")).to_be_visible()
            below = re.compile(r"(http://(ann:[\w-]+@)?127\.0\.0\.1:\d+/music/|data:|blob:)")
            elsewhere = [asked for asked in tab.requests if not below.match(asked)]
            assert elsewhere == []
            assert tab.errors == []
            # Bodies up to the server's own limits pass the proxy; beyond them the server says so.
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "audio/midi"}
            large = httpx2.post(
                f"{url}/music/v1/composer", content=b"MThd" + bytes(9_000_000), headers=headers
            )
            assert (large.status_code, large.json()["type"]) == (413, "/music/problems/too-large")
            # A revoked key ends the session of the browser, too.
            assert httpx2.get(f"{url}/music/v1/models", headers=headers).status_code == 200
            CliRunner().invoke(keys, ["revoke", "ann", "--store", store.uri])
            wait_until(
                lambda: httpx2.get(f"{url}/music/v1/models", headers=headers).status_code == 401
            )
