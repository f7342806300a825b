"""``syncpipe worker``: worker processes under a supervisor."""

from __future__ import annotations

import math
import os
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncpipe.cli.options import configured
from syncpipe.cli.output import note
from syncpipe.errors import ChildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncpipe.cli.options import Configuration
    from syncpipe.supervisor import Command, Event, Heartbeat

#: Seconds that a worker has beyond its own drain timeout before it is killed.
_GRACE_S = 10.0
#: How many stall timeouts a worker may be silent: a worker that is only slow ends itself after one.
_SILENT_TIMEOUTS = 2
#: Seconds for which a refusal stands; longer than a worker takes to start again and refuse again.
_REFUSAL_S = 30.0


@click.command()
@configured
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=os.cpu_count() or 1,
    show_default="one per core",
    help="How many worker processes.",
)
@click.option(
    "--name",
    default=lambda: f"worker-{os.getpid()}",
    show_default="worker-PID",
    help="Workers are called NAME-1, NAME-2, … on this host; unique there.",
)
def worker(configuration: Configuration, processes: int, name: str) -> None:
    """Run worker processes and keep them running.

    What dies or stalls is started again. SIGTERM, SIGINT or SIGHUP stops them when what is in
    flight is finished; a second one stops them at once.
    """
    from syncpipe.supervisor import Heartbeat, Stopped, Supervisor

    options = configuration.load().settings.worker
    grace_s = options.drain_timeout_s + _GRACE_S
    silent_s = options.stall_timeout_s * _SILENT_TIMEOUTS
    names = [f"{name}-{number}" for number in range(1, processes + 1)]
    crew = Crew(names, time.monotonic)
    with (
        tempfile.TemporaryDirectory(
            prefix="syncpipe-worker-", ignore_cleanup_errors=True
        ) as folder,
        # Being told to stop is no failure.
        suppress(Stopped),
        Supervisor(signals=True, on_event=crew.hear) as supervisor,
    ):
        hearts = (Heartbeat(Path(folder, str(number)), silent_s) for number in range(processes))
        commands = (
            worker_command(each, configuration, grace_s, heart)
            for each, heart in zip(names, hearts, strict=True)
        )
        supervisor.start(*commands)
        crew.wait_for_refusal()


def worker_command(
    name: str, configuration: Configuration, grace_s: float, heartbeat: Heartbeat
) -> Command:
    """Return what runs one worker called *name*, with *grace_s* seconds to end when asked."""
    from syncpipe.app import STALLED
    from syncpipe.supervisor import Command

    argv = (
        *(sys.executable, "-m", "workers", "--name", name),
        *("--heartbeat", str(heartbeat.path), *configuration.arguments()),
    )
    return Command(
        name=name, argv=argv, grace_s=grace_s, heartbeat=heartbeat, stalled_status=STALLED
    )


class Crew:
    """Hears what happens to the workers, tells people, and notices when all refuse to work.

    One that refuses while others work is tried again: its reason may pass, and the others matter
    more. *monotonic* gives seconds.
    """

    def __init__(self, names: Sequence[str], monotonic: Callable[[], float]) -> None:
        """Begin without refusals."""
        self._monotonic = monotonic
        self._refused_at = dict.fromkeys(names, -math.inf)
        self._reason = ""
        self._all_refused = threading.Event()

    def hear(self, event: Event) -> None:
        """Write *event* to stderr; called from the supervisor's threads."""
        from syncpipe.app import REFUSED

        note(f"syncpipe: {describe(event)}")
        if event.kind == "ended" and event.status == REFUSED:
            now = self._refused_at[event.name] = self._monotonic()
            self._reason = event.reason or self._reason
            if min(self._refused_at.values()) > now - _REFUSAL_S:
                self._all_refused.set()

    @property
    def all_refused(self) -> bool:
        """Whether every worker has refused of late."""
        return self._all_refused.is_set()

    def wait_for_refusal(self) -> None:
        """Wait until all refuse to work; signals end the waiting.

        Raises:
            ChildFailed: they do, and have said why.

        """
        self._all_refused.wait()
        reason = self._reason or "their log tells the reason."
        raise ChildFailed(f"All workers refuse to start: {reason}")


def describe(event: Event) -> str:
    """Return *event* as a line for people."""
    match event.kind:
        case "started":
            return f"{event.name} started (pid {event.pid})"
        case "ended":
            return f"{event.name} ended with status {event.status} (pid {event.pid})"
        case "restarting":
            counts = f"restarts: {event.lives.restarts}, stalls: {event.lives.stalls}"
            return f"{event.name} starts again in {event.delay_s:.1f} s ({counts})"
        case "killed":
            return f"{event.name} did not end in time and was killed (pid {event.pid})"
        case "stalled":
            return f"{event.name} has stalled, {event.reason} (pid {event.pid})"
        case "unstartable":
            return f"{event.name} cannot be started: {event.reason}"
