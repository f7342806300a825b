from __future__ import annotations

from syncpipe.ops.durability import findings

SAFE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


def faults(settings):
    return {found.name: found.advice for found in findings(settings) if not found.ok}


def test_a_redis_that_keeps_everything_has_no_faults():
    assert faults(SAFE) == {}


def test_each_setting_that_can_lose_something_is_named_with_what_to_set():
    found = faults(
        {"appendonly": "no", "appendfsync": "everysec", "maxmemory-policy": "allkeys-lru"}
    )
    assert list(found) == list(SAFE)
    for name, advice in found.items():
        assert advice.endswith(f"Set `{name} {SAFE[name]}`.")


def test_what_is_not_told_is_no_reason_to_be_calm():
    assert list(faults({})) == list(SAFE)
    assert [found.value for found in findings({})] == [None, None, None]
