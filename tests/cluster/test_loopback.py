"""Proxies and this machine's own addresses."""

import urllib.request

import pytest

from tunesmith.cluster.loopback import LOOPBACK, keep_direct, proxied


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ()),
        ({"NO_PROXY": "x"}, ()),
        ({"HTTP_PROXY": "http://p:1"}, LOOPBACK),
        ({"https_proxy": "http://p:1", "no_proxy": "localhost, 127.0.0.1"}, ("::1",)),
        # A program that reads the other spelling would ask the proxy.
        ({"http_proxy": "p", "no_proxy": "*", "NO_PROXY": "10.0.0.1"}, LOOPBACK),
        ({"http_proxy": "p", "NO_PROXY": "*"}, ()),
    ],
)
def test_what_a_proxy_would_be_asked_for(
    environment: dict[str, str], expected: tuple[str, ...]
) -> None:
    assert proxied(environment) == expected


def test_loopback_is_added_and_what_was_excepted_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "intra.example")
    assert not urllib.request.proxy_bypass("127.0.0.1:8265")
    keep_direct()
    assert urllib.request.proxy_bypass("127.0.0.1:8265")
    assert urllib.request.proxy_bypass("intra.example")
    assert not urllib.request.proxy_bypass("example.org")


def test_without_a_proxy_nothing_is_set() -> None:
    environment = {"NO_PROXY": "x"}
    keep_direct(environment)
    assert environment == {"NO_PROXY": "x"}
