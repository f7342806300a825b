"""dramatiq: a message for each record, on Redis."""

from __future__ import annotations

import threading

import dramatiq
import psycopg
from dramatiq.brokers.redis import RedisBroker
from redis import BlockingConnectionPool, UnixDomainSocketConnection

from tests.benchmarks.peers.records import DSN, PUT, URL, row

_PATH = URL.removeprefix("redis+socket://").partition("?")[0]
_POOL = BlockingConnectionPool(connection_class=UnixDomainSocketConnection, path=_PATH)
broker = RedisBroker(connection_pool=_POOL)
dramatiq.set_broker(broker)
_OWN = threading.local()


@dramatiq.actor(queue_name="bench")
def record(key, version, document):
    if not hasattr(_OWN, "connection"):
        _OWN.connection = psycopg.connect(DSN, autocommit=True, prepare_threshold=0)
    _OWN.connection.execute(PUT, row((key, version, document)))


class Sender:
    def send(self, operations):
        for operation in operations:
            record.send(*operation)

    def depth(self):
        return broker.client.llen("dramatiq:bench")
