from __future__ import annotations

import socket
import ssl

import httpcore2
import pytest

from syncpipe.resilience.classification import HTTP_FAULTS
from syncpipe.targets.http.faults import FAULTS, meaning


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (httpcore2.ConnectError(ConnectionRefusedError(111, "Connection refused")), "connection"),
        (httpcore2.ConnectError(ConnectionResetError(104, "reset")), "connection"),
        (httpcore2.ConnectError(OSError(101, "Network is unreachable")), "connection"),
        (httpcore2.ConnectError(ssl.SSLEOFError(8, "EOF occurred")), "connection"),
        (httpcore2.ConnectError(ssl.SSLZeroReturnError(6, "has been closed (EOF)")), "connection"),
        (httpcore2.ConnectError(ssl.SSLCertVerificationError(1, "self-signed")), "tls"),
        (httpcore2.ConnectError(ssl.SSLError(1, "wrong version number")), "tls"),
        (httpcore2.ConnectError(socket.gaierror(-2, "Name or service not known")), "dns"),
        (httpcore2.ConnectError(UnicodeError("label too long")), "dns"),
        (httpcore2.ConnectTimeout(TimeoutError("timed out")), "connection"),
        (httpcore2.ReadTimeout(TimeoutError("timed out")), "timeout"),
        (httpcore2.WriteTimeout(TimeoutError("timed out")), "timeout"),
        (httpcore2.PoolTimeout(), "connections"),
        (httpcore2.ReadError(ConnectionResetError(104, "reset")), "cut"),
        (httpcore2.WriteError(BrokenPipeError(32, "Broken pipe")), "cut"),
        (httpcore2.RemoteProtocolError("Server disconnected"), "cut"),
        (httpcore2.RemoteProtocolError(ValueError("illegal status line")), "protocol"),
        (httpcore2.LocalProtocolError(ValueError("illegal header")), "protocol"),
        (httpcore2.UnsupportedProtocol("gopher"), "protocol"),
    ],
)
def test_every_fault_has_its_kind_and_says_why(fault, kind):
    found, what = meaning(fault)
    assert (found, found in HTTP_FAULTS) == (kind, True)
    assert what
    assert not what.endswith(": ")


def test_every_fault_of_the_network_has_a_kind():
    kinds = [each for each in vars(httpcore2).values() if isinstance(each, type)]
    for kind in kinds:
        if issubclass(kind, FAULTS):
            assert meaning(kind("why"))[0] in HTTP_FAULTS


def test_what_happened_is_one_line():
    assert "\n" not in meaning(httpcore2.ReadError(OSError(5, "a\nb")))[1]
