"""Addresses that are pages for people and JSON for programs."""

import pytest
from playwright.sync_api import expect
from starlette.testclient import TestClient

from tests.serving.browser import in_chromium, open_tab
from tests.serving.conftest import served, write_bundle
from tunesmith.artifacts.store import Store
from tunesmith.serving.service import Service
from tunesmith.serving.settings import shipped

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("path", ["/v1/models", "/problems/not-midi"])
def test_a_browser_gets_a_page_and_a_program_json(client: TestClient, path: str) -> None:
    page, content = client.get(path, headers=BROWSER), client.get(path)
    assert page.headers["content-type"].startswith("text/html")
    assert content.headers["content-type"] == "application/json"
    assert content.json()
    assert "Accept" in page.headers["vary"]
    assert "Accept" in content.headers["vary"]


def test_a_kind_of_problem_that_there_is_not_is_one_for_both(client: TestClient) -> None:
    for headers in ({}, BROWSER):
        assert client.get("/problems/none-such", headers=headers).status_code == 404


@in_chromium
def test_cards_and_problems_are_read_in_a_browser(store: Store) -> None:
    write_bundle(store, favour=1)
    with served(Service(shipped(store=store.uri))) as url, open_tab() as tab:
        tab.page.goto(f"{url}/v1/models")
        expect(tab.page.locator("#composer")).to_contain_text("Bach, Beethoven, Chopin, Mozart")
        assert "90 % (85 % to 94 %)" in tab.page.inner_text("#composer")
        tab.page.goto(f"{url}/problems/not-midi")
        expect(tab.page.locator("#status")).to_contain_text("422")
        assert tab.page.title() == tab.page.inner_text("#title") != "A kind of problem"
        assert tab.errors == []
