"""celery-batches: a task for each record, and one call for 500 of them."""

from __future__ import annotations

import psycopg
from celery import Celery
from celery.signals import worker_process_init
from celery_batches import Batches
from redis import Redis

from tests.benchmarks.peers.records import CHUNK, DSN, PUT, URL, in_key_order

QUEUE = "bench"

app = Celery("bench", broker=URL)
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"priority_steps": [0]},
    task_acks_late=True,
    task_default_queue=QUEUE,
    task_ignore_result=True,
    worker_disable_rate_limits=True,
    # It has to hold at least as many as it flushes; its readme says to raise this.
    worker_prefetch_multiplier=2 * CHUNK,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
)


class _Database:
    connection = None


@worker_process_init.connect
def connect(**_):
    _Database.connection = psycopg.connect(DSN, autocommit=True, prepare_threshold=0)


@app.task(name="bench.record", base=Batches, flush_every=CHUNK, flush_interval=1)
def record(requests):
    with _Database.connection.transaction(), _Database.connection.cursor() as cursor:
        cursor.executemany(PUT, in_key_order(request.args for request in requests))


class Sender:
    def __init__(self):
        self._producer = app.amqp.producer_pool.acquire(block=True)
        path = URL.removeprefix("redis+socket://").partition("?")[0]
        self._redis = Redis(unix_socket_path=path)

    def send(self, operations):
        options = {"producer": self._producer, "argsrepr": "-", "kwargsrepr": "-"}
        with self._producer.batch(max_size=CHUNK):
            for operation in operations:
                record.apply_async(operation, **options)

    def depth(self):
        return self._redis.llen(QUEUE)
