"""What a database error means: one table from SQLSTATE to the errors of the pipeline.

Class numbers are those of the PostgreSQL manual, appendix A, *PostgreSQL Error Codes*.
"""

from __future__ import annotations

import psycopg
import psycopg_pool

from syncpipe.errors import (
    Refused,
    RefusedForNow,
    TargetBusy,
    TargetError,
    TargetMisconfigured,
    TargetUnavailable,
)

#: Longest prefix wins.
MEANINGS: dict[str, type[TargetError]] = {
    "08": TargetUnavailable,  # connection exception
    "22": Refused,  # data exception
    "23": Refused,  # integrity constraint violation
    "23502": RefusedForNow,  # not null: the upsert may be on its way
    "23503": RefusedForNow,  # foreign key: the parent may be on its way
    "25006": TargetUnavailable,  # read only: a standby
    "25P03": TargetBusy,  # idle in transaction
    "28": TargetMisconfigured,  # invalid authorization
    "3D": TargetMisconfigured,  # no such database
    "3F": TargetMisconfigured,  # no such schema
    "40": TargetBusy,  # rollback: deadlock, serialization
    "42": TargetMisconfigured,  # no such table or column, no right
    "42601": Refused,  # syntax: not of our statements, which never vary, but of a value (tsvector)
    "44": Refused,  # check option of a view
    "53": TargetUnavailable,  # insufficient resources
    "54": Refused,  # program limit: value too large for an index
    "55P03": TargetBusy,  # lock not available
    "57014": RefusedForNow,  # statement timeout: isolate what is slow
    "57P": TargetUnavailable,  # shutdown, cannot connect now
    "58": TargetUnavailable,  # system error
}


def meaning(sqlstate: str) -> type[TargetError]:
    """Return the error class for *sqlstate*; the unknown is refused for now, never swallowed."""
    for length in range(len(sqlstate), 0, -1):
        if sqlstate[:length] in MEANINGS:
            return MEANINGS[sqlstate[:length]]
    return RefusedForNow


def translate(fault: psycopg.Error, target: str) -> TargetError:
    """Return the pipeline's error for what the driver or the database of *target* raised."""
    if fault.sqlstate is None:
        local = isinstance(fault, psycopg.DataError) and not isinstance(
            fault, psycopg_pool.PoolTimeout
        )
        kind: type[TargetError] = Refused if local else TargetUnavailable
        return kind(f"Target {target!r}: {_first_line(fault)}.")
    diagnostic = fault.diag
    return meaning(fault.sqlstate)(
        f"Target {target!r} answered {fault.sqlstate}: {diagnostic.message_primary or fault}.",
        sqlstate=fault.sqlstate,
        constraint=diagnostic.constraint_name,
    )


def _first_line(fault: BaseException) -> str:
    lines = str(fault).strip().splitlines()
    return (lines[0] if lines else type(fault).__name__).rstrip(".")
