from __future__ import annotations

import pytest

from syncpipe.targets.http.address import OURS, header_fault, token_fault, url_fault


@pytest.mark.parametrize(
    "url",
    [
        "https://hub.example/in",
        "http://hub",
        "http://10.0.0.1:8080/a/b?c=d",
        "https://[::1]:8443/",
        "HTTPS://HUB.example/",
        "https://bücher.example/in",
    ],
)
def test_urls_of_endpoints(url):
    assert url_fault(url) is None


@pytest.mark.parametrize(
    "url",
    [
        *("", "hub", "//hub/in", "https://", "https:///in", "ftp://hub/", "file:///etc/passwd"),
        *("https://me@hub/", "https://me:secret@hub/", "https://hub/#part", "https://hub:0/"),
        *("https://hub:99999/", "https://hub:x/", "https://a b/", "https://hub\n/", "http://h\\i/"),
    ],
)
def test_other_urls_are_refused_without_being_shown(url):
    fault = url_fault(url)
    assert fault
    assert "secret" not in fault


@pytest.mark.parametrize(
    ("name", "value"), [("X-Tenant", "acme"), ("Authorization", "Basic YTpi"), ("x", "a b")]
)
def test_headers(name, value):
    assert header_fault(name, value) is None


@pytest.mark.parametrize("value", ["", " a", "a ", "a\r\nX-Evil: 1", "a\nb", "\x00", "ä", "\t"])
def test_values_that_no_header_has_are_refused_without_being_shown(value):
    assert header_fault("X-A", value) == "What stands here cannot be sent in a header."


@pytest.mark.parametrize(
    "name", ["", "X A", "X:A", "X\n", "Ä", *sorted(OURS), "Content-Type", "HOST"]
)
def test_names_that_no_further_header_has_are_refused(name):
    assert header_fault(name, "a")


@pytest.mark.parametrize("token", ["a", "eyJhbGciOi.J-_~+/="])
def test_tokens(token):
    assert token_fault(token) is None


@pytest.mark.parametrize("token", ["", "a b", "a\n", "ä"])
def test_what_is_no_token(token):
    assert token_fault(token)
