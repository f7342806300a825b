"""What the driver and the database raise, as errors of the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import psycopg_pool

from syncpipe.core.masking import OWN_WORDS

if TYPE_CHECKING:
    from syncpipe.errors import TargetError
    from syncpipe.resilience.classification import Classification

#: Where in PostgreSQL functions of the user raise: any SQLSTATE, in any words.
_LANGUAGES = frozenset({"pl_exec.c", "plpy_elog.c", "plperl.c", "pltcl.c"})


def translate(fault: psycopg.Error, target: str, classification: Classification) -> TargetError:
    """Return what *fault*, raised by the driver or the database of *target*, means there."""
    if isinstance(fault, psycopg_pool.PoolTimeout):
        message = f"Target {target!r}: all connections are in use: {_first_line(fault)}."
        return classification.of_fault("connections", message)
    if fault.sqlstate is None:
        kind = "data" if isinstance(fault, psycopg.DataError) else "connection"
        return classification.of_fault(kind, f"Target {target!r}: {_first_line(fault)}.")
    diagnostic = fault.diag
    own = f", {OWN_WORDS}" if diagnostic.source_file in _LANGUAGES else ""
    return classification.of_sqlstate(
        fault.sqlstate,
        f"Target {target!r} answered {fault.sqlstate}{own}: {diagnostic.message_primary or fault}.",
        constraint=diagnostic.constraint_name,
    )


def _first_line(fault: BaseException) -> str:
    lines = str(fault).strip().splitlines()
    return (lines[0] if lines else type(fault).__name__).rstrip(".")
