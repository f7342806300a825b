"""procrastinate: a job for each record, in PostgreSQL itself."""

from __future__ import annotations

import asyncio

import psycopg
from procrastinate import App, PsycopgConnector
from psycopg_pool import AsyncConnectionPool

from tests.benchmarks.peers.records import DSN, PUT, row

#: Connections of one worker process for its tasks, and as many for its jobs.
_CONNECTIONS = 8

app = App(connector=PsycopgConnector(conninfo=DSN, min_size=_CONNECTIONS, max_size=_CONNECTIONS))


class _Database:
    pool = None


async def _pool():
    if _Database.pool is None:
        options = {"autocommit": True, "prepare_threshold": 0}
        _Database.pool = AsyncConnectionPool(
            DSN, kwargs=options, min_size=_CONNECTIONS, max_size=_CONNECTIONS, open=False
        )
        await _Database.pool.open()
    return _Database.pool


@app.task(name="record", queue="bench")
async def record(key, version, document):
    async with (await _pool()).connection() as connection:
        await connection.execute(PUT, row((key, version, document)))


class Sender:
    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(app.open_async())
        self._connection = psycopg.connect(DSN, autocommit=True)

    def send(self, operations):
        jobs = [
            {"key": key, "version": version, "document": document}
            for key, version, document in operations
        ]
        self._loop.run_until_complete(record.batch_defer_async(*jobs))

    def depth(self):
        query = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'"
        return self._connection.execute(query).fetchone()[0]
