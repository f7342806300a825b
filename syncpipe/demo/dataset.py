"""The shipped data set: reports of aircraft that struck wildlife (source: ``data/SOURCE.md``)."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from datetime import date
from importlib import resources
from typing import TypedDict

#: The data set's place inside this package.
DATA_FILE = "data/birdstrikes.jsonl.gz"


@dataclass(frozen=True, slots=True)
class Strike:
    """One report. Names are as the publisher wrote them."""

    #: Day of the flight.
    day: date
    #: Airport, e.g. ``CHICAGO O'HARE INTL ARPT``.
    airport: str
    #: State of the airport.
    state: str
    #: Airline, or ``MILITARY``.
    operator: str
    #: Make and model, e.g. ``B-737-300``.
    aircraft: str
    #: What was struck, e.g. ``European starling``.
    species: str
    #: ``Small``, ``Medium`` or ``Large``.
    size: str
    #: Phase of flight, e.g. ``Approach``.
    phase: str
    #: ``Dawn``, ``Day``, ``Dusk`` or ``Night``.
    time_of_day: str
    #: Whether the aircraft was damaged at all.
    damaged: bool
    #: Indicated airspeed in knots; None where it was not reported.
    speed: int | None
    #: Cost of all consequences in US dollars.
    cost: int


class _Line(TypedDict):
    """One line of the file (its fields are described in ``data/SOURCE.md``)."""

    date: str
    airport: str
    state: str
    operator: str
    aircraft: str
    species: str
    size: str
    phase: str
    time_of_day: str
    damage: str
    speed: int | None
    cost_total: int


def strikes() -> tuple[Strike, ...]:
    """Load every report, oldest first."""
    packed = resources.files(__package__).joinpath(DATA_FILE).read_bytes()
    return tuple(_strike(json.loads(line)) for line in gzip.decompress(packed).splitlines())


def _strike(line: _Line) -> Strike:
    return Strike(
        day=date.fromisoformat(line["date"]),
        airport=line["airport"],
        state=line["state"],
        operator=line["operator"],
        aircraft=line["aircraft"],
        species=line["species"],
        size=line["size"],
        phase=line["phase"],
        time_of_day=line["time_of_day"],
        damaged=line["damage"] != "None",
        speed=line["speed"],
        cost=line["cost_total"],
    )
