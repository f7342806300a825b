"""taskiq: a message for each record, on a Redis stream, whose messages are acknowledged."""

from __future__ import annotations

import asyncio

import psycopg
from psycopg_pool import AsyncConnectionPool
from taskiq import TaskiqEvents
from taskiq_redis import RedisStreamBroker

from tests.benchmarks.peers.records import DSN, PUT, URL, row

_PATH = URL.removeprefix("redis+socket://").partition("?")[0]
#: Connections of one worker process.
_CONNECTIONS = 8

broker = RedisStreamBroker(f"unix://{_PATH}", queue_name="bench", consumer_id="0")


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def start(state):
    options = {"autocommit": True, "prepare_threshold": 0}
    state.pool = AsyncConnectionPool(
        DSN, kwargs=options, min_size=_CONNECTIONS, max_size=_CONNECTIONS, open=False
    )
    await state.pool.open()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def stop(state):
    await state.pool.close()


@broker.task(task_name="record")
async def record(key: str, version: int, document: dict) -> None:
    async with broker.state.pool.connection() as connection:
        await connection.execute(PUT, row((key, version, document)))


class Sender:
    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(broker.startup())
        self._connection = psycopg.connect(DSN, autocommit=True)
        self._sent = 0

    def send(self, operations):
        self._loop.run_until_complete(self._send(operations))
        self._sent += len(operations)

    def depth(self):
        # A stream keeps what was taken from it, and Redis 6.2 does not tell what was not.
        query = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'bench_records'"
        return self._sent - self._connection.execute(query).fetchone()[0]

    async def _send(self, operations):
        for start in range(0, len(operations), 50):
            part = operations[start : start + 50]
            await asyncio.gather(*(record.kiq(*operation) for operation in part))
