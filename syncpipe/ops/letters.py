"""Looking at the dead letters that the store keeps."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from syncpipe.core.deadletter import operation_of
from syncpipe.core.masking import shape, without_values, wording

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncpipe.core.operation import Operation
    from syncpipe.store.deadletters import Choice, Entry, Kept, KeptLetters

#: Most letters asked for at once.
_PAGE = 500


def listed(letters: KeptLetters, choice: Choice, *, limit: int) -> Iterator[Entry]:
    """Yield up to *limit* of those chosen, the newest first. Raises StoreError."""
    after = None
    while limit > 0:
        page = letters.entries(choice, limit=min(limit, _PAGE), after=after)
        yield from page
        limit -= len(page)
        if len(page) < _PAGE:
            return
        after = page[-1].position


def summary(entry: Entry) -> dict[str, Any]:
    """Return what a list shows of *entry*, without values."""
    return {
        "id": entry.id,
        "state": entry.state,
        "target": entry.target,
        "collection": entry.collection,
        "key": entry.key,
        "stage": entry.stage,
        "code": entry.code,
        "message": wording(entry.message, sqlstate=entry.sqlstate, status=entry.status) or None,
        "sqlstate": entry.sqlstate,
        "constraint": entry.constraint,
        "status": entry.status,
        "endpoint": entry.endpoint,
        "times_seen": entry.times_seen,
        "first_seen_ms": entry.first_seen_ms,
        "last_seen_ms": entry.last_seen_ms,
        "operation_id": entry.operation_id,
        "fingerprint": entry.fingerprint,
    }


def description(kept: Kept) -> dict[str, Any]:
    """Return everything about *kept*, without what is in its operation."""
    letter, operation = kept.letter, operation_of(kept.letter)
    return {
        "id": kept.id,
        "state": kept.state,
        "target": letter.target,
        "queue": letter.queue,
        "collection": letter.collection,
        "key": letter.key,
        "operation_id": letter.operation_id,
        "version": letter.version,
        "stage": letter.stage,
        "code": letter.code,
        "message": without_values(letter.message, operation),
        "sqlstate": letter.sqlstate,
        "constraint": letter.constraint,
        "status": letter.status,
        "endpoint": letter.endpoint,
        "worker": letter.worker,
        "times_seen": kept.times_seen,
        "first_seen_ms": kept.first_seen_ms,
        "last_seen_ms": kept.last_seen_ms,
        "attempts": [
            attempt._asdict() | {"message": without_values(attempt.message, operation)}
            for attempt in letter.attempts
        ],
        "fingerprint": letter.fingerprint,
        "trace": letter.trace,
        "bytes": len(letter.raw),
        "operation": None if operation is None else _masked(operation),
    }


def _masked(operation: Operation) -> dict[str, Any]:
    """Return what *operation* does, and the types of its fields."""
    return {
        "kind": operation.kind.word,
        "not_before_ms": operation.not_before_ms or None,
        "expires_ms": operation.expires_ms or None,
        "group_id": operation.group_id and str(uuid.UUID(bytes=operation.group_id)),
        "fields": None if operation.data is None else shape(operation.data),
    }
