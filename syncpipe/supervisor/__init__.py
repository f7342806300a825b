"""Start processes, keep them running, and leave none behind.

Linux is the home of this mechanism. Elsewhere it works too, but a supervisor that is killed with
``SIGKILL`` cannot take its children with it.
"""

from __future__ import annotations

from syncpipe.supervisor.command import Command, Event, detach
from syncpipe.supervisor.heartbeat import (
    Heartbeat,
    Lives,
    Silence,
    keep_touching,
    leave_last_words,
)
from syncpipe.supervisor.identity import ProcessId
from syncpipe.supervisor.journal import NOTE_BYTES, Journal, Page, Suspects, journal_of, suspects_of
from syncpipe.supervisor.postponement import signals_postponed
from syncpipe.supervisor.supervisor import Stopped, Supervisor

__all__ = [
    "NOTE_BYTES",
    "Command",
    "Event",
    "Heartbeat",
    "Journal",
    "Lives",
    "Page",
    "ProcessId",
    "Silence",
    "Stopped",
    "Supervisor",
    "Suspects",
    "detach",
    "journal_of",
    "keep_touching",
    "leave_last_words",
    "signals_postponed",
    "suspects_of",
]
