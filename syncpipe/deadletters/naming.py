"""Which dead letter, or cause, somebody means by its id, or by the beginning of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from syncpipe.core.deadletter import operation_of
from syncpipe.deadletters.selecting import selection
from syncpipe.errors import NotPossible
from syncpipe.store.deadletters import OPEN

if TYPE_CHECKING:
    from syncpipe.core.operation import Operation
    from syncpipe.store.deadletters import Kept
    from syncpipe.store.triage import Triage

_FINGERPRINT = re.compile(r"[0-9a-f]{1,16}")
#: Most characters of what was given that a message repeats.
_SHOWN = 40


def only_letter(triage: Triage, id_: str) -> tuple[Kept, Operation]:
    """Return the one open dead letter that *id_* names, and its operation.

    Raises:
        NotPossible: there is none, or several, or no operation can be read from it.

    """
    found = triage.find(id_)
    if not found:
        raise NotPossible(f"There is no dead letter {id_!r}.")
    kept, *more = [each for each in found if each.state == OPEN] or found
    if more:
        ids = ", ".join(each.id for each in (kept, *more))
        raise NotPossible(f"{id_!r} names several dead letters: {ids}.")
    if kept.state != OPEN:
        raise NotPossible(f"Dead letter {kept.id} is {kept.state}.")
    operation = operation_of(kept.letter)
    if operation is None:
        raise NotPossible(f"No operation can be read from dead letter {kept.id}.")
    return kept, operation


def only_cause(triage: Triage, fingerprint: str) -> str:
    """Return the fingerprint of a cause that is *fingerprint*, or alone begins with it.

    Raises:
        NotPossible: no dead letter has it, or it is the beginning of several.

    """
    digits = fingerprint.lower()
    if not _FINGERPRINT.fullmatch(digits):
        raise NotPossible(f"{fingerprint[:_SHOWN]!r} is no fingerprint of a cause.")
    found = triage.causes(selection(f"fp:{digits}", now_ms=0).filter, limit=2, muted=True)
    if len(found) == 1:
        return found[0].fingerprint
    what = "begins several fingerprints" if found else "is the cause of no dead letter"
    raise NotPossible(f"{digits!r} {what}.")
