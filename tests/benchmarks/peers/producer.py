"""A peer's producer, told what to do on stdin: ``python -m …peers.producer MODULE``.

One JSON object a line: ``{"do": "send", "start": 0, "stop": 10}`` sends these operations;
``{"do": "stream", "start": 0, "ahead": 100}`` goes on sending, with so many waiting at most, until
the next line; ``{"do": "single", …}`` sends one at a time for some seconds, with as many waiting at
most. The answer names the operation that would come next.
"""

from __future__ import annotations

import gc
import importlib
import json
import queue
import sys
import threading
import time

from tests.benchmarks.peers.records import CHUNK, Source

#: Seconds between two looks at a queue that is full enough.
_LOOK_S = 0.01


class Producer:
    def __init__(self, module):
        self._sender = module.Sender()
        self._source = Source()
        self.orders = queue.Queue()

    def act(self, order):
        return getattr(self, order.pop("do"))(**order)

    def send(self, start, stop):
        for chunk in self._source.chunks(start, stop):
            self._sender.send(chunk)
        return stop

    def stream(self, start, ahead):
        while self.orders.empty():
            if self._sender.depth() >= ahead:
                time.sleep(_LOOK_S)
            else:
                start = self.send(start, start + CHUNK)
        self.orders.get()
        return start

    def single(self, start, seconds, ahead):
        until = time.monotonic() + seconds
        operations = self._source.operations(start, sys.maxsize)
        while time.monotonic() < until:
            if self._sender.depth() >= ahead:
                time.sleep(_LOOK_S)
            else:
                self._sender.send([next(operations)])
                start += 1
        return start


def main(name):
    producer = Producer(importlib.import_module(f"tests.benchmarks.peers.{name}"))

    def listen():
        for line in sys.stdin:
            producer.orders.put(json.loads(line))
        producer.orders.put(None)

    threading.Thread(target=listen, daemon=True).start()
    gc.collect()
    gc.freeze()
    say("ready")
    while order := producer.orders.get():
        say(producer.act(order))


def say(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
