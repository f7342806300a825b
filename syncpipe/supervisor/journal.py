"""What a program is at work on, so that what kills it can be told from what was only near.

Each program notes in a small file, mapped into its memory, what it is about to do, and strikes it
out afterwards. What it writes there survives its end by ``kill -9``; nothing is synced, because an
end of the whole machine is no crash of a program. The file belongs to whoever supervises: after a
crash it counts what was noted there among the *suspects*, which all its programs share.

A note is 16 bytes; what they mean is up to the program.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

#: Bytes of a note.
NOTE_BYTES = 16
#: Most suspects that are remembered; the oldest are forgotten first.
MAX_SUSPECTS = 4096
#: Magic, number of pages, notes on each.
_HEADER = struct.Struct(">4sII")
_MAGIC = b"SPJ\x01"
_COUNT = struct.Struct(">I")
_SUSPECT = struct.Struct(f">{NOTE_BYTES}sI")


def journal_of(heartbeat: Path) -> Path:
    """Return the journal of the program that touches the file *heartbeat*."""
    return heartbeat.with_name(f"{heartbeat.name}.journal")


def suspects_of(heartbeat: Path) -> Path:
    """Return the suspects that it shares with all others of its supervisor."""
    return heartbeat.with_name("suspects")


class Journal:
    """The notes of one program; a page for each thing that it does at the same time."""

    def __init__(self, path: Path, *, pages: int, notes: int) -> None:
        """Make the file *path* anew, with room for so many *notes* on each page.

        Raises OSError, where a full disk has none: not at the first note, which would be the end.
        """
        self._page_bytes = _page_bytes(notes)
        self._most = notes
        size = _HEADER.size + pages * self._page_bytes
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
            self._memory = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        _HEADER.pack_into(self._memory, 0, _MAGIC, pages, notes)
        self._free: SimpleQueue[int] = SimpleQueue()
        for page in range(pages):
            self._free.put(page)

    @contextmanager
    def noting(self, notes: Sequence[bytes]) -> Iterator[Page]:
        """Have *notes* stand in the journal as long as the block lasts.

        What does not fit on a page is left out.
        """
        number = self._free.get()
        page = Page(self._memory, _HEADER.size + number * self._page_bytes, self._most)
        try:
            page.write(notes)
            yield page
        finally:
            page.write(())
            self._free.put(number)


class Page:
    """What one thread is at work on."""

    def __init__(self, memory: mmap.mmap, start: int, most: int) -> None:
        """Write into *memory* from *start*, at most so many notes."""
        self._memory = memory
        self._start = start
        self._most = most

    def write(self, notes: Sequence[bytes]) -> None:
        """Have *notes* stand there in place of the others."""
        written = notes[: self._most]
        # First none, then the notes, then how many: whoever dies in between leaves none.
        _COUNT.pack_into(self._memory, self._start, 0)
        if written:
            begin = self._start + _COUNT.size
            self._memory[begin : begin + NOTE_BYTES * len(written)] = b"".join(written)
            _COUNT.pack_into(self._memory, self._start, len(written))


def noted(path: Path) -> set[bytes]:
    """Return what stands in the journal *path*; nothing where it cannot be understood."""
    try:
        content = path.read_bytes()
    except OSError:
        return set()
    if len(content) < _HEADER.size:
        return set()
    magic, pages, notes = _HEADER.unpack_from(content)
    if magic != _MAGIC or len(content) != _HEADER.size + pages * _page_bytes(notes):
        return set()
    found: set[bytes] = set()
    for start in range(_HEADER.size, len(content), _page_bytes(notes)):
        (count,) = _COUNT.unpack_from(content, start)
        begin = start + _COUNT.size
        for place in range(begin, begin + NOTE_BYTES * min(count, notes), NOTE_BYTES):
            found.add(content[place : place + NOTE_BYTES])
    return found


class Suspects:
    """What was noted when a program crashed, and how often; in a file that programs read."""

    #: Two programs of one supervisor may crash at once.
    _writing = threading.Lock()

    def __init__(self, path: Path) -> None:
        """Keep them in *path*."""
        self._path = path
        self._name = str(path)
        self._seen: tuple[int, int] | None = None
        self._crashes: Mapping[bytes, int] = {}

    def add(self, notes: set[bytes]) -> None:
        """Count one more crash for each of *notes*. Raises OSError."""
        if not notes:
            return
        with self._writing:
            known = Counter(self._read())
            counted = {note: known.pop(note, 0) + 1 for note in sorted(notes)}
            kept = [*known.items(), *counted.items()][-MAX_SUSPECTS:]
            fresh = self._path.with_name(f"{self._path.name}.new")
            fresh.write_bytes(b"".join(_SUSPECT.pack(*each) for each in kept))
            fresh.replace(self._path)

    def look(self) -> Mapping[bytes, int]:
        """Return how many crashes are counted for each note; the file is read when it has changed.

        One look at the file's time while nothing changes.
        """
        try:
            state = os.stat(self._name)  # noqa: PTH116 - for each message, and a Path takes longer
        except OSError:
            return self._crashes
        seen = state.st_mtime_ns, state.st_ino
        if seen != self._seen:
            self._crashes, self._seen = self._read(), seen
        return self._crashes

    def _read(self) -> dict[bytes, int]:
        content = b""
        with suppress(OSError):
            content = self._path.read_bytes()
        whole = len(content) - len(content) % _SUSPECT.size
        return dict(_SUSPECT.iter_unpack(content[:whole]))


def _page_bytes(notes: int) -> int:
    return _COUNT.size + NOTE_BYTES * notes
