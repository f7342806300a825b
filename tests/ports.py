"""Ports for servers that take seconds until they listen, and that nobody else takes meanwhile."""

from __future__ import annotations

import itertools
import os
import socket

#: Below those that the kernel gives to whoever asks for any; so many for each process of tests.
_FIRST, _PROCESSES, _EACH = 10_000, 200, 100

_start = _FIRST + os.getpid() % _PROCESSES * _EACH
_own = itertools.cycle(range(_start, _start + _EACH))


def free_ports(number: int) -> list[int]:
    """Return ports on which nobody listens now, none of which was given a short while ago."""
    return list(itertools.islice(filter(_is_free, _own), number))


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
