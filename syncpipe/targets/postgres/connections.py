"""The pool of connections to one target, with database errors translated."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from psycopg_pool import PoolTimeout

from syncpipe.database import connections
from syncpipe.errors import TargetBusy
from syncpipe.targets.postgres.refusal import translate

if TYPE_CHECKING:
    import psycopg

    from syncpipe.errors import TargetError
    from syncpipe.targets.postgres.options import PostgresOptions


class Connections(connections.Connections):
    """Connections to one target; what goes wrong on them is a TargetError."""

    def __init__(self, options: PostgresOptions) -> None:
        """Remember *options*; nothing is opened yet."""
        super().__init__(
            options, name=options.name, translate=functools.partial(_error, target=options.name)
        )


def _error(fault: psycopg.Error, target: str) -> TargetError:
    if isinstance(fault, PoolTimeout):
        return TargetBusy(f"Target {target!r}: all connections are in use: {fault}.")
    return translate(fault, target)
