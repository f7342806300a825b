"""What becomes of messages that RabbitMQ does not confirm."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace

import pytest

from syncpipe.errors import BrokerFull, DeliveryTimeout
from syncpipe.transport.rabbitmq.confirms import Posting, publish


class Line:
    """A line on which nothing is ever confirmed, because of an alarm or of nothing it tells."""

    def __init__(self, *, alarm):
        self.publisher = None
        self.blocked = False
        self.events = defaultdict(set)
        self._alarm = alarm

    def channel(self):
        return self

    def confirm_select(self):
        pass

    def prepare_message(self, body, **_properties):
        return SimpleNamespace(body=body)

    def basic_publish(self, *_message, **_way):
        pass

    def drain_events(self):
        self.blocked = self._alarm
        raise TimeoutError("no answer in time")

    def drop(self):
        pass


POSTING = Posting("sp.crm.0.low.v1", b"", {}, {})


@pytest.mark.parametrize(("alarm", "why"), [(True, "memory or disk"), (False, "no answer in time")])
def test_an_alarm_is_named_where_a_confirm_was_awaited(alarm, why):
    (verdict,) = publish(Line(alarm=alarm), [POSTING])
    assert isinstance(verdict, DeliveryTimeout)
    assert why in verdict.message


def test_an_alarm_is_named_where_nothing_was_sent():
    line = Line(alarm=True)
    line.blocked = True
    (verdict,) = publish(line, [POSTING])
    assert isinstance(verdict, BrokerFull)
    assert "memory or disk" in verdict.message
