"""A look at the whole every few seconds, so that pages show at once what is known."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from syncpipe.errors import SendError, SyncpipeError
from syncpipe.ops import traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncpipe.core.chance import Clock
    from syncpipe.ops.lanes import Status
    from syncpipe.ops.traffic import Look, Rates

#: Seconds between two looks.
EVERY_S = 2.0
#: Looks that are remembered: half an hour.
_REMEMBERED = 900
#: Looks over which a rate is told: a dozen seconds.
_SPAN = 7
#: Seconds after which nobody looks any more, if no page has asked.
_IDLE_S = 900.0


@dataclass(frozen=True, slots=True)
class Load:
    """What is known of one target's lanes at one moment."""

    #: Envelopes that are not done.
    depth: int
    #: Seconds that the oldest of those that nobody has taken has waited; None: there is none.
    oldest_s: float | None
    #: What goes through.
    rates: Rates


@dataclass(frozen=True, slots=True)
class Sample:
    """One look."""

    #: Milliseconds since the Unix epoch.
    at_ms: int
    #: What was seen; None where the broker could not be asked.
    status: Status | None
    #: Why not.
    trouble: str = ""
    #: By target.
    loads: Mapping[str, Load] = field(default_factory=dict)


class Sampler:
    """Looks while pages ask for it, on a thread of its own. Safe to use from several threads."""

    def __init__(self, look: Callable[[], Status], clock: Clock) -> None:
        """*look* looks at the whole, and may raise a SyncpipeError."""
        self._look = look
        self._clock = clock
        self._samples: deque[Sample] = deque(maxlen=_REMEMBERED)
        self._looks: dict[str, deque[Look]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._asked = 0.0
        self._first = threading.Event()
        self._stop = threading.Event()

    def latest(self, *, wait_s: float = 0.0) -> Sample | None:
        """Return the last look, after up to *wait_s* seconds if it is the first; None: none yet."""
        self._wake()
        self._first.wait(wait_s)
        samples = self._samples
        return samples[-1] if samples else None

    def history(self) -> list[Sample]:
        """Return the looks that are remembered, the oldest first."""
        self._wake()
        with self._lock:
            return list(self._samples)

    def close(self) -> None:
        """Look no more, and return when nobody does."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def sample(self) -> None:
        """Look now."""
        at_ms, at_s = self._clock.now_ms(), self._clock.monotonic()
        try:
            status = self._look()
        except SyncpipeError as error:
            trouble = error.message if isinstance(error, SendError) else str(error)
            sample = Sample(at_ms, None, trouble)
        else:
            sample = Sample(at_ms, status, "", self._loads(status, at_s))
        with self._lock:
            self._samples.append(sample)
        self._first.set()

    def _wake(self) -> None:
        self._asked = self._clock.monotonic()
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="sampling", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set() and self._clock.monotonic() < self._asked + _IDLE_S:
            try:
                self.sample()
            except Exception:  # noqa: BLE001 -- a fault of ours must not leave the pages without looks
                structlog.get_logger("syncpipe.ui").exception("look-failed")
            self._stop.wait(EVERY_S)

    def _loads(self, status: Status, at_s: float) -> dict[str, Load]:
        loads = {}
        for target in {each.target for each in status.targets}:
            busy = [lane for lane in status.lanes if lane.lane.target == target]
            depth = sum(lane.depth for lane in busy)
            ages = [lane.oldest_age_s for lane in busy if lane.oldest_age_s is not None]
            looks = self._looks.setdefault(target, deque(maxlen=_SPAN))
            if status.workers is None:
                looks.clear()
            else:
                looks.append(traffic.look(target, depth, status.workers, at_s))
            loads[target] = Load(depth, max(ages, default=None), traffic.rates(list(looks)))
        return loads
