"""Durations and sizes as people write them."""

from __future__ import annotations

import re
from fractions import Fraction

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")
_SECONDS = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
    "w": Fraction(604800),
}
_BYTES = {
    "B": 1,
    **{f"{prefix}B": 1000**power for power, prefix in enumerate("kMG", 1)},
    **{f"{prefix}iB": 1024**power for power, prefix in enumerate("KMG", 1)},
}


def parse_duration(text: str) -> Fraction:
    """Return the seconds of ``"250ms"``, ``"5s"``, ``"30d"`` and the like, exactly.

    Raises:
        ValueError: *text* is not a number directly followed by ms, s, m, h, d or w.

    """
    return _parse(text, _SECONDS)


def parse_size(text: str) -> Fraction:
    """Return the bytes of ``"64MiB"``, ``"1MB"`` and the like, exactly.

    Raises:
        ValueError: *text* is not a number followed by B, kB, MB, GB, KiB, MiB or GiB.

    """
    return _parse(text, _BYTES)


def _parse(text: str, units: dict[str, Fraction] | dict[str, int]) -> Fraction:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] not in units:
        raise ValueError(f"{text!r} is not a number with one of {', '.join(units)}")
    return Fraction(match[1]) * units[match[2]]
