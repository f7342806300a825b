"""A key of the audit in a file of its owner alone."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncpipe.core.chance import Random

#: Bits of a new key.
_BITS = 256


def new_key(random: Random) -> str:
    """Return a new key as hexadecimal digits."""
    return f"{random.bits(_BITS):0{_BITS // 4}x}"


def provide(path: Path, random: Random) -> bool:
    """Write a new key to *path*, unless there is a file; return whether there was none.

    It is there whole or not at all, for its owner alone to read. Raises OSError.
    """
    if path.exists():
        return False
    with NamedTemporaryFile(
        "w", encoding="ascii", dir=path.parent, prefix=f".{path.name}."
    ) as file:
        file.write(new_key(random) + "\n")
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):  # somebody was quicker, and may use theirs already
            Path(path).hardlink_to(file.name)
            return True
    return False
