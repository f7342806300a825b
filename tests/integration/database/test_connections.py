"""What a server gets to see of a pool of ours, and how soon we see that it is gone."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import conninfo

from syncpipe.errors import TargetUnavailable
from syncpipe.targets.postgres.connections import Connections
from syncpipe.targets.postgres.options import PostgresOptions
from tests.listener import Listener
from tests.patience import eventually


@pytest.fixture
def listener():
    with Listener() as listener:
        yield listener


@contextmanager
def connected(dsn, **options):
    connections = Connections(PostgresOptions(name="crm", dsn=dsn, **options))
    yield connections
    connections.close()


def cut_one(connections, dsn):
    with psycopg.connect(dsn, autocommit=True) as killer, connections.connection() as cut:
        killer.execute("SELECT pg_terminate_backend(%s, 60000)", (cut.info.backend_pid,))
        cut.execute("SELECT 1")


def ask(connections):
    with connections.connection() as connection:
        return connection.execute("SELECT pg_backend_pid()").fetchone()[0]


def test_a_probe_is_one_attempt(listener):
    with connected(listener.dsn) as connections:
        for number in (1, 2, 3):
            with pytest.raises(TargetUnavailable, match="closed the connection"):
                connections.probe()
            assert listener.seen == number


def test_the_pool_does_not_try_again_by_itself(listener):
    """Whoever waits for a connection learns at once why there is none."""
    with connected(listener.dsn, connect_timeout_s=600) as connections:
        with pytest.raises(TargetUnavailable, match="closed the connection"):
            ask(connections)
        names = ("scheduler", "worker")
        eventually(
            lambda: (
                not any(
                    thread.name.startswith("syncpipe-crm") and thread.name.split("-")[2] in names
                    for thread in threading.enumerate()
                )
            )
        )


def test_a_probe_passes_whatever_the_pool_does(dsn):
    with connected(dsn, pool_max=1) as connections, connections.connection():
        connections.probe()


def test_connections_that_a_restart_has_broken_are_not_given_to_others(dsn):
    with connected(dsn) as connections:
        with connections.connection() as one, connections.connection() as other:
            pids = [one.info.backend_pid, other.info.backend_pid]
        with psycopg.connect(dsn, autocommit=True) as killer:
            for pid in pids:
                killer.execute("SELECT pg_terminate_backend(%s, 60000)", (pid,))
        with pytest.raises(TargetUnavailable):
            ask(connections)
        assert ask(connections) not in pids


def test_who_uses_a_connection_keeps_it_when_another_is_cut(dsn):
    with connected(dsn) as connections, connections.connection() as kept:
        with pytest.raises(TargetUnavailable):
            cut_one(connections, dsn)
        assert kept.execute("SELECT 1").fetchone() == (1,)
        assert ask(connections)


def test_what_is_closed_stays_closed(dsn):
    with connected(dsn) as connections:
        ask(connections)
        connections.close()
        with pytest.raises(TargetUnavailable):
            ask(connections)


def test_a_connection_speaks_utf_8_whatever_the_address_says(dsn):
    """Binary parameters hold UTF-8; in another encoding they would name other records."""
    address = conninfo.make_conninfo(dsn, client_encoding="latin1")
    with connected(address) as connections, connections.connection() as connection:
        assert connection.execute("SHOW client_encoding").fetchone() == ("UTF8",)
