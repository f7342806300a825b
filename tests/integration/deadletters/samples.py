"""Dead letters to put into a store."""

from __future__ import annotations

import uuid
from typing import Any

from syncpipe.core.codec import encode
from syncpipe.core.deadletter import DeadLetter
from syncpipe.core.operation import KINDS, Operation
from syncpipe.testing.clock import FakeClock
from tests.contract import test_deadletters as contract

NOW = FakeClock().now_ms()
#: What must be seen nowhere.
CANARY = "canary-7f3a-bird"
DATA = {"status": "paid", "name": CANARY, "total": -5}


def operation(number: int, kind: str = "upsert", data: Any = DATA, **members: Any) -> Operation:
    """One operation; *number* tells it from others."""
    id_ = uuid.UUID(int=0x0197A000_0000_7000_8000_000000000000 + number).bytes
    known = {"collection": "orders", "key": f"k{number}", "version": 10}
    return Operation(id_, KINDS[kind], data=None if kind == "delete" else data, **known | members)


def dead(number: int = 1, *, of: Operation | None = None, **members: Any) -> DeadLetter:
    """The dead letter of an operation that broke a constraint."""
    of = of or operation(number)
    known = {
        "raw": encode(of),
        "queue": "sp.crm.0.low",
        "stage": "apply",
        "code": "SP-E511",
        "message": f'Target crm: new row violates "positive" ({CANARY}, -5).',
        "died_ms": NOW - 60_000 + number,
        "worker": "w1@h",
        "operation_id": of.uuid,
        "collection": of.collection,
        "key": of.key,
        "version": of.version,
        "sqlstate": "23514",
        "constraint": "positive",
    }
    return DeadLetter(**known | members)


def unreadable(**members: Any) -> DeadLetter:
    """A message that nobody can read."""
    return contract.unreadable(f"garbage {CANARY}".encode(), **{"died_ms": NOW} | members)
