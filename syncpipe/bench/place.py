"""Where one cell is measured: private services, processes on them, and what these have used."""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from syncpipe.app import build
from syncpipe.bench.child import Child
from syncpipe.bench.meter import cpu_s, peak_rss_mb
from syncpipe.bench.progress import Progress, read_progress
from syncpipe.demo.run import hire, open_stage, settle
from syncpipe.demo.stage import TARGET
from syncpipe.demo.tally import WORKER_LOGS
from syncpipe.errors import Stalled
from syncpipe.resilience.hold import Hold
from syncpipe.settings import load, without_ours
from syncpipe.transport.redis_footprint import footprint_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from syncpipe.bench.scale import Scale
    from syncpipe.demo.stage import Stage
    from syncpipe.supervisor import Supervisor

#: Who pauses the target while a backlog grows, and what its log says then.
_BY, _PAUSED = "bench", b'"target-paused"'
#: Seconds between two looks, so rarely that reading logs takes nobody's processor, and seconds
#: without progress after which nobody waits any longer.
_LOOK_S, _STALLED_S = 0.2, 60.0


@dataclass(frozen=True, slots=True)
class Layout:
    """What a cell has other than the demonstration."""

    #: Worker processes; None: those of the scale.
    processes: int | None = None
    #: Lanes of the target; None: as many as it has by default.
    lanes: int | None = None
    #: Collections that share the operations; none: the one that is there.
    collections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drained:
    """What workers did with a backlog."""

    #: Its operations.
    operations: int
    #: How it went.
    progress: Progress
    #: Seconds of processor, by who has used them.
    cpu_s: Mapping[str, float]
    #: What it occupied in the broker.
    footprint_bytes: int


@dataclass(frozen=True, slots=True)
class Place:
    """Private services, with what it takes to measure on them."""

    #: The services.
    stage: Stage
    #: Keeps them, and workers.
    supervisor: Supervisor
    #: How much is sent.
    scale: Scale
    #: Hears of progress.
    say: Callable[[str], object]
    #: What is other than usual.
    layout: Layout = field(default_factory=Layout)

    def hire(self) -> None:
        """Start the workers."""
        hire(self.stage, self.supervisor, self.layout.processes or self.scale.processes, self.say)

    def drain(self) -> None:
        """Wait until nothing is left in any lane."""
        settle(self.stage, self.say)

    def backlog(self, producer: Child, start: int, stop: int) -> Drained:
        """Let workers that are warm come to a backlog, which grows while the target is paused.

        Afterwards, what they have logged is about it alone. The producer rests meanwhile.
        """
        self._pause()
        order(producer, do="send", start=start, stop=stop)
        footprint = self.footprint()
        self.forget()
        before = self.used()
        self._want(Hold.NONE)
        self._wait_for(stop - start)
        self.drain()
        used = self.used(since=before)
        return Drained(stop - start, read_progress(self.stage.logs), used, footprint)

    def forget(self) -> None:
        """Have the logs of workers begin here: what came before has warmed everybody up."""
        for log in self.stage.logs.glob(WORKER_LOGS):
            log.write_bytes(b"")

    def producer(self, workload: str, *overrides: str) -> Child:
        """Return a producer that is ready."""
        collections = ",".join(self.layout.collections)
        arguments = str(self.stage.config), workload, collections, *overrides
        return self.child("syncpipe.bench.sending", *arguments)

    def child(self, module: str, *arguments: str) -> Child:
        """Return a process that is ready."""
        child = Child(
            (sys.executable, "-m", module, *arguments),
            log=self.stage.logs / "children.log",
            env=without_ours(),
        )
        child.hear()
        return child

    def pids(self, *children: Child) -> list[int]:
        """Return the processes of servers, workers and *children*."""
        kept = (pid for pid in self.supervisor.pids().values() if pid)
        return [*kept, *(child.pid for child in children)]

    def workers_rss_mb(self) -> float:
        """Return the most memory that one worker has ever occupied."""
        kept = self.supervisor.pids().items()
        return peak_rss_mb(pid for name, pid in kept if pid and name.startswith("worker"))

    def footprint(self) -> int:
        """Return the bytes that the broker holds."""
        return footprint_bytes(self.stage.services.redis_url, clock=self.stage.app.clock)

    def used(
        self, *producers: Child, since: Mapping[str, float] = MappingProxyType({})
    ) -> dict[str, float]:
        """Return the seconds of processor by whom: workers, *producers*, and each server.

        Without those that this has returned before, if they are given as *since*.
        """
        used = {"producer": cpu_s([each.pid for each in producers])} if producers else {}
        for name, pid in self.supervisor.pids().items():
            if pid:
                who = "workers" if name.startswith("worker") else name
                used[who] = used.get(who, 0.0) + cpu_s([pid])
        return {who: seconds - since.get(who, 0.0) for who, seconds in used.items()}

    def _pause(self) -> None:
        """Have all workers leave the target alone, and return when each says that it does."""
        self.forget()
        self._want(Hold.OPEN)
        logs = list(self.stage.logs.glob(WORKER_LOGS))
        self._until(lambda: all(_PAUSED in log.read_bytes() for log in logs), "no pause")

    def _want(self, hold: Hold) -> None:
        with self.stage.store() as store:
            store.pauses.hold(TARGET, hold, by=_BY, reason="a backlog is to grow")

    def _wait_for(self, operations: int) -> None:
        """Wait until workers have logged so many *operations*: that asks nothing of any server."""
        moved_at, before = time.monotonic(), 0
        while before < operations:
            time.sleep(_LOOK_S)
            done = sum(batch.operations for batch in read_progress(self.stage.logs).batches)
            if done > before:
                moved_at, before = time.monotonic(), done
            elif time.monotonic() - moved_at > _STALLED_S:
                raise Stalled(f"{done} of {operations} operations came, and no more.")

    def _until(self, true: Callable[[], bool], otherwise: str) -> None:
        until = time.monotonic() + _STALLED_S
        while not true():
            if time.monotonic() > until:
                raise Stalled(f"{otherwise} in {_STALLED_S:.0f} s.")
            time.sleep(_LOOK_S)


@contextmanager
def place(scale: Scale, say: Callable[[str], object], layout: Layout = Layout()) -> Iterator[Place]:
    """Run private services for one cell."""
    with (
        tempfile.TemporaryDirectory(prefix="syncpipe-bench-") as directory,
        open_stage(Path(directory, "state"), lambda _: None) as (stage, supervisor),
    ):
        yield Place(_laid_out(stage, layout), supervisor, scale, say, layout)


def order(child: Child, **what: Any) -> Any:
    """Have *child* do *what*, and return what it says."""
    child.tell(what)
    return child.hear()


def _laid_out(stage: Stage, layout: Layout) -> Stage:
    """Return *stage* with the configuration that *layout* asks for."""
    lines = [] if layout.lanes is None else [f"shards = {layout.lanes}"]
    lines.append(stage.config.read_text("utf-8"))
    lines += (f'[collections.{name}]\ntarget = "{TARGET}"' for name in layout.collections)
    stage.config.write_text("\n".join(lines), "utf-8")
    return replace(stage, app=build(load(stage.config, environ={}).settings))
