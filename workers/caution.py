"""Who may have killed a worker process, and how it is handled: alone, and noted first."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from syncpipe.errors import Quarantined
from syncpipe.supervisor import NOTE_BYTES, Journal, Suspects, journal_of, suspects_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from syncpipe.core.operation import Operation
    from syncpipe.pipeline import Message
    from syncpipe.supervisor import Page

#: What is noted at so many crashes is tried no more.
_MOST_CRASHES = 2


class Caution:
    """Notes messages before they are applied, and knows those that were noted at a crash.

    A message that was in a batch when a process crashed is a *suspect*: it goes alone, one
    operation at a time, each noted first. An operation, or a message of which none was reached,
    that is noted so at two crashes is quarantined. Deliveries do not count. Thread-safe.
    """

    def __init__(self, journal: Journal | None = None, suspects: Suspects | None = None) -> None:
        """Note in *journal*; without one, as without a supervisor, nobody is suspect."""
        self._journal = journal
        self._suspects = suspects

    @classmethod
    def beside(cls, heartbeat: Path, *, threads: int, messages: int) -> Caution:
        """Return the caution of the process that touches *heartbeat*.

        It applies so many batches at once, each of at most so many *messages*. A journal that
        cannot be made, on a full disk, is done without.
        """
        with suppress(OSError):
            journal = Journal(journal_of(heartbeat), pages=threads, notes=messages)
            return cls(journal, Suspects(suspects_of(heartbeat)))
        return cls()

    def suspects(self, target: str, message: Message) -> bool:
        """Return whether *message*, for *target*, is to go alone."""
        crashes = self._crashes()
        return bool(crashes) and not crashes.keys().isdisjoint(
            (_note(_IN_COMPANY, target, message.id), _note(_ALONE, target, message.id))
        )

    @contextmanager
    def over(
        self, target: str, messages: Sequence[Message]
    ) -> Iterator[tuple[Sequence[Message], Care | None]]:
        """Have *messages* noted as long as the block lasts.

        Yields them, a quarantined one with its fault, and the care to take of a single suspect.
        """
        if self._journal is None:
            yield messages, None
            return
        single = messages[0] if len(messages) == 1 else None
        if single is None or not self.suspects(target, single):
            with self._journal.noting([_note(_IN_COMPANY, target, m.id) for m in messages]):
                yield messages, None
            return
        note, crashes = _note(_ALONE, target, single.id), self._crashes()
        if crashes.get(note, 0) >= _MOST_CRASHES:
            reason = (
                f"{_MOST_CRASHES} processes died of the message before they reached any operation."
            )
            single = replace(single, fault=Quarantined(reason))
        with self._journal.noting([note]) as page:
            yield (single,), Care(target, page, crashes)

    def _crashes(self) -> Mapping[bytes, int]:
        return self._suspects.look() if self._suspects else {}


@dataclass(frozen=True, slots=True)
class Care:
    """The care taken of the operations of a suspect, see `pipeline.care`."""

    #: Where they are applied.
    target: str
    #: Where they are noted.
    page: Page
    #: How many crashes are counted for what was noted.
    crashes: Mapping[bytes, int]

    def gives_up(self, operation: Operation) -> bool:
        """Return whether *operation* is tried no more."""
        return self.crashes.get(self._note(operation), 0) >= _MOST_CRASHES

    def begin(self, operation: Operation) -> None:
        """Note that *operation*, and no other, is applied now."""
        self.page.write([self._note(operation)])

    def _note(self, operation: Operation) -> bytes:
        return _note(_OPERATION, self.target, operation.uuid)


#: What a note is about.
_IN_COMPANY, _ALONE, _OPERATION = "message", "message alone", "operation"


def _note(what: str, target: str, id_: str) -> bytes:
    text = f"{what}\0{target}\0{id_}".encode(errors="replace")
    return hashlib.blake2b(text, digest_size=NOTE_BYTES).digest()
