"""A trained dictionary, and operations like those that it was trained on."""

from __future__ import annotations

import random
from functools import cache

from syncpipe.core.codec import encode
from syncpipe.core.operation import Kind, Operation, uuid7
from syncpipe.core.version import at_milliseconds
from syncpipe.ops.training import train


def orders(count, seed, *, collection="orders"):
    """Encoded upserts of small documents that are alike."""
    chance = random.Random(seed)
    return [
        encode(
            Operation(
                uuid7(chance.getrandbits(40), chance.getrandbits(74)),
                Kind.UPSERT,
                collection,
                f"o-{chance.randrange(10**6)}",
                at_milliseconds(chance.getrandbits(40)),
                {
                    "status": chance.choice(["paid", "shipped", "returned"]),
                    "total": chance.randrange(10_000) / 100,
                    "currency": chance.choice(["EUR", "USD"]),
                    "customer": {"country": chance.choice("ABC"), "name": f"c{number}"},
                },
            )
        )
        for number in range(count)
    ]


@cache
def dictionary(seed=1):
    """One of them."""
    return train(orders(400, seed)).dictionary
