from __future__ import annotations

import pytest

from tests.unit.workers.deliveries import Delivery
from workers.consumer import Consumer


class Batcher:
    def __init__(self):
        self.added = []

    def add(self, delivery, fault):
        self.added.append((delivery, fault))


@pytest.mark.parametrize(
    ("meet", "reason"),
    [
        (lambda c, m: c.on_decode_error(m, ValueError("secret")), "decoded: ValueError"),
        (lambda c, m: c.on_unknown_message(None, m), "not a Celery task"),
        (lambda c, m: c.on_unknown_task(None, m, KeyError("x")), "the task 'other'"),
        (lambda c, m: c.on_invalid_task(None, m, ValueError("secret")), "refuses .*: ValueError"),
    ],
)
def test_what_celery_would_drop_goes_to_the_pipeline_with_the_reason(meet, reason):
    consumer = object.__new__(Consumer)
    consumer.batcher = Batcher()
    delivery = Delivery(b"raw", headers={"task": "other"})
    meet(consumer, delivery)
    ((added, fault),) = consumer.batcher.added
    assert added is delivery
    assert fault.code == "SP-E301"
    assert delivery.fate is None
    with pytest.raises(type(fault), match=reason):
        raise fault
    assert "secret" not in str(fault)
