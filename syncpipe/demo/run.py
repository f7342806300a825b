"""The demonstration: send real data through the real pipeline, then judge every row."""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from syncpipe.core.routing import DEAD_QUEUE, queues_of
from syncpipe.demo.feed import feed
from syncpipe.demo.oracle import actual, compare
from syncpipe.demo.outage import Outage
from syncpipe.demo.poison import number_of, refuse_poison
from syncpipe.demo.stage import (
    TARGET,
    Stage,
    build_stage,
    dead_letters_of,
    scheduled_in,
    worker_commands,
)
from syncpipe.demo.summary import summarise
from syncpipe.demo.tally import read_tally
from syncpipe.embedded import attached
from syncpipe.errors import Stalled
from syncpipe.ops.waiting import depth_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncpipe.demo.feed import Fed
    from syncpipe.demo.oracle import Verdict
    from syncpipe.demo.summary import Summary
    from syncpipe.supervisor import Event, Supervisor

#: How often in a row the lanes must be found empty.
_EMPTY_LOOKS = 2
#: Seconds between two looks.
_LOOK_S = 0.1
#: Seconds without any progress after which nobody waits any longer.
_STALLED_S = 60.0
#: Seconds between two reports of progress.
_REPORT_S = 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to do."""

    #: Distinct operations.
    operations: int = 50_000
    #: Worker processes.
    processes: int = 2
    #: What the stream is drawn from.
    seed: int = 1
    #: Share of the operations that the target is to refuse, at most `syncpipe.demo.poison.MOST`.
    poison: Fraction = Fraction(0)
    #: Seconds for which PostgreSQL is stopped in the middle.
    outage_s: float = 0.0


def run(
    plan: Plan,
    say: Callable[[str], object],
    *,
    signals: bool = False,
    on_event: Callable[[Event], None] | None = None,
) -> tuple[Summary, Verdict]:
    """Run *plan* on services of its own that end with it; *say* hears of progress.

    *signals* and *on_event* are those of the supervisor. Raises SyncpipeError when something does
    not come up, does not confirm, or does not go on.
    """
    with tempfile.TemporaryDirectory(prefix="syncpipe-demo-") as directory:
        state = Path(directory, "state")
        with open_stage(state, say, signals=signals, on_event=on_event) as (stage, supervisor):
            hire(stage, supervisor, plan.processes, say)
            with Outage(supervisor, plan.outage_s, say) as outage:
                return perform(stage, plan, say, outage)


@contextmanager
def open_stage(
    state_dir: Path,
    say: Callable[[str], object],
    *,
    signals: bool = False,
    on_event: Callable[[Event], None] | None = None,
) -> Iterator[tuple[Stage, Supervisor]]:
    """Run private services in *state_dir* as long as the block lasts, with a target on them."""
    with attached(state_dir, signals=signals, on_event=on_event) as running:
        say("started a private Redis and a private PostgreSQL")
        stage = build_stage(running.services)
        try:
            yield stage, running.supervisor
        finally:
            stage.config.unlink(missing_ok=True)


def hire(
    stage: Stage, supervisor: Supervisor, processes: int, say: Callable[[str], object]
) -> None:
    """Start worker processes and return when all are known to the broker. Raises ChildFailed."""
    supervisor.start(*worker_commands(stage, processes))
    say(f"started {processes} worker process{'es' if processes > 1 else ''}")


def perform(
    stage: Stage, plan: Plan, say: Callable[[str], object], outage: Outage | None = None
) -> tuple[Summary, Verdict]:
    """Feed, with an *outage* in the middle if there is to be one, wait, and judge.

    Raises SyncpipeError.
    """
    poisoned = number_of(plan.poison, plan.operations)
    if poisoned:
        refuse_poison(stage.app.settings.store)
    halfway = outage.begin if outage else None
    fed = feed(stage.app, plan.operations, plan.seed, say, poisoned=poisoned, halfway=halfway)
    if outage:
        outage.over()
    settle(stage, say)
    verdict = verify(stage, fed)
    tally = read_tally(stage.logs)
    summary = summarise(fed, tally, verdict, dead=dead_letters_of(stage), outage_s=plan.outage_s)
    return summary, verdict


def settle(stage: Stage, say: Callable[[str], object], *, stalled_s: float = _STALLED_S) -> None:
    """Wait until nothing is left in any lane or the schedule, and dead letters are in the store.

    Raises Stalled when nothing moves any more.
    """
    clock = stage.app.clock
    queues = [*queues_of(TARGET, stage.app.settings.shards), DEAD_QUEUE]
    moved_at = said_at = clock.monotonic()
    depth, empty = -1, 0
    with stage.app.broker() as broker, stage.store() as store:
        while empty < _EMPTY_LOOKS:
            before, now = depth, clock.monotonic()
            depth = depth_of(broker, queues) or scheduled_in(store)
            empty = 0 if depth else empty + 1
            moved_at = moved_at if depth == before else now
            if depth and now - moved_at > stalled_s:
                raise Stalled(f"{depth} envelopes wait, and none has moved for {stalled_s:.0f} s.")
            if depth and now - said_at > _REPORT_S:
                say(f"{depth:,} envelopes on their way")
                said_at = now
            time.sleep(_LOOK_S)


def verify(stage: Stage, fed: Fed) -> Verdict:
    """Compare every row with what the oracle expects. Raises psycopg's errors."""
    return compare(fed.oracle.expected(), actual(stage.services.dsn))
