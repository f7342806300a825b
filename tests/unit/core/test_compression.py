"""What is compressed comes out equal, whoever does it at the same time, or is refused."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.compression import PLAIN, Dictionary, compress, id_of
from syncpipe.errors import MalformedEnvelope
from tests.unit.core.trained import dictionary, orders


@pytest.fixture(params=["plain", "dictionary"])
def zstd(request):
    return PLAIN if request.param == "plain" else dictionary()


@given(st.binary(max_size=2000) | st.sampled_from(orders(20, 2)))
def test_every_body_comes_out_equal(raw):
    for zstd in (PLAIN, dictionary()):
        assert zstd.decompress(zstd.compress(raw), len(raw)) == raw


@given(st.binary(max_size=2000))
def test_nothing_grows(raw):
    for chosen in (None, dictionary()):
        codec, packed = compress(raw, chosen)
        assert len(packed) < len(raw) or (codec, packed) == ("none", raw)


def test_a_small_body_shrinks_with_a_dictionary_and_not_without():
    for raw in orders(20, 3):
        codec, packed = compress(raw, dictionary())
        assert codec == dictionary().id
        assert len(packed) < len(raw) * 0.6
        assert compress(raw) == ("none", raw)


def test_a_dictionary_is_known_by_its_content():
    first, second = dictionary(1), dictionary(2)

    assert first.id == id_of(first.content) == Dictionary(first.content).id
    assert first.id != second.id


@pytest.mark.parametrize("content", [b"", b"no dictionary", bytes(4096), b"\x37\xa4\x30\xec" * 90])
def test_other_bytes_are_no_dictionary(content):
    with pytest.raises(ValueError, match="no dictionary"):
        Dictionary(content)


def test_what_was_made_by_another_process_is_read(zstd):
    content = zstd.content if isinstance(zstd, Dictionary) else None
    other = Dictionary(content) if content else type(PLAIN)()
    raw = b"".join(orders(3, 4))

    assert other.decompress(zstd.compress(raw), len(raw)) == raw


def test_a_frame_that_is_cut_altered_or_longer_is_refused_or_has_another_content(zstd):
    raw = b"".join(orders(3, 5))
    frame = zstd.compress(raw)
    for damaged in [frame[:size] for size in range(len(frame))] + [frame + b"x", frame + frame]:
        with pytest.raises(MalformedEnvelope):
            zstd.decompress(damaged, len(raw))
    chance = random.Random(1)
    for _ in range(200):
        altered = bytearray(frame)
        altered[chance.randrange(len(frame))] ^= 1 << chance.randrange(8)
        try:
            assert len(zstd.decompress(bytes(altered), len(raw))) == len(raw)
        except MalformedEnvelope:
            continue
    assert zstd.decompress(frame, len(raw)) == raw


def test_a_frame_that_does_not_announce_its_size_or_another_one_is_refused(zstd):
    sizeless = zstandard.ZstdCompressor(write_content_size=False).compress(b"abc" * 99)
    for frame, length in ((sizeless, 297), (zstd.compress(b"abc"), 2), (zstd.compress(b"abc"), 4)):
        with pytest.raises(MalformedEnvelope):
            zstd.decompress(frame, length)


def test_threads_at_the_same_time_do_not_meet(zstd):
    bodies = [b"".join(orders(count, count)) for count in range(1, 33)]

    def there_and_back(raw):
        return all(zstd.decompress(zstd.compress(raw), len(raw)) == raw for _ in range(20))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(there_and_back, bodies))
