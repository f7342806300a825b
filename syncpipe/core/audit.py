"""What somebody did, as the audit remembers it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Act:
    """Something that somebody does; it is written down in the transaction that does it."""

    #: Who, as `Identity.actor`.
    actor: str
    #: What, such as ``dlq.discard`` or ``replay.create``: noun and verb of the command line.
    verb: str
    #: Of what: the id of a dead letter or replay, a fingerprint, or the filter as it was written.
    subject: str
    #: Why, as they said it.
    reason: str = ""
    #: What else is worth knowing, as JSON has it: numbers and ids, never what is in operations.
    details: Mapping[str, Any] = field(default_factory=dict)
