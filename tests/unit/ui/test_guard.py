"""Who may ask, and how."""

from __future__ import annotations

import base64

import pytest

from syncpipe.ui.guard import (
    basic_name,
    is_loopback,
    require_json,
    require_looked_at,
    require_loopback,
    require_same_origin,
)
from syncpipe.ui.refusal import Refusal

HOST = "127.0.0.1:5555"
EVERYWHERE = "0.0.0.0"  # noqa: S104


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_this_machine_is_known_by_its_addresses(address):
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address",
    ["", EVERYWHERE, "::", "10.0.0.1", "example.org", "localhost.example.org", "127.0.0.1.nip.io"],
)
def test_any_other_address_may_be_reached_by_others(address):
    assert not is_loopback(address)


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", EVERYWHERE])
@pytest.mark.parametrize("host", [HOST, "localhost:5555", "[::1]:5555", "localhost"])
def test_whoever_sits_at_this_machine_is_heard(peer, host):
    require_loopback(peer, host, {})


@pytest.mark.parametrize(
    ("peer", "host", "headers"),
    [
        ("10.0.0.1", HOST, {}),
        ("", HOST, {}),
        # The name of somebody else's page may point here.
        ("127.0.0.1", "evil.example:5555", {}),
        ("127.0.0.1", "[::1", {}),
        ("127.0.0.1", "", {}),
        # Somebody behind a proxy of this machine.
        ("127.0.0.1", HOST, {"X-Forwarded-For": "10.0.0.1"}),
        ("127.0.0.1", HOST, {"Forwarded": "for=10.0.0.1"}),
        ("127.0.0.1", HOST, {"X-Real-Ip": "10.0.0.1"}),
    ],
)
def test_nobody_else_is_heard_without_authentication(peer, host, headers):
    with pytest.raises(Refusal, match="403"):
        require_loopback(peer, host, headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://proxy.example"},
        {"Origin": f"http://{HOST}"},
        {"Origin": f"https://{HOST}"},
    ],
)
def test_our_own_pages_and_programs_may_act(headers):
    require_same_origin(HOST, headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "cross-site", "Origin": f"http://{HOST}"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:80"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://[::1"},
    ],
)
def test_pages_of_others_may_not(headers):
    with pytest.raises(Refusal, match="403"):
        require_same_origin(HOST, headers)


@pytest.mark.parametrize(
    ("site", "into"),
    [(None, None), ("same-origin", "empty"), ("none", "document"), ("cross-site", "document")],
)
def test_whoever_looks_may_come_from_anywhere(site, into):
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": into}
    require_looked_at({name: value for name, value in headers.items() if value})


@pytest.mark.parametrize("site", ["cross-site", "same-site", ""])
@pytest.mark.parametrize("into", ["image", "iframe", "empty", "script", ""])
def test_no_page_of_others_looks_in_somebodys_name(site, into):
    with pytest.raises(Refusal, match="403"):
        require_looked_at({"Sec-Fetch-Site": site, "Sec-Fetch-Dest": into})


@pytest.mark.parametrize(
    "said", ["application/json", "application/json; charset=UTF-8", "Application/JSON"]
)
def test_json_is_json(said):
    require_json(said)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "a, application/json",
    ],
)
def test_anything_else_is_not(said):
    with pytest.raises(Refusal, match="415"):
        require_json(said)


@pytest.mark.parametrize(
    ("credentials", "name"),
    [("ann:pw", "basic:ann"), ("ann:p:w", "basic:ann"), ("änne:", "basic:änne")],
)
def test_who_logs_in_is_called_by_their_name_without_the_password(credentials, name):
    assert basic_name("Basic " + base64.b64encode(credentials.encode()).decode()) == name
