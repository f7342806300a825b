"""Which live worker process claims which lanes: a pure function over the list of processes.

Rendezvous hashing (Thaler & Ravishankar, 1998) with bounded loads (Mirrokni, Thorup &
Zadimoghaddam, 2018): each lane goes to the process that ranks highest for it and has room, where
no process takes more than its even share of a target's lanes. Everybody who sees the same list
comes to the same answer, and a process that comes or goes moves few lanes. For a while two
processes may see different lists and claim the same lane; that is harmless.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from syncpipe.core.routing import Lane


def owners(lanes: Iterable[Lane], processes: Collection[str]) -> dict[Lane, str]:
    """Return the process that claims each of *lanes*, by name; empty when there is no process."""
    everyone = sorted(set(processes))
    if not everyone:
        return {}
    targets: dict[str, set[Lane]] = {}
    for lane in lanes:
        targets.setdefault(lane.target, set()).add(lane)
    owned: dict[Lane, str] = {}
    for each in targets.values():
        owned |= _shared_out(sorted(each), everyone)
    return owned


def _shared_out(lanes: list[Lane], processes: list[str]) -> dict[Lane, str]:
    """Share the *lanes* of one target out evenly."""
    share = -(-len(lanes) // len(processes))
    loads: Counter[str] = Counter()
    owned: dict[Lane, str] = {}
    pairs = ((_rank(lane, process), lane, process) for lane in lanes for process in processes)
    for _, lane, process in sorted(pairs, reverse=True):
        if lane not in owned and loads[process] < share:
            owned[lane] = process
            loads[process] += 1
    return owned


def _rank(lane: Lane, process: str) -> bytes:
    """Return how much *process* wants *lane*: the same everywhere, as good as random."""
    text = f"{lane.target}\0{lane.shard}\0{process}"
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
