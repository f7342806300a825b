"""How a delta changes a remembered record: the pure heart of every target's slow path.

A change never carries fields that it does not touch, so that a target writes only what is new and
values it did not understand (another writer's column, an exotic type) stay as they are.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syncpipe.core.memory import Memory
from syncpipe.core.numbers import add, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from syncpipe.core.delta import Delta, Increment
    from syncpipe.core.version import Stamp


@dataclass(frozen=True, slots=True)
class Change:
    """What to write to one record, and what to remember of it."""

    #: What is remembered afterwards.
    memory: Memory
    #: Whether the record exists afterwards.
    exists: bool
    #: Whether every field is removed first, except those in `keep`.
    replace: bool
    #: Fields and their new values.
    sets: Mapping[str, Any] = field(default_factory=dict)
    #: Fields to remove.
    removes: frozenset[str] = frozenset()
    #: Fields that a replacement leaves as they are.
    keep: frozenset[str] = frozenset()


def recounted(memory: Memory, delta: Delta) -> frozenset[str]:
    """Return the fields whose earlier increments must be read from the ledger to apply *delta*.

    These are fields that increments already stand on, and that *delta* sets to a value older than
    the newest of those increments.
    """
    after = _set_by_both(memory, delta)
    return frozenset(
        name
        for name, newest in memory.counted.items()
        if memory.setter(name) < after.setter(name) < newest
    )


def resolve(
    memory: Memory,
    delta: Delta,
    *,
    current: Mapping[str, Any],
    ledger: Iterable[Increment] = (),
) -> Change:
    """Return how *delta* changes the record remembered as *memory*.

    Args:
        memory: what the target remembers.
        delta: operations that `judge` found to change something; none of its increments is known.
        current: present values of the fields that *delta* increments.
        ledger: the record's earlier increments, needed for the fields in `recounted`.

    """
    after = _set_by_both(memory, delta)
    replace = after.base > memory.base
    sets = _set_values(memory, delta, after)
    fresh = frozenset(n for n in _named(memory, delta) if after.setter(n) > memory.setter(n))
    counted = _counted(memory, delta, after)
    for name in counted:
        increments = [*delta.increments.values(), *(ledger if name in fresh else ())]
        amounts = _amounts(increments, name, after.setter(name))
        if amounts:
            start = sets.get(name) if name in fresh else current.get(name)
            sets[name] = functools.reduce(add, amounts, number(start))
    removes = frozenset(n for n in after.writes if n in fresh and n not in sets)
    return Change(
        memory=Memory(after.base, after.writes, counted),
        exists=bool(not replace or delta.document is not None or after.writes or counted),
        replace=replace,
        sets=sets,
        removes=removes,
        keep=frozenset(after.writes.keys() - fresh - sets.keys()) if replace else frozenset(),
    )


def _set_by_both(memory: Memory, delta: Delta) -> Memory:
    """Return the memory after *delta*, without its increments."""
    base = max(memory.base, delta.base)
    writes = dict(memory.writes)
    for name, write in delta.writes.items():
        writes[name] = max(write.stamp, writes.get(name, base))
    return Memory(base, {name: stamp for name, stamp in writes.items() if stamp > base})


def _set_values(memory: Memory, delta: Delta, after: Memory) -> dict[str, Any]:
    """Return the values that *delta* itself sets, before increments; removed fields are absent."""
    sets: dict[str, Any] = {}
    if delta.document is not None and delta.base > memory.base:
        sets = {name: v for name, v in delta.document.items() if name not in after.writes}
    for name, write in delta.writes.items():
        if memory.setter(name) < write.stamp == after.setter(name) and write.value is not None:
            sets[name] = write.value
    return sets


def _counted(memory: Memory, delta: Delta, after: Memory) -> dict[str, Stamp]:
    """Return for each incremented field the newest increment above what set it."""
    counted = dict(memory.counted)
    for increment in delta.increments.values():
        for name in increment.amounts:
            counted[name] = max(increment.stamp, counted.get(name, increment.stamp))
    return {name: stamp for name, stamp in counted.items() if stamp > after.setter(name)}


def _named(memory: Memory, delta: Delta) -> set[str]:
    amounts = (name for increment in delta.increments.values() for name in increment.amounts)
    return {*memory.writes, *memory.counted, *delta.writes, *amounts}


def _amounts(increments: Iterable[Increment], name: str, setter: Stamp) -> list[Any]:
    return [i.amounts[name] for i in increments if name in i.amounts and i.stamp > setter]
