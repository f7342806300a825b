"""Options that cannot work are refused."""

from __future__ import annotations

import pytest

from syncpipe.errors import ConfigError
from syncpipe.producer.options import MAX_BATCH_BYTES, ClientOptions


def test_the_defaults_are_usable():
    assert ClientOptions().buffer_max_bytes > ClientOptions().batch_max_bytes


@pytest.mark.parametrize(
    "option",
    [
        {"linger_ms": -1},
        {"max_block_s": -0.1},
        {"batch_max_ops": 0},
        {"batch_max_ops": 10_001},
        {"batch_max_bytes": 0},
        {"batch_max_bytes": MAX_BATCH_BYTES + 1},
        {"buffer_max_bytes": 0},
        {"delivery_timeout_s": 0},
        {"linger_ms": 10_001, "delivery_timeout_s": 30},
    ],
)
def test_an_option_out_of_range_is_refused_by_name(option):
    with pytest.raises(ConfigError, match=next(iter(option))):
        ClientOptions(**option)


def test_all_options_that_cannot_work_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        ClientOptions(linger_ms=60_000, batch_max_bytes=MAX_BATCH_BYTES + 1)
    assert set(caught.value.unfit) == {"linger_ms", "batch_max_bytes"}
