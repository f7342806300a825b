"""The values that cross the port, and who answers to an address."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from syncpipe.errors import ConfigError
from syncpipe.system import SystemClock
from syncpipe.transport import broker, open_broker


@pytest.mark.parametrize("value", [broker.Outbound, broker.QueueDepth, broker.WorkerInfo])
def test_values_are_frozen_and_slotted(value):
    assert dataclasses.is_dataclass(value)
    assert value.__dataclass_params__.frozen
    assert "__slots__" in vars(value)


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ConfigError, match="'kafka'"):
        open_broker("kafka://host", clock=None)


@pytest.mark.parametrize(
    "url", ["redis://h/1", "rediss://h", "redis+socket:///r.sock", "amqp://h", "amqps://h"]
)
def test_opening_connects_nothing(url):
    open_broker(url, clock=SystemClock()).close()


def test_the_port_and_its_redis_adapter_do_not_load_kombu():
    code = (
        "import sys, syncpipe.transport; assert 'redis' not in sys.modules\n"
        "syncpipe.transport.open_broker('redis://h', clock=None)\n"
        "assert not {'kombu', 'celery'} & set(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code], check=True)
