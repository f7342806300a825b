"""What every peer sends and writes: the benchmark's documents, and one table of PostgreSQL."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

#: Files of the benchmark: ``documents.jsonl`` and, where records are hot, ``keys.txt``.
FOLDER = Path(os.environ["BENCH_FOLDER"])
URL = os.environ["BENCH_URL"]
DSN = os.environ["BENCH_DSN"]
#: Whether stale writes are to be refused.
GUARDED = os.environ["BENCH_GUARDED"] == "1"
#: Records that travel together, where a peer can do that.
CHUNK = 500

PUT = """
INSERT INTO bench_records AS t (key, version, document) VALUES (%s, %s, %s)
ON CONFLICT (key) DO UPDATE SET version = excluded.version, document = excluded.document
""" + ("WHERE t.version < excluded.version" if GUARDED else "")


class Source:
    """The operations, by number: a key, a version and a document."""

    def __init__(self) -> None:
        lines = (FOLDER / "documents.jsonl").read_text().splitlines()
        self._documents = [json.loads(line) for line in lines]
        keys = FOLDER / "keys.txt"
        self._keys = keys.read_text().split() if keys.exists() else None

    def operations(self, start, stop):
        """Yield the operations from *start* to *stop*."""
        documents, keys = self._documents, self._keys
        size = len(documents)
        for number in range(start, stop):
            key = keys[number % len(keys)] if keys else f"{number:08d}"
            yield key, number + 1, {**documents[number % size], "n": number}

    def chunks(self, start, stop):
        """Yield lists of operations."""
        operations = self.operations(start, stop)
        while chunk := list(itertools.islice(operations, CHUNK)):
            yield chunk


def row(operation):
    """Return the arguments of `PUT`."""
    key, version, document = operation
    return key, version, json.dumps(document)


def in_key_order(operations):
    """Return rows in the order in which they are locked, so that two workers cannot deadlock."""
    return sorted(map(row, operations))
