"""Operations that the target refuses, spread evenly among those of the stream.

Each is an upsert of a record that nobody else writes, into one of the stream's collections, with a
field that a constraint of the target's table refuses. The oracle never hears of them, so that a row
of theirs is one too many.

They go to a few records only: what a target refuses of most records of a collection is taken for a
mistake of the target, and waits instead of being given up.
"""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from syncpipe.database.connections import Connections
from syncpipe.database.statements import Statements
from syncpipe.demo.stream import COLLECTIONS, PRIORITIES, DemoOperation
from syncpipe.errors import EmbeddedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncpipe.database.session import SessionOptions

#: The largest share of the operations that may be poisoned.
MOST = Fraction(1, 2)
#: In the key of every poisoned operation, and in no other.
_KEY = "poisoned"
#: Records of each collection that they go to.
_RECORDS = 10
_statement = Statements(__package__)


def number_of(share: Fraction, operations: int) -> int:
    """Return how many of so many *operations* are poisoned: at least one, unless *share* is 0."""
    return ceil(share * operations)


def mixed(sound: Iterator[DemoOperation], poisoned: int, total: int) -> Iterator[DemoOperation]:
    """Yield *total* operations: so many *poisoned* at even distances, the others from *sound*."""
    done = 0
    for number in range(1, total + 1):
        if number * poisoned // total > done:
            yield _operation(done, number - 1)
            done += 1
        else:
            yield next(sound)


def refuse_poison(options: SessionOptions) -> None:
    """Have the database at *options* refuse poisoned operations. Raises EmbeddedError."""
    connections = Connections(
        options,
        name="demo",
        translate=lambda fault: EmbeddedError(f"The constraint cannot be made: {fault}."),
    )
    with closing(connections), connections.connection() as connection:
        connection.execute(_statement("poison", "refuse"))


def _operation(serial: int, position: int) -> DemoOperation:
    """Return the poisoned operation of a *serial* number, from 0, for a place in sending order."""
    names = list(COLLECTIONS)
    collection = names[serial % len(names)]
    record = serial // len(names) % _RECORDS
    key = (*(_KEY,) * (len(COLLECTIONS[collection]) - 1), f"{_KEY} {record}")
    return DemoOperation(
        kind="upsert",
        collection=collection,
        key=key if len(key) > 1 else key[0],
        data={"poison": serial},
        priority=PRIORITIES[serial % len(PRIORITIES)],
        position=position,
        copies=1,
        poisoned=True,
    )
