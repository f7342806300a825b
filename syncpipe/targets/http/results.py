"""What an answer says of each operation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncpipe.core.outcome import Outcome, Result
from syncpipe.errors import (
    Refused,
    RefusedForNow,
    TargetBusy,
    TargetError,
    TargetMisconfigured,
    TargetThrottled,
    TargetUnavailable,
    TooLate,
)
from syncpipe.targets.http.answer import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from syncpipe.core.operation import Operation
    from syncpipe.resilience.classification import Classification

#: What an operation may have become, beside a status of HTTP.
OUTCOMES = {
    outcome.value: outcome
    for outcome in (
        Outcome.APPLIED,
        Outcome.MERGED,
        Outcome.DUPLICATE,
        Outcome.SUPERSEDED,
        Outcome.TOO_LATE,
    )
}
_SUCCESSES, _ERRORS = range(200, 300), range(400, 600)
#: Errors that are no operation's own.
_COMMON = (TargetBusy, TargetThrottled, TargetUnavailable, TargetMisconfigured)


class UnreadableError(ValueError):
    """An answer is not in our format; the message says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads the answers of one endpoint."""

    #: Name of the target.
    target: str
    #: Path of the endpoint.
    endpoint: str
    #: What its errors mean.
    classification: Classification
    #: Takes our secrets out of what it says.
    masked: Callable[[str], str]

    def results(
        self, operations: Sequence[Operation], body: bytes, *, retry_after_s: float | None = None
    ) -> list[Result]:
        """Return the result of each of *operations*; nothing counts as applied that *body* omits.

        Raises:
            UnreadableError: the body is not in our format.
            TargetError: it says of all operations what is no operation's own fault.

        """
        told = _told(body)
        results = [
            self._result(operation, told.get(operation.uuid, ()), retry_after_s)
            for operation in operations
        ]
        common = [result.error for result in results if isinstance(result.error, _COMMON)]
        if common and len(common) == len(results):
            raise self._for_all(common[0])
        return list(map(_own, results))

    def _result(
        self,
        operation: Operation,
        said: Sequence[Mapping[str, Any]],
        retry_after_s: float | None,
    ) -> Result:
        if len(said) != 1:
            kind, what = ("two-results", "two results") if said else ("no-result", "no result")
            return _failed(operation, self._fault(kind, f"gave {what} for the operation"))
        status, code, text = (said[0].get(name) for name in ("status", "code", "message"))
        message = self._message(status, code, text)
        if isinstance(status, str) and status in OUTCOMES:
            outcome = OUTCOMES[status]
            late = outcome is Outcome.TOO_LATE
            return Result(operation, outcome, TooLate(message) if late else None)
        if type(status) is int and status in _SUCCESSES:
            return Result(operation, Outcome.APPLIED)
        if type(status) is not int or status not in _ERRORS:
            return _failed(operation, self._fault("bad-result", "gave a result without a status"))
        error = self.classification.of_item(
            status,
            message,
            endpoint=self.endpoint,
            constraint=one_line(self.masked(code)) if isinstance(code, str) and code else None,
            retry_after_s=retry_after_s,
        )
        return _failed(operation, error)

    def _for_all(self, error: TargetError) -> TargetError:
        """Return *error* without what was said of one operation: it goes into the log."""
        message = f"Target {self.target!r} answered {error.status} for every operation."
        if isinstance(error, TargetThrottled):
            return TargetThrottled(
                message,
                retry_after_s=error.retry_after_s,
                status=error.status,
                endpoint=error.endpoint,
            )
        return type(error)(message, status=error.status, endpoint=error.endpoint)

    def _message(self, status: object, code: object, text: object) -> str:
        answer = status if isinstance(status, int | str) else "something"
        named = f" ({code})" if isinstance(code, str) and code else ""
        why = f": {text}" if isinstance(text, str) and text else ""
        said = one_line(self.masked(f"{answer}{named}{why}")).rstrip(".")
        return f"Target {self.target!r} answered {said}."

    def _fault(self, kind: str, what: str) -> TargetError:
        message = f"Target {self.target!r} {what}."
        return self.classification.of_fault(kind, message, endpoint=self.endpoint)


def _told(body: bytes) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Return the results in *body* by operation id; whatever names no id says nothing."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise UnreadableError("its body is not JSON") from fault
    entries = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(entries, list):
        raise UnreadableError("its body has no list of results")
    told: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get("id"), str):
            told.setdefault(entry["id"].lower(), []).append(entry)
    return told


def _failed(operation: Operation, error: TargetError) -> Result:
    outcome = Outcome.DEAD if isinstance(error, Refused) else Outcome.RETRYING
    return Result(operation, outcome, error)


def _own(result: Result) -> Result:
    """Return *result*; what not all of its batch were told is the operation's own: for now.

    Else it would wait uncounted, and the rest of its message, or the target, with it.
    """
    error = result.error
    if not isinstance(error, _COMMON):
        return result
    own = RefusedForNow(
        error.message, constraint=error.constraint, status=error.status, endpoint=error.endpoint
    )
    return Result(result.operation, result.outcome, own)


def held(operations: Iterable[Operation]) -> list[Result]:
    """Return the results of *operations* that an endpoint took without further words."""
    return [Result(operation, Outcome.APPLIED) for operation in operations]
