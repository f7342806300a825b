"""Servers for every ring of tests, the profiles of hypothesis, and what becomes of skips.

Set ``SYNCPIPE_FORBID_SKIPS=1`` to turn skips into failures, and ``SYNCPIPE_HYPOTHESIS`` to ``ci``
or ``thorough`` to try 500 or 2,000 examples of each property instead of 100.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import hypothesis
import pytest
from redis import Redis

from syncpipe.database.connections import Connections
from tests.rabbitmq import RabbitServer, rabbitmq_server
from tests.servers import PostgresServer, RedisServer, postgres_server, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator

for _name, _examples in (("default", 100), ("ci", 500), ("thorough", 2_000)):
    hypothesis.settings.register_profile(
        _name,
        max_examples=_examples,
        deadline=None,
        derandomize=False,
        print_blob=True,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
hypothesis.settings.load_profile(os.environ.get("SYNCPIPE_HYPOTHESIS", "default"))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Draw the seed here, unless one is given, so that every run can be repeated."""
    config.addinivalue_line("markers", "root: only root can try this; may always be skipped")
    if config.getoption("--hypothesis-seed") is None:
        config.option.hypothesis_seed = str(random.SystemRandom().getrandbits(32))


def pytest_report_header(config: pytest.Config) -> str:
    """Say how to repeat the run."""
    return f"properties: --hypothesis-seed={config.getoption('--hypothesis-seed')}"


@pytest.fixture(scope="session", autouse=True)
def _patient_connections() -> Iterator[None]:
    """Let a server that is there, on however slow a machine, have a minute for a connection."""
    original = Connections.__init__

    def patient(self, options, **others):
        patience_s = max(60.0, options.connect_timeout_s)
        original(self, replace(options, connect_timeout_s=patience_s), **others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connections, "__init__", patient)
        yield


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """A private Redis for the session of this test process; do not kill it."""
    with redis_server() as server:
        yield server


@pytest.fixture
def redis_url(redis: RedisServer) -> str:
    """Address of an empty Redis."""
    with Redis(unix_socket_path=redis.socket) as client:
        client.flushall()
    return redis.url


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitServer]:
    """A private RabbitMQ for the session of this test process; do not kill it."""
    with rabbitmq_server() as server:
        yield server


@pytest.fixture(scope="session")
def mortal_rabbitmq() -> Iterator[RabbitServer]:
    """A private RabbitMQ like the other, to be stopped, filled and killed, and left running."""
    with rabbitmq_server() as server:
        yield server


@pytest.fixture
def rabbitmq_url(rabbitmq: RabbitServer) -> Iterator[str]:
    """Address of an empty virtual host of this test's own."""
    host = rabbitmq.new_host()
    yield rabbitmq.url(host)
    rabbitmq.drop_host(host)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A private PostgreSQL 18 for the session of this test process; do not kill it."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_16() -> Iterator[PostgresServer]:
    """A private PostgreSQL 16 for the session of this test process; do not kill it."""
    with postgres_server(major=16) as server:
        yield server


@pytest.fixture(scope="session", params=["postgres", "postgres_16"], ids=["pg18", "pg16"])
def every_postgres(request: pytest.FixtureRequest) -> PostgresServer:
    """A private PostgreSQL of each release that we promise to work with; do not kill it."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def dsn(postgres: PostgresServer) -> Iterator[str]:
    """Address of an empty database of this test's own."""
    yield from _database(postgres)


@pytest.fixture(scope="module")
def module_dsn(postgres: PostgresServer) -> Iterator[str]:
    """Address of a database that the tests of one module share."""
    yield from _database(postgres)


@pytest.fixture
def every_dsn(every_postgres: PostgresServer) -> Iterator[str]:
    """Address of an empty database of this test's own, once on each release."""
    yield from _database(every_postgres)


def _database(server: PostgresServer) -> Iterator[str]:
    address = server.new_database()
    yield address
    server.drop_database(address)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what only root can try."""
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("only root can try this; enable with: sudo make test")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Let a skipped test fail where skips are forbidden, unless it is a matter of who runs it."""
    report = yield
    return report if item.get_closest_marker("root") else _forbid_skip(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    """Let a skipped module fail where skips are forbidden."""
    report = yield
    return _forbid_skip(report)


def _forbid_skip(report):
    forbidden = os.environ.get("SYNCPIPE_FORBID_SKIPS") == "1"
    if forbidden and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skips are forbidden here, and this was one: {_reason(report)}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was skipped, by reason; a reason says how to enable the tests."""
    reasons = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", []))
    if reasons:
        terminalreporter.section("skipped, and how to enable it")
        for reason, number in reasons.most_common():
            terminalreporter.write_line(f"{number} x {reason}")


def _reason(report) -> str:
    longrepr = report.longrepr
    return longrepr[2].removeprefix("Skipped: ") if isinstance(longrepr, tuple) else str(longrepr)
