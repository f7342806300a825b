"""The service of the audit: look at it, verify it, export it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from syncpipe.audit.lines import head_row, read_lines, row_of
from syncpipe.core.access import Role
from syncpipe.core.audit import Head, Record
from syncpipe.core.chain import Flaw, Verdict, verify
from syncpipe.errors import AuditKeyMissing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from syncpipe.core.access import Identity
    from syncpipe.store.audit import Audit, Wanted

#: What nobody can tell from entries alone.
WITHOUT_HEAD = (
    "Whether entries were cut off at the end cannot be told without a head that was kept "
    "elsewhere: --head NUMBER:HMAC, from an export, the log of a worker or a command's output."
)
#: Nor with a head.
WITH_HEAD = "Whether entries behind the given head were cut off cannot be told."


class AuditLog:
    """The audit as somebody may see it. Safe to use from several threads.

    Everything raises AccessDenied; what asks the store, StoreUnavailable and StoreOutdated.
    """

    def __init__(self, audit: Audit, identity: Identity, key: bytes | None) -> None:
        """Show *audit*, whose chain has the *key*, to *identity*."""
        self._audit = audit
        self._identity = identity
        self._key = key

    def log(self, wanted: Wanted, *, limit: int, before: int | None = None) -> list[dict[str, Any]]:
        """Return up to *limit* entries that are wanted, before number *before*, newest first."""
        self._identity.require(Role.VIEWER, "read the audit")
        return [row_of(each) for each in self._audit.latest(wanted, limit=limit, before=before)]

    def head(self) -> Head:
        """Return the end of the chain."""
        self._identity.require(Role.VIEWER, "read the audit")
        return self._audit.head()

    def verify(self, head: Head | None = None) -> dict[str, Any]:
        """Return whether all entries are right, and what cannot be told; *head* was kept elsewhere.

        Raises:
            AuditKeyMissing: without the key nobody can tell.

        """
        self._identity.require(Role.VIEWER, "verify the audit")
        return _result(verify(self._audit.records(), _required(self._key), head), head)

    def export(self) -> Iterator[dict[str, Any]]:
        """Yield all entries, the oldest first, and then the head."""
        self._identity.require(Role.VIEWER, "export the audit")
        return self._export()

    def _export(self) -> Iterator[dict[str, Any]]:
        head = Head()
        for record in self._audit.records():
            head = record.head
            yield row_of(record)
        yield head_row(head)


def verify_export(
    lines: Iterable[str], key: bytes | None, head: Head | None = None
) -> dict[str, Any]:
    """Return the same as `AuditLog.verify` about the *lines* of an export; no store is asked.

    Raises:
        AuditKeyMissing: *key* is None.
        NotPossible: they are no export, or one that was cut off.

    """
    key = _required(key)
    ends: list[Head] = []

    def records() -> Iterator[Record]:
        for each in read_lines(lines):
            if isinstance(each, Head):
                ends.append(each)
            else:
                yield each

    verdict = verify(records(), key, head)
    if verdict.flaw is None and ends != [verdict.head]:
        verdict = replace(verdict, flaw=_other_end(verdict.head, *ends))
    return _result(verdict, head)


def _other_end(last: Head, head: Head) -> Flaw:
    """Return what is wrong with an export that ends with *last*, and says that it does so."""
    if head.number > last.number:
        return Flaw(last.number + 1, f"It is missing: the export went on to {head.number}.")
    return Flaw(last.number, "It is not the one that the export ends with.")


def _required(key: bytes | None) -> bytes:
    if key is None:
        raise AuditKeyMissing("The audit cannot be verified without its key.")
    return key


def _result(verdict: Verdict, head: Head | None) -> dict[str, Any]:
    flaw = verdict.flaw
    return {
        "ok": flaw is None,
        "entries": verdict.head.number,
        "head": str(verdict.head),
        "broken": flaw and flaw.number,
        "what": flaw and flaw.what,
        "unknown": WITHOUT_HEAD if head is None else WITH_HEAD,
    }
