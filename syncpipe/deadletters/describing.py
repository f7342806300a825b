"""Dead letters and their causes as JSON has them, masked."""

from __future__ import annotations

import base64
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from syncpipe.core.deadletter import operation_of
from syncpipe.core.masking import shape, wording
from syncpipe.core.operation import Kind
from syncpipe.deadletters.difference import ABSENT, FieldDifference, difference, same
from syncpipe.deadletters.hints import hint
from syncpipe.deadletters.records import Prospect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncpipe.core.deadletter import DeadLetter
    from syncpipe.core.operation import Operation
    from syncpipe.deadletters.records import Look
    from syncpipe.deadletters.veil import Veil
    from syncpipe.store.deadletters import Entry, Kept
    from syncpipe.store.replays import Order, Plan
    from syncpipe.store.triage import Cause, Stats

#: One result, ready for JSON.
Row = dict[str, Any]


def summary(entry: Entry) -> Row:
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


def cause_row(cause: Cause) -> Row:
    """Return what a list shows of a *cause*, with what to do about it."""
    example = summary(cause.example)
    return {
        "fingerprint": cause.fingerprint,
        "number": cause.number,
        "records": cause.records,
        **{name: example[name] for name in _OF_CAUSE},
        "first_seen_ms": cause.first_seen_ms,
        "last_seen_ms": cause.last_seen_ms,
        "hourly": list(cause.hourly),
        "muted_until_ms": cause.muted_until_ms,
        "example": example["id"],
        "hint": hint_row(cause.example),
    }


def stats_row(stats: Stats) -> Row:
    """Return how many there are; what has no target counts under the empty name."""
    by_target = {target or "": number for target, number in stats.by_target.items()}
    return {
        "by_state": _most_first(stats.by_state),
        "by_target": _most_first(by_target),
        "by_code": _most_first(stats.by_code),
        "oldest_ms": stats.oldest_ms,
        "hourly": list(stats.hourly),
    }


def description(kept: Kept, veil: Veil) -> Row:
    """Return everything about *kept*, with what *veil* lets through of its operation."""
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
        "message": veil.message(letter.message, operation),
        "sqlstate": letter.sqlstate,
        "constraint": letter.constraint,
        "status": letter.status,
        "endpoint": letter.endpoint,
        "worker": letter.worker,
        "times_seen": kept.times_seen,
        "first_seen_ms": kept.first_seen_ms,
        "last_seen_ms": kept.last_seen_ms,
        "change": kept.change and asdict(kept.change),
        "edited_from": kept.edited_from,
        "edited_to": kept.edited_to,
        "replay": kept.replay,
        "attempts": [
            attempt._asdict() | {"message": veil.message(attempt.message, operation)}
            for attempt in letter.attempts
        ],
        "fingerprint": letter.fingerprint,
        "trace": letter.trace,
        "bytes": len(letter.raw),
        "operation": None if operation is None else operation_row(operation, veil),
        "hint": hint_row(letter),
    }


def operation_row(operation: Operation, veil: Veil) -> Row:
    """Return what *operation* does, and its fields as *veil* shows them."""
    data = operation.contents
    return {
        "kind": operation.kind.word,
        "not_before_ms": operation.not_before_ms or None,
        "expires_ms": operation.expires_ms or None,
        "group_id": operation.group_id and str(uuid.UUID(bytes=operation.group_id)),
        "fields": data and {n: veil.value(operation.collection, n, v) for n, v in data.items()},
        "types": data and shape(data),
    }


def beside(look: Look, veil: Veil) -> Row:
    """Return the record of a dead letter as it is now, and what would become of each field.

    A field has ``sent``, ``now`` and ``becomes`` where it has a value there; ``change`` compares
    what is and what would be, ``equal`` what was sent and what is, also where both are masked.
    """
    row = {"prospect": look.prospect.value, "why": look.why, "readable": look.present is not None}
    operation, present = look.operation, look.present
    if operation is None or present is None:
        return row
    newest = present.memory.newest.version
    effective = look.prospect is Prospect.CHANGES
    return {
        **row,
        "exists": present.document is not None,
        "exists_then": not (effective and operation.kind is Kind.DELETE),
        "version": newest or None,
        "newer": newest > operation.version,
        "fields": [
            _field(each, operation.collection, veil)
            for each in difference(operation, present, effective=effective)
        ],
    }


def exported(kept: Kept, veil: Veil) -> Row:
    """Return everything about *kept*, with its bytes in base64 if nothing is veiled."""
    row = description(kept, veil)
    if veil.lifted:
        row["raw"] = base64.b64encode(kept.letter.raw).decode()
    return row


def plan_row(plan: Plan, order: Order) -> Row:
    """Return what a replay would take, and how it would go."""
    return {
        **order.row,
        **plan._asdict(),
        "by_target": _most_first(plan.by_target),
        "by_code": _most_first(plan.by_code),
        "first": list(plan.first),
    }


def hint_row(letter: Entry | DeadLetter) -> Row:
    """Return what to do about *letter*, and whether its cause may pass by itself."""
    return hint(letter.code, sqlstate=letter.sqlstate, status=letter.status)._asdict()


#: What all letters of a cause have in common, or may.
_OF_CAUSE = (
    *("target", "stage", "code", "message", "sqlstate", "constraint", "status", "endpoint"),
    "collection",
)


def _field(field: FieldDifference, collection: str, veil: Veil) -> Row:
    values = {"sent": field.sent, "now": field.now, "becomes": field.becomes}
    return {
        "name": field.name,
        **{
            name: veil.value(collection, field.name, value)
            for name, value in values.items()
            if value is not ABSENT
        },
        "change": field.word,
        "equal": same(field.sent, field.now),
    }


def _most_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))
