"""Who may answer over TLS."""

from __future__ import annotations

import socket

import pytest

from syncpipe.core.outcome import Outcome
from syncpipe.errors import TargetBusy, TargetMisconfigured, TargetUnavailable
from tests.integration.targets.http.endpoint import CERTIFICATE, Endpoint
from tests.integration.targets.http.posting import apply, failing, outcomes, upsert


@pytest.fixture
def endpoint():
    with Endpoint(secure=True) as endpoint:
        yield endpoint


def test_a_trusted_certificate_is_taken(opened):
    target = opened(ca_file=str(CERTIFICATE))
    assert outcomes(target, upsert()) == [Outcome.APPLIED]
    target.ping()
    assert [check.ok for check in target.test()] == [True, True]


def test_a_certificate_that_nobody_vouches_for_is_a_misconfiguration(endpoint, opened):
    target = opened()
    error = failing(target, TargetMisconfigured)
    assert "cannot be trusted" in error.message
    assert "self-signed certificate" in error.message
    with pytest.raises(TargetMisconfigured):
        target.ping()
    assert endpoint.received == []


def test_the_environment_makes_nobody_trusted(opened, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    failing(opened(), TargetMisconfigured)


def test_a_certificate_of_another_name_is_a_misconfiguration(endpoint, opened, monkeypatch):
    known = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _, *rest, **options: known("127.0.0.1", *rest, **options)
    )
    url = endpoint.url.replace("127.0.0.1", "hub.example")
    error = failing(opened(url=url, ca_file=str(CERTIFICATE)), TargetMisconfigured)
    assert "hub.example" in error.message


def test_certificates_that_cannot_be_read_are_a_misconfiguration(opened, tmp_path):
    (tmp_path / "empty.pem").touch()
    for file in (tmp_path / "empty.pem", tmp_path / "none.pem"):
        error = failing(opened(ca_file=str(file)), TargetMisconfigured)
        assert str(file) in error.message


def test_an_endpoint_that_hangs_in_the_handshake_is_down(opened):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"https://127.0.0.1:{deaf.getsockname()[1]}/in"
        failing(opened(url=url, connect_timeout_s=0.2), TargetUnavailable)


def test_an_endpoint_that_ends_in_the_handshake_is_down(endpoint, opened):
    endpoint.slams = True
    failing(opened(ca_file=str(CERTIFICATE)), TargetUnavailable)


def test_http_where_tls_is_spoken_is_told(endpoint, opened):
    target = opened(url=endpoint.url.replace("https", "http"))
    with pytest.raises((TargetBusy, TargetMisconfigured)):
        apply(target, upsert())


def test_tls_where_http_is_spoken_is_a_misconfiguration(opened):
    with Endpoint() as plain:
        target = opened(url=plain.url.replace("http", "https"))
        assert "cannot be trusted" in failing(target, TargetMisconfigured).message
