"""Whether the broker keeps what it has confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Finding:
    """One setting of the broker."""

    #: Its name.
    name: str
    #: Its value; None when the broker does not tell.
    value: str | None
    #: Whether it keeps the promise.
    ok: bool
    #: What it means and, where it is not as it should be, what to do.
    advice: str


def findings(settings: Mapping[str, str]) -> list[Finding]:
    """Judge the *settings* of a Redis, by their names in ``redis.conf``."""
    return list(_findings(settings))


def _findings(settings: Mapping[str, str]) -> Iterator[Finding]:
    for name, (wanted, good, bad) in _WANTED.items():
        value = settings.get(name)
        if value is None:
            yield Finding(
                name, None, ok=False, advice=f"Redis does not tell; it should be {wanted}."
            )
        else:
            ok = value == wanted
            yield Finding(
                name, value, ok=ok, advice=good if ok else f"{bad} Set `{name} {wanted}`."
            )


#: Wanted value of each setting, what it means, and what any other value means.
_WANTED = {
    "appendonly": (
        "yes",
        "What is confirmed is in the append-only file.",
        "A restart of Redis loses what waits in it.",
    ),
    "appendfsync": (
        "always",
        "What is confirmed is on the disk.",
        "The death of the machine loses the operations of the last moment, confirmed or not.",
    ),
    "maxmemory-policy": (
        "noeviction",
        "A full Redis refuses new messages and keeps the old ones.",
        "A full Redis deletes messages that it has confirmed.",
    ),
}
