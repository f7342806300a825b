"""What ``.syncpipe/services.json`` says: which services run, where, and whose they are."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from syncpipe.supervisor import ProcessId

if TYPE_CHECKING:
    from pathlib import Path

#: The file's name in the state directory.
_NAME = "services.json"


@dataclass(frozen=True, slots=True)
class Record:
    """One set of running services."""

    #: Address of Redis for kombu and Celery.
    redis_url: str
    #: Address of PostgreSQL for psycopg.
    dsn: str
    #: Directory of the sockets, removed when the services end.
    run_dir: str
    #: The process that keeps the services.
    keeper: ProcessId
    #: Processes to stop before them, the last one first.
    companions: tuple[ProcessId, ...] = ()


def load(state_dir: Path) -> Record | None:
    """Read the record of *state_dir*; None when there is none that can be read."""
    try:
        fields = json.loads((state_dir / _NAME).read_bytes())
        return Record(
            redis_url=str(fields["redis_url"]),
            dsn=str(fields["dsn"]),
            run_dir=str(fields["run_dir"]),
            keeper=_process(fields["keeper"]),
            companions=tuple(_process(item) for item in fields["companions"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(state_dir: Path, record: Record) -> None:
    """Write *record* whole or not at all, readable by its owner only. Raises OSError."""
    unfinished = state_dir / f"{_NAME}.{os.getpid()}"
    with open(unfinished, "w", encoding="utf-8", opener=_private) as file:
        json.dump(asdict(record), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(state_dir / _NAME)


def forget(state_dir: Path) -> None:
    """Remove the record, if there is one."""
    with suppress(FileNotFoundError):
        (state_dir / _NAME).unlink()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def _process(fields: dict[str, int | None]) -> ProcessId:
    pid, started = fields["pid"], fields["started"]
    return ProcessId(int(pid or 0), None if started is None else int(started))
