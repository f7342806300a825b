"""Dictionaries as files: one for each, in a directory that is shipped like the configuration.

A file is called ``COLLECTION-ID.zdict``, where the id, 16 hexadecimal digits, is made from its
content: nothing is ever replaced, and what is not whole is found out. Whoever meets an id that it
does not know looks into the directory, so that a new file needs no restart.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from syncpipe.core.compression import Dictionary, id_of
from syncpipe.errors import ConfigError, DictionaryMissing, DictionaryUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from syncpipe.core.collection import Collection

#: What a dictionary may be called.
NAME = re.compile(r"[a-z][a-z0-9_]{0,47}-[0-9a-f]{16}")
#: The largest file that is read, bytes; `syncpipe dictionary train` makes much smaller ones.
MAX_BYTES = 1024 * 1024
_SUFFIX = ".zdict"
_LOG = logging.getLogger(__name__)


class Directory:
    """The dictionaries in a directory. Thread-safe."""

    def __init__(self, path: str) -> None:
        """Read from *path*, when asked; empty: there are none."""
        self._path = Path(path) if path else None
        self._known: dict[bytes, Dictionary] = {}
        #: Ids of which the log has been told that they cannot be read.
        self._told: set[bytes] = set()

    def find(self, id_: bytes) -> Dictionary:
        """Return the dictionary with an id; it is read once.

        Raises:
            DictionaryMissing: it is not there, or not whole.
            DictionaryUnreadable: that cannot be told now, as the log says once.

        """
        known = self._known.get(id_)
        if known is None:
            known = self._known[id_] = self._looked_for(id_)
        return known

    def named(self, name: str) -> Dictionary:
        """Return the dictionary called *name*. Raises as `find` does."""
        return self.find(_id_in(name))

    def names(self) -> list[str]:
        """Return the names of all that are there, whole or not. Raises OSError."""
        return sorted(path.stem for path in self._files())

    def chosen(self, collections: Iterable[Collection]) -> dict[str, Dictionary]:
        """Return what *collections* name, by collection; the log says what is not to be had."""
        chosen = {}
        for collection in collections:
            if collection.dictionary:
                try:
                    chosen[collection.name] = self.named(collection.dictionary)
                except (DictionaryMissing, DictionaryUnreadable) as error:
                    _LOG.warning("%s has no dictionary here: %s", collection.name, error)
        return chosen

    def add(self, collection: str, dictionary: Dictionary) -> tuple[str, Path]:
        """Write a *dictionary* of *collection*; return its name and its file.

        It is there whole or not at all, for its owner alone to read: it holds pieces of documents.

        Raises:
            ConfigError: there is no directory.
            OSError: it cannot be written.

        """
        if self._path is None:
            raise ConfigError("The configuration names no directory as `dictionaries`.")
        name = f"{collection}-{dictionary.id.hex()}"
        path = self._path / f"{name}{_SUFFIX}"
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=self._path, prefix=f".{name}.", delete=False) as file:
            try:
                file.write(dictionary.content)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        return name, path

    def _looked_for(self, id_: bytes) -> Dictionary:
        try:
            found = self._read(id_)
        except DictionaryUnreadable as error:
            if id_ not in self._told:
                self._told.add(id_)
                _LOG.warning("What needs it waits: %s", error)
            raise
        self._told.discard(id_)
        return found

    def _files(self) -> Iterator[Path]:
        """Return the files that are called like dictionaries. Raises OSError."""
        if self._path is None:
            return
        try:
            paths = list(self._path.iterdir())  # unlike `glob`, it tells that it fails
        except FileNotFoundError:
            return
        yield from (path for path in paths if path.suffix == _SUFFIX and NAME.fullmatch(path.stem))

    def _read(self, id_: bytes) -> Dictionary:
        if self._path is None:
            raise _missing(id_, "the configuration names no directory as `dictionaries`")
        reason = f"it is not in {self._path.absolute()}"
        try:
            for path in self._files():
                if _id_in(path.stem) != id_:
                    continue
                with path.open("rb") as file:
                    content = file.read(MAX_BYTES)
                if id_of(content) == id_:
                    return Dictionary(content)
                reason = f"{path.absolute()} is damaged"
        except FileNotFoundError:
            pass
        except (NotADirectoryError, IsADirectoryError, ValueError) as fault:
            raise _missing(id_, str(fault)) from fault
        except OSError as fault:
            raise DictionaryUnreadable(
                f"The dictionary {id_.hex()} cannot be read: {fault}."
            ) from fault
        raise _missing(id_, reason)


def _missing(id_: bytes, reason: str) -> DictionaryMissing:
    return DictionaryMissing(f"The dictionary {id_.hex()} is missing: {reason.rstrip('.')}.")


def _id_in(name: str) -> bytes:
    return bytes.fromhex(name.rpartition("-")[2])
