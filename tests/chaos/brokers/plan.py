"""The cells of the table: which system, on which broker, suffers what, and how often. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is done."""

    FROZEN_CONSUMER = "frozen consumer"
    FROZEN_WORKER = "frozen worker"
    WORKER_KILL = "worker kill -9"
    BROKER_KILL = "broker kill -9"
    BROKER_RESTART = "broker restart"


#: Seconds within which everything has to be well again.
RECOVERY_S = 10.0
#: Names of the systems; the last is Celery as it comes.
OURS, STOCK, UNCONFIRMED = "syncpipe", "celery", "celery, no confirms"


@dataclass(frozen=True, slots=True)
class Cell:
    """One row."""

    system: str
    broker: str
    kind: Kind
    #: Faults in the full form.
    full: int
    #: Faults in the short form; 0 leaves the row out.
    short: int

    @property
    def name(self) -> str:
        """What the row is called."""
        return f"{self.system} / {self.broker} / {self.kind}"

    @property
    def ours(self) -> bool:
        """Whether the row must meet the bars."""
        return self.system == OURS

    def times(self, *, short: bool) -> int:
        """Return how many faults the row takes."""
        return self.short if short else self.full


CELLS = (
    Cell(STOCK, "redis", Kind.FROZEN_CONSUMER, 10, 3),
    Cell(STOCK, "redis", Kind.FROZEN_WORKER, 5, 0),
    Cell(STOCK, "redis", Kind.WORKER_KILL, 8, 1),
    Cell(STOCK, "redis", Kind.BROKER_KILL, 8, 1),
    Cell(OURS, "redis", Kind.FROZEN_CONSUMER, 100, 10),
    Cell(OURS, "redis", Kind.FROZEN_WORKER, 100, 2),
    Cell(OURS, "redis", Kind.WORKER_KILL, 30, 2),
    Cell(OURS, "redis", Kind.BROKER_KILL, 30, 2),
    Cell(OURS, "redis", Kind.BROKER_RESTART, 45, 2),
    Cell(STOCK, "rabbitmq", Kind.WORKER_KILL, 5, 0),
    Cell(STOCK, "rabbitmq", Kind.BROKER_KILL, 5, 0),
    Cell(UNCONFIRMED, "rabbitmq", Kind.BROKER_KILL, 5, 1),
    Cell(OURS, "rabbitmq", Kind.WORKER_KILL, 25, 2),
    Cell(OURS, "rabbitmq", Kind.BROKER_KILL, 20, 1),
    Cell(OURS, "rabbitmq", Kind.BROKER_RESTART, 5, 1),
)


@dataclass(frozen=True, slots=True)
class Race:
    """One row of the benchmark."""

    name: str
    #: How many times as fast we must be.
    bar: float


DRAIN = Race("drain / redis / claims against BRPOP", 3.0)
PUBLISH = Race("drain / rabbitmq / pipelined confirms against one by one", 4.0)
RACES = (DRAIN, PUBLISH)
