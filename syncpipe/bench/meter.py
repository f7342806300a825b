"""What processes have used, as the kernel counts it (Linux)."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
#: Fields of /proc/PID/stat after the name, counted from the state (proc(5)).
_PARENT, _FIRST_TIME, _LAST_TIME = 1, 11, 15
_KB_PER_MB = 1024


def trees(pids: Iterable[int]) -> set[int]:
    """Return *pids* and all their descendants that live now."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for process in Path("/proc").glob("[0-9]*"):
        if fields := _stat(int(process.name)):
            children[int(fields[_PARENT])].append(int(process.name))
    found: set[int] = set()
    waiting = list(pids)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children[pid]
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """Return the seconds of processor that *pids* and their descendants have used, dead or alive.

    A descendant that has died counts where its parent has waited for it.
    """
    return sum(
        sum(map(int, fields[_FIRST_TIME:_LAST_TIME])) / _TICKS_PER_S
        for pid in trees(pids)
        if (fields := _stat(pid))
    )


def peak_rss_mb(pids: Iterable[int]) -> float:
    """Return the most memory that one of *pids* and their descendants has ever occupied, MB."""
    return max((_peak_kb(pid) for pid in trees(pids)), default=0) / _KB_PER_MB


def _stat(pid: int) -> list[str]:
    """Return the fields of a process after its name; empty if it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return []


def _peak_kb(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0
