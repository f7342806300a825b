"""Celery: a task for each record, or for each chunk of them that the program makes by hand."""

from __future__ import annotations

import os

import psycopg
from celery import Celery
from celery.signals import worker_process_init
from redis import Redis

from tests.benchmarks.peers.records import CHUNK, DSN, PUT, URL, in_key_order, row

QUEUE = "bench"
_CHUNKS = os.environ["BENCH_CHUNKS"] == "1"
#: Messages that are sent to Redis in one go (kombu's ``Producer.batch``).
_PIPELINED = 500

app = Celery("bench", broker=URL)
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"priority_steps": [0], "visibility_timeout": 3600},
    task_acks_late=True,
    task_default_queue=QUEUE,
    task_ignore_result=True,
    worker_disable_rate_limits=True,
    # "Many short-duration tasks": Celery's guide to optimizing names 50 to 150.
    worker_prefetch_multiplier=4 if _CHUNKS else 100,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
)


class _Database:
    connection = None


@worker_process_init.connect
def connect(**_):
    _Database.connection = psycopg.connect(DSN, autocommit=True, prepare_threshold=0)


@app.task(name="bench.record")
def record(*operation):
    _Database.connection.execute(PUT, row(operation))


@app.task(name="bench.records")
def records(operations):
    with _Database.connection.transaction(), _Database.connection.cursor() as cursor:
        cursor.executemany(PUT, in_key_order(operations))


class Sender:
    def __init__(self):
        self._producer = app.amqp.producer_pool.acquire(block=True)
        path = URL.removeprefix("redis+socket://").partition("?")[0]
        self._redis = Redis(unix_socket_path=path)

    def send(self, operations):
        if _CHUNKS:
            records.apply_async((operations,), **self._options())
        elif len(operations) == 1:
            record.apply_async(operations[0], **self._options())
        else:
            with self._producer.batch(max_size=_PIPELINED):
                for operation in operations:
                    record.apply_async(operation, **self._options())

    def depth(self):
        return self._redis.llen(QUEUE) * (CHUNK if _CHUNKS else 1)

    def _options(self):
        # Nobody looks at the arguments, and showing them takes as long as all the rest.
        return {"producer": self._producer, "argsrepr": "-", "kwargsrepr": "-"}
