"""The rows of the table, in the order of the design: what happens, and who makes it happen."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tests.chaos.targets import endpoint, mishaps, outages, refusals

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.chaos.targets.ground import Ground
    from tests.resumable import Run

#: What is done for each row that draws nothing.
ROWS: dict[str, Callable[..., Any]] = {
    "target stopped": outages.target_stopped,
    "1 % refused for good": refusals.one_in_a_hundred,
    "all refused for good": refusals.all_of_them,
    "parent comes later": refusals.parent_later,
    "kills its worker": mishaps.deadly,
    "deadlocks, serialization": mishaps.conflicts,
    "right, column missing": mishaps.misconfigured,
    "store away": outages.store_away,
    "endpoint misbehaves": endpoint.misbehaves,
    "too slow": refusals.too_slow,
    "unreadable, future": refusals.unreadable,
}
#: Rows that draw.
_DRAWS = {"endpoint misbehaves"}


def carry_out(run: Run, name: str, ground: Ground, folder: Path) -> dict[str, Any]:
    """Make happen what the row *name* is about; return its result."""
    chance = {"chance": run.random(name)} if name in _DRAWS else {}
    checks = ROWS[name](ground, folder, short=run.short, **chance)
    return {"checks": [asdict(check) for check in checks]}
