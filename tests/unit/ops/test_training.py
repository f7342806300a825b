from __future__ import annotations

import random

import pytest

from syncpipe.core.codec import decode_all
from syncpipe.core.collection import Collection
from syncpipe.core.operation import Kind, created_ms
from syncpipe.core.version import milliseconds
from syncpipe.errors import InvalidKey, InvalidValue, NothingLearned
from syncpipe.ops.shaping import Shape
from syncpipe.ops.training import LEAST_SAMPLES, Sampler, train
from syncpipe.testing.clock import START_MS, FakeClock, SeededRandom
from tests.unit.core.trained import orders

ORDERS = Collection("orders", ("crm",))


def sampler(kind=Kind.UPSERT):
    return Sampler(ORDERS, Shape(kind, ("id",)), FakeClock(), SeededRandom())


def test_a_sample_is_the_operation_that_a_client_would_send():
    ((operation, _),) = decode_all(sampler().sample({"id": "o-1", "total": 12}))

    assert (operation.collection, operation.key) == ("orders", "o-1")
    assert (operation.kind, operation.data) == (Kind.UPSERT, {"total": 12})
    assert created_ms(operation.id) == milliseconds(operation.version) < START_MS


def test_samples_have_times_of_their_own_so_that_none_is_learned():
    make = sampler()
    raw = b"".join(make.sample({"id": f"o-{n}"}) for n in range(99))

    times = [created_ms(operation.id) for operation, _ in decode_all(raw)]
    assert len(set(times)) == 99
    assert max(times) - min(times) > 24 * 3600 * 1000


@pytest.mark.parametrize(
    ("kind", "fields", "error"),
    [
        (Kind.UPSERT, {"total": 12}, InvalidKey),
        (Kind.UPSERT, {"id": "", "total": 12}, InvalidKey),
        (Kind.INCREMENT, {"id": "o", "total": "much"}, InvalidValue),
        (Kind.INCREMENT, {"id": "o", "total": 1.5}, InvalidValue),
    ],
)
def test_a_record_that_could_not_be_sent_is_no_sample(kind, fields, error):
    with pytest.raises(error):
        sampler(kind).sample(fields)


def test_the_fewest_samples_that_are_alike_are_enough():
    alone, few, many = train(orders(LEAST_SAMPLES, 1)).savings

    assert (alone.operations, few.operations, many.operations) == (1, 5, 20)
    for each in (alone, few, many):
        assert each.compressed < each.plain * 0.9
    assert alone.compressed / alone.plain < few.compressed / few.plain


def test_the_same_samples_make_the_same_dictionary():
    assert train(orders(300, 1)).dictionary.id == train(orders(300, 1)).dictionary.id


@pytest.mark.parametrize("count", [0, 1, LEAST_SAMPLES - 1])
def test_too_few_samples_are_refused(count):
    with pytest.raises(NothingLearned, match=f"{count} samples, at least {LEAST_SAMPLES}"):
        train(orders(count, 1))


def test_samples_without_anything_in_common_are_refused():
    make, chance = sampler(), random.Random(1)
    records = ({"id": f"{n}", chance.randbytes(9).hex(): chance.randbytes(900)} for n in range(400))

    with pytest.raises(NothingLearned, match="too little in common"):
        train([make.sample(record) for record in records])


def test_samples_that_are_too_small_to_learn_from_are_refused():
    with pytest.raises(NothingLearned):
        train([b"abc"] * 400)
