"""Dictionaries from samples of operations, and what they save, measured on others."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING

import zstandard

from syncpipe.core.codec import collection_of, encode
from syncpipe.core.compression import Dictionary
from syncpipe.core.declaration import check_data
from syncpipe.core.envelope import Header, seal
from syncpipe.core.keys import canonical_key
from syncpipe.core.operation import Operation, uuid7
from syncpipe.core.routing import Lane, Priority
from syncpipe.core.version import at_milliseconds
from syncpipe.errors import NothingLearned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncpipe.core.chance import Clock, Random
    from syncpipe.core.collection import Collection
    from syncpipe.ops.shaping import Change, Shape

#: Fewest samples, and most of them and of their bytes: more would not teach more.
LEAST_SAMPLES, MOST_SAMPLES, MOST_BYTES = 200, 20_000, 16 * 1024 * 1024
#: The largest dictionary, bytes; a larger one saves little more, and not more than this part of
#: what it is trained on, because it would only repeat that.
_DICTIONARY_BYTES, _PART = 16 * 1024, 4
#: One of so many samples is kept from training, to measure on.
_HELD_OUT = 4
#: Operations in the envelopes that are measured.
_MEASURED = (1, 5, 20)
#: Largest part of an envelope of one operation that may be left; otherwise it is not worth it.
_WORTH = 0.9
#: Bits of the milliseconds by which samples lie in the past, about a year; and of chance in an id.
_PAST_BITS, _ID_BITS = 35, 74


@dataclass(frozen=True, slots=True)
class Saving:
    """Envelopes with and without the dictionary."""

    #: How many operations each of them holds.
    operations: int
    #: Bytes of one without it, on average.
    plain: int
    #: Bytes of one with it, on average.
    compressed: int


@dataclass(frozen=True, slots=True)
class Trained:
    """What was learned."""

    #: The dictionary.
    dictionary: Dictionary
    #: What it saves of samples that it was not trained on.
    savings: tuple[Saving, ...]


@dataclass(frozen=True, slots=True)
class Sampler:
    """Makes samples: the bytes of operations as a client would send them."""

    #: What they are on.
    collection: Collection
    #: How records become operations.
    shape: Shape
    #: Tells what the past is.
    clock: Clock
    #: Draws ids and times.
    random: Random

    def sample(self, fields: Mapping[str, object]) -> bytes:
        """Return the operation that the record of these *fields* asks for.

        Its id and version are of any time, so that nothing is learned of the present one.

        Raises:
            InvalidOperation: it asks for none that could be sent.

        """
        change = self.shape.change(fields)
        key = canonical_key(self.collection, change.key)
        check_data(self.shape.kind, self.collection, key, change.data)
        return encode(self._operation(change, key))

    def _operation(self, change: Change, key: str) -> Operation:
        ms = self.clock.now_ms() - self.random.bits(_PAST_BITS)
        id_ = uuid7(ms, self.random.bits(_ID_BITS))
        version = change.version or at_milliseconds(ms)
        return Operation(id_, self.shape.kind, self.collection.name, key, version, change.data)


def train(samples: Sequence[bytes]) -> Trained:
    """Return what is to be learned from *samples*, encoded operations of one collection.

    Raises:
        NothingLearned: they are too few, or have too little in common.

    """
    if len(samples) < LEAST_SAMPLES:
        raise NothingLearned(f"There are {len(samples)} samples, at least {LEAST_SAMPLES} needed.")
    held_out = samples[::_HELD_OUT]
    dictionary = _trained([each for i, each in enumerate(samples) if i % _HELD_OUT])
    savings = tuple(_saving(dictionary, held_out, count) for count in _MEASURED)
    alone = savings[0]
    if alone.compressed > alone.plain * _WORTH:
        raise NothingLearned(
            f"An envelope of one operation would have {alone.compressed} bytes in place of "
            f"{alone.plain}: the samples have too little in common."
        )
    return Trained(dictionary, savings)


def _trained(samples: list[bytes | bytearray | memoryview]) -> Dictionary:
    size = min(_DICTIONARY_BYTES, sum(map(len, samples)) // _PART)
    try:
        return Dictionary(zstandard.train_dictionary(size, samples).as_bytes())
    except (zstandard.ZstdError, ValueError) as fault:
        raise NothingLearned(f"No dictionary can be made of them: {fault}.") from fault


def _saving(dictionary: Dictionary, operations: Sequence[bytes], count: int) -> Saving:
    header = Header(bytes(16), Lane("target", 0), Priority.NORMAL, count, 0)
    starts = range(0, len(operations) - count + 1, count)
    parts = [operations[start : start + count] for start in starts]
    chosen = {collection_of(operations) or "": dictionary}
    return Saving(
        operations=count,
        plain=round(mean(len(seal(header, part)) for part in parts)),
        compressed=round(mean(len(seal(header, part, chosen)) for part in parts)),
    )
