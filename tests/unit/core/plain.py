"""Documents of nothing but what JSON has, and blocks of them."""

from __future__ import annotations

from hypothesis import strategies as st

from syncpipe.core.block import Block
from syncpipe.core.codec import encode
from syncpipe.core.lines import write
from syncpipe.core.operation import Kind, Operation
from tests.unit.core import samples

_texts = samples.texts | st.sampled_from(["~", "~home", "\x1f", "\n", "{", "["])
_flat = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**300), 10**300),
    st.floats(-1e15, 1e15, exclude_min=True, exclude_max=True),
    _texts,
)
_values = st.recursive(
    _flat,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(samples.texts, inner, max_size=3),
    max_leaves=4,
)
documents = st.dictionaries(samples.texts, _values, max_size=4)


def block_of(operations):
    """The block of *operations*, upserts of plain documents with versions one after the other."""
    first = operations[0]
    return Block(
        first.collection,
        b"".join(each.id for each in operations),
        first.version,
        [each.key for each in operations],
        write([each.data for each in operations]),
    )


def body_of(pieces):
    """The bytes of *pieces*: an operation by itself, or a list of some that are a block."""
    return b"".join(
        block_of(piece).encode() if isinstance(piece, list) else encode(piece) for piece in pieces
    )


@st.composite
def blocks(draw):
    """Operations that may travel as a block."""
    data = draw(st.lists(documents, min_size=1, max_size=3))
    name, version = draw(samples.texts), draw(st.integers(1, 2**63 - len(data)))
    return [
        Operation(draw(samples.ids), Kind.UPSERT, name, draw(samples.texts), version + at, document)
        for at, document in enumerate(data)
    ]


pieces = st.lists(samples.operations | blocks(), min_size=1, max_size=4)


def flattened(pieces):
    """The operations in *pieces*."""
    return [each for piece in pieces for each in (piece if isinstance(piece, list) else [piece])]
