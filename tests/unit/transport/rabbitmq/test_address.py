"""Where a broker URL leads."""

from __future__ import annotations

import pytest

from syncpipe.errors import ConfigError
from syncpipe.system import SystemClock
from syncpipe.transport import open_broker
from syncpipe.transport.rabbitmq.address import address_of, management_of


def test_a_url_says_where_and_as_whom():
    address = address_of("amqp://me:s%2Fe%3Bcret@broker:77/a%2Fb")

    assert (address.place, address.virtual_host, address.tls) == ("broker:77", "a/b", None)
    assert (address.user, address.password) == ("me", "s/e;cret")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("amqp://", "localhost:5672"),
        ("amqps://broker", "broker:5671"),
        ("amqp://[fe80::1%25eth0]:7/", "[fe80::1%eth0]:7"),
        ("amqp://ünder_score.example./", "ünder_score.example.:5672"),
    ],
)
def test_what_is_not_said_is_what_celery_takes(url, place):
    assert address_of(url).place == place


@pytest.mark.parametrize(
    "host", ["a..b", ".", "a" * 64, "a%00b", "a b", "one,two", "[::1", "h:99999", "h:port"]
)
def test_a_malformed_host_is_refused_with_what_to_write(host):
    with pytest.raises(ConfigError, match="amqp://user:password@host:5672/virtual-host"):
        open_broker(f"amqp://{host}/", clock=SystemClock())


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("amqp://me:sEcret@one;amqp://me:sEcret@two", "load balancer"),
        ("amqp://me:sEcret@one;two/", "load balancer"),
        ("amqps://me:sEcret@broker/v?cacertfile=/etc/ca.pem", "SSL_CERT_FILE"),
        ("amqp://me:sEcret@broker/v?hostname=other", "leave them out"),
        ("amqp://me:sEcret#@broker/v", "%23"),
        ("amqp://me:sEcret/x@broker/v", "%2F"),
    ],
)
def test_what_would_be_misread_is_refused_without_the_password(url, what):
    with pytest.raises(ConfigError, match=what) as refused:
        address_of(url)
    assert "sEcret" not in str(refused.value)


@pytest.mark.parametrize(
    ("broker", "url", "place", "user"),
    [
        ("amqp://me:x@broker/v", "auto", ("broker", 15672, False, ""), ("me", "x")),
        ("amqps://me:x@[::1]/v", "auto", ("::1", 15671, True, ""), ("me", "x")),
        ("amqp://broker/v", "https://a:b%40@h/r/", ("h", 15671, True, "/r"), ("a", "b@")),
    ],
)
def test_the_management_api_is_where_its_url_says(broker, url, place, user):
    found = management_of(url, address_of(broker))
    assert (found.host, found.port, found.tls, found.path) == place
    assert (found.user, found.password) == user


@pytest.mark.parametrize(
    "url", ["http://me:sEcret@h:abc", "http://h:99999", "http://[::1", "ftp://x"]
)
def test_a_management_url_that_is_none_is_refused(url):
    with pytest.raises(ConfigError, match="http://user:password@host:15672") as refused:
        open_broker("amqp://", clock=SystemClock(), management_url=url)
    assert "sEcret" not in str(refused.value)
