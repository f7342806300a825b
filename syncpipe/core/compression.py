"""zstd, with a dictionary or without; what is unpacked never exceeds what was announced.

A small body hardly compresses alone, because a compressor learns from what it has seen. A
dictionary is what it would have learned: pieces of earlier operations. It is known by an id made
from its content, so two that differ are never taken for each other, and none is ever replaced.
"""

from __future__ import annotations

import hashlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import zstandard

from syncpipe.errors import MalformedEnvelope

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bytes of a dictionary's id.
ID_BYTES = 8
#: The largest body that is compressed with a dictionary, bytes. Above it the compressor copies the
#: dictionary's tables for each body, which takes longer than it saves.
MOST_WITH_DICTIONARY = 16 * 1024
#: Bodies below this size are not compressed without a dictionary: it would not pay.
_LEAST_ALONE = 256
_LEVEL = 3
_WINDOW_BYTES = 32 * 1024 * 1024


class Zstd:
    """Compresses and decompresses. Thread-safe."""

    def __init__(self, dictionary: zstandard.ZstdCompressionDict | None = None) -> None:
        """Use *dictionary*, if there is one."""
        self._dictionary = dictionary
        # Contexts that nobody uses now: making one takes longer than a small body. One that is in
        # use, or has met a fault, is not here, so that no two threads come upon the same.
        self._compressors: list[zstandard.ZstdCompressor] = []
        self._decompressors: list[zstandard.ZstdDecompressor] = []

    def compress(self, raw: bytes) -> bytes:
        """Return the frame of *raw*; it tells the size of *raw*, but not the dictionary."""
        try:
            compressor = self._compressors.pop()
        except IndexError:
            compressor = zstandard.ZstdCompressor(
                level=_LEVEL, dict_data=self._dictionary, write_dict_id=False
            )
        frame = compressor.compress(raw)
        self._compressors.append(compressor)
        return frame

    def decompress(self, frame: bytes, length: int) -> bytes:
        """Return the *length* bytes in *frame*, which must announce as many.

        They are unpacked in one piece, so that no window is kept, however large the frame asks for.

        Raises:
            MalformedEnvelope: it is no such frame.

        """
        try:
            size = zstandard.frame_content_size(frame)
            if size != length:
                raise MalformedEnvelope(f"The body has {size} bytes, its header says {length}.")
            try:
                decompressor = self._decompressors.pop()
            except IndexError:
                decompressor = zstandard.ZstdDecompressor(
                    dict_data=self._dictionary, max_window_size=_WINDOW_BYTES
                )
            raw = decompressor.decompress(frame, allow_extra_data=False)
        except zstandard.ZstdError as fault:
            raise MalformedEnvelope(f"The body cannot be decompressed: {fault}.") from fault
        self._decompressors.append(decompressor)
        return raw


class Dictionary(Zstd):
    """Compresses and decompresses with what was learned from samples. Thread-safe."""

    def __init__(self, content: bytes) -> None:
        """Read the *content* of a trained dictionary.

        Raises:
            ValueError: it is none.

        """
        #: Its bytes.
        self.content = content
        #: What it is known by.
        self.id = id_of(content)
        try:
            data = zstandard.ZstdCompressionDict(content, dict_type=zstandard.DICT_TYPE_FULLDICT)
            data.precompute_compress(level=_LEVEL)
            super().__init__(data)
            # The first use makes tables, which all threads read afterwards.
            self.decompress(self.compress(b""), 0)
        except (zstandard.ZstdError, MalformedEnvelope) as fault:
            raise ValueError(f"These bytes are no dictionary: {fault}.") from fault


def id_of(content: bytes) -> bytes:
    """Return what the dictionary with this *content* is known by: BLAKE2b (RFC 7693) of it."""
    return hashlib.blake2b(content, digest_size=ID_BYTES).digest()


#: Without a dictionary.
PLAIN = Zstd()
#: Where no collection has one.
NO_DICTIONARIES: Mapping[str, Dictionary] = MappingProxyType({})


def compress(raw: bytes, dictionary: Dictionary | None = None) -> tuple[Any, bytes]:
    """Return *raw* as small as it pays, before it the codec: "none", "zstd", or a dictionary's id.

    Above `MOST_WITH_DICTIONARY` a dictionary does not pay.
    """
    codec: Any = "zstd"
    if dictionary:
        codec, packed = dictionary.id, dictionary.compress(raw)
    elif len(raw) >= _LEAST_ALONE:
        packed = PLAIN.compress(raw)
    else:
        return "none", raw
    return (codec, packed) if len(packed) < len(raw) else ("none", raw)
