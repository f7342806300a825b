"""What the replies of Redis mean for a publisher."""

from __future__ import annotations

import pytest
import redis

from syncpipe.errors import BrokerFull, BrokerUnavailable, DeliveryTimeout
from syncpipe.transport.redis_broker import _verdict


def test_a_length_is_a_confirmation():
    assert _verdict(1) is None


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (redis.exceptions.OutOfMemoryError("used memory > 'maxmemory'"), BrokerFull),
        (redis.exceptions.ReadOnlyError("replica"), BrokerUnavailable),
        (redis.ResponseError("MISCONF"), BrokerUnavailable),
        (DeliveryTimeout("no answer"), DeliveryTimeout),
    ],
)
def test_a_refusal_is_an_error_that_may_pass(reply, error):
    verdict = _verdict(reply)

    assert type(verdict) is error
    assert verdict.retryable
