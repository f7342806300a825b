"""What an error of a target means: one table from what a target says to what is done about it.

Classes of SQLSTATE are those of the PostgreSQL manual, appendix A, *PostgreSQL Error Codes*;
statuses of HTTP those of RFC 9110, section 15, and of IANA's registry.
"""

from __future__ import annotations

import enum
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from syncpipe.errors import (
    Quarantined,
    Refused,
    RefusedForNow,
    TargetBusy,
    TargetError,
    TargetMisconfigured,
    TargetThrottled,
    TargetUnavailable,
    TooSlow,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class ErrorClass(enum.Enum):
    """What is done about an error."""

    #: It is tried again at once, for seconds.
    TRANSIENT = "transient"
    #: The target is left alone for as long as it says.
    THROTTLED = "throttled"
    #: The target is down: operations wait uncounted.
    OUTAGE = "outage"
    #: The target would refuse everything: operations wait uncounted until somebody mends it.
    MISCONFIGURED = "misconfigured"
    #: One operation is refused for a reason that may pass: isolated, tried again, counted.
    REFUSED_TEMPORARY = "refused-temporary"
    #: One operation is refused for good: isolated, and a dead letter at once.
    REFUSED_PERMANENT = "refused-permanent"
    #: One operation takes too long: isolated like one that is refused for a reason that may pass.
    TOO_SLOW = "too-slow"
    #: It ended the process that tried it.
    CRASH = "crash"


_TRANSIENT, _THROTTLED = ErrorClass.TRANSIENT, ErrorClass.THROTTLED
_OUTAGE, _MISCONFIGURED = ErrorClass.OUTAGE, ErrorClass.MISCONFIGURED
_TEMPORARY, _PERMANENT = ErrorClass.REFUSED_TEMPORARY, ErrorClass.REFUSED_PERMANENT

#: The error of each class.
ERRORS: Mapping[ErrorClass, type[TargetError]] = MappingProxyType(
    {
        ErrorClass.TRANSIENT: TargetBusy,
        ErrorClass.THROTTLED: TargetThrottled,
        ErrorClass.OUTAGE: TargetUnavailable,
        ErrorClass.MISCONFIGURED: TargetMisconfigured,
        ErrorClass.REFUSED_TEMPORARY: RefusedForNow,
        ErrorClass.REFUSED_PERMANENT: Refused,
        ErrorClass.TOO_SLOW: TooSlow,
        ErrorClass.CRASH: Quarantined,
    }
)

#: By SQLSTATE; the longest prefix wins.
SQLSTATES: Mapping[str, ErrorClass] = MappingProxyType(
    {
        "08": _OUTAGE,  # connection exception
        "22": _PERMANENT,  # data exception
        "23": _PERMANENT,  # integrity constraint violation
        "23502": _TEMPORARY,  # not null: the upsert may be on its way
        "23503": _TEMPORARY,  # foreign key: the parent may be on its way
        "25006": _OUTAGE,  # read only: a standby
        "25P03": _TRANSIENT,  # idle in transaction
        "28": _MISCONFIGURED,  # invalid authorization
        "3D": _MISCONFIGURED,  # no such database
        "3F": _MISCONFIGURED,  # no such schema
        "40": _TRANSIENT,  # rollback: deadlock, serialization
        "42": _MISCONFIGURED,  # no such table or column, no right
        "42601": _PERMANENT,  # syntax: not of our statements, which never vary, but of a value
        "44": _PERMANENT,  # check option of a view
        "53": _OUTAGE,  # insufficient resources
        "54": _PERMANENT,  # program limit: value too large for an index
        "55P03": _TRANSIENT,  # lock not available
        "57014": ErrorClass.TOO_SLOW,  # statement timeout
        "57P": _OUTAGE,  # shutdown, cannot connect now
        "58": _OUTAGE,  # system error
    }
)

#: By the status of HTTP that answers a whole request; the longest prefix wins.
STATUSES: Mapping[str, ErrorClass] = MappingProxyType(
    {
        "3": _MISCONFIGURED,  # a redirect, and we follow none: the URL is not the endpoint's
        "400": _PERMANENT,  # bad request: of the batch, so isolated until one operation is left
        "401": _MISCONFIGURED,  # not authenticated
        "402": _MISCONFIGURED,  # somebody has to pay
        "403": _MISCONFIGURED,  # not allowed
        "404": _MISCONFIGURED,  # no such endpoint
        "405": _MISCONFIGURED,  # an endpoint that takes no POST
        "406": _MISCONFIGURED,  # an endpoint that answers no JSON
        "407": _MISCONFIGURED,  # a proxy wants to know who we are
        "408": _OUTAGE,  # it waited too long for us
        "409": _TEMPORARY,  # conflict with the present state, which may change
        "410": _MISCONFIGURED,  # the endpoint is gone
        "411": _MISCONFIGURED,  # it wants another form of request, as 414, 415, 417 and 431 do
        "413": _PERMANENT,  # too large: halved until it fits, and a single operation never will
        "414": _MISCONFIGURED,
        "415": _MISCONFIGURED,  # content type, or compression
        "417": _MISCONFIGURED,
        "421": _MISCONFIGURED,  # another server's name
        "422": _PERMANENT,  # understood, and not acceptable
        "423": _TEMPORARY,  # locked
        "424": _TEMPORARY,  # depends on what failed
        "425": _TEMPORARY,  # too early
        "426": _MISCONFIGURED,  # another protocol
        "428": _MISCONFIGURED,  # wants a precondition, and we send none
        "429": _THROTTLED,
        "431": _MISCONFIGURED,
        "5": _OUTAGE,
        "501": _MISCONFIGURED,  # a server that cannot do this at all
        "503 retry-after": _THROTTLED,  # it says when to come back
        "505": _MISCONFIGURED,  # another version of HTTP
        "511": _MISCONFIGURED,  # a captive portal stands between
    }
)

#: By the status of a single operation, where it means something else than for a whole request.
ITEM_STATUSES: Mapping[str, ErrorClass] = MappingProxyType(
    {
        "404": _TEMPORARY,  # no such record: its upsert may be on its way
        "410": _PERMANENT,  # the record is gone
    }
)

#: By the kind of what went wrong without any answer.
FAULTS: Mapping[str, ErrorClass] = MappingProxyType(
    {
        "connection": _OUTAGE,  # refused, unreachable, or none in time
        "dns": _OUTAGE,  # the name is not known, or nobody can tell
        "timeout": _OUTAGE,  # no answer, or not a whole one, in time
        "tls": _MISCONFIGURED,  # a certificate that is not trusted, or no TLS at all
        "protocol": _MISCONFIGURED,  # what answers speaks no HTTP
        "unreadable": _MISCONFIGURED,  # a successful answer that is not in our format
        "cut": _TRANSIENT,  # a connection that ended before the answer did
        "connections": _TRANSIENT,  # all of ours are in use
        "data": _PERMANENT,  # a value that cannot be sent
        "crash": ErrorClass.CRASH,
    }
)

#: The kinds that an HTTP target knows.
HTTP_FAULTS = frozenset(FAULTS) - {"data", "crash"}

_STATUS_KEY = re.compile(r"http ([3-5][0-9][0-9])")
_SQLSTATE_KEY = re.compile(r"[0-9A-Z]{2,5}")
_RETRY_AFTER = " retry-after"


def is_sqlstate_key(key: str) -> bool:
    """Tell whether *key* may stand for SQLSTATEs in the configuration: one, or its beginning."""
    return _SQLSTATE_KEY.fullmatch(key) is not None


def is_http_key(key: str) -> bool:
    """Tell whether *key* may stand for errors over HTTP in the configuration: a status, a kind."""
    return _STATUS_KEY.fullmatch(key) is not None or key in HTTP_FAULTS


class Classification:
    """The table, with what the configuration of one target says against it."""

    def __init__(self, overrides: Mapping[str, ErrorClass] | None = None) -> None:
        """Let *overrides* win, by SQLSTATE or its beginning, by ``http STATUS``, or by kind."""
        self._overrides = dict(overrides or {})
        self._statuses = {
            match[1]: class_
            for key, class_ in self._overrides.items()
            if (match := _STATUS_KEY.fullmatch(key))
        }

    def of_sqlstate(
        self, sqlstate: str, message: str, *, constraint: str | None = None
    ) -> TargetError:
        """Return the error for what PostgreSQL answers."""
        class_ = _first((self._overrides, SQLSTATES), sqlstate)
        return _error(class_, sqlstate, message, sqlstate=sqlstate, constraint=constraint)

    def of_status(
        self, status: int, message: str, *, endpoint: str, retry_after_s: float | None = None
    ) -> TargetError:
        """Return the error for the *status* that answers a whole request at the path *endpoint*.

        *retry_after_s* is for how long the endpoint wants to be left alone, where it says so.
        """
        code = f"{status}{'' if retry_after_s is None else _RETRY_AFTER}"
        class_ = _first((self._statuses, STATUSES), code)
        return _of_http(class_, status, message, retry_after_s=retry_after_s, endpoint=endpoint)

    def of_item(
        self,
        status: int,
        message: str,
        *,
        endpoint: str,
        constraint: str | None = None,
        retry_after_s: float | None = None,
    ) -> TargetError:
        """Return the error for the *status* of a single operation in an answer of *endpoint*.

        *constraint* is the endpoint's own name of the rule that the operation breaks.
        """
        class_ = _first((self._statuses, ITEM_STATUSES, STATUSES), str(status))
        return _of_http(
            class_,
            status,
            message,
            retry_after_s=retry_after_s,
            endpoint=endpoint,
            constraint=constraint,
        )

    def of_fault(self, kind: str, message: str, *, endpoint: str | None = None) -> TargetError:
        """Return the error for a fault of this *kind*, one of `FAULTS` or one that nobody knows."""
        class_ = self._overrides.get(kind) or FAULTS.get(kind)
        return _error(class_, kind, message, endpoint=endpoint)


def _first(tables: Iterable[Mapping[str, ErrorClass]], code: str) -> ErrorClass | None:
    """Return what the first of *tables* that knows *code* says of its longest beginning there."""
    beginnings = [code[:length] for length in range(len(code), 0, -1)]
    return next((table[each] for table in tables for each in beginnings if each in table), None)


def _of_http(
    class_: ErrorClass | None,
    status: int,
    message: str,
    *,
    retry_after_s: float | None,
    **said: Any,
) -> TargetError:
    if class_ is ErrorClass.THROTTLED:
        return TargetThrottled(message, retry_after_s=retry_after_s, status=status, **said)
    return _error(class_, f"http {status}", message, status=status, **said)


def _error(class_: ErrorClass | None, code: str, message: str, **said: Any) -> TargetError:
    """Return the error of a class; what nobody knows is refused for now, counted, and told."""
    if class_ is None:
        return RefusedForNow(message, unknown=code, **said)
    return ERRORS[class_](message, **said)
