"""How a worker process batches, waits and gives up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Options of one worker process, ``[worker]``."""

    #: Threads that apply batches; with several targets each gets at most its `max_share` of them.
    threads: int = 4
    #: Envelopes that the process holds unacknowledged, not counting those that wait to be retried.
    prefetch: int = 80
    #: Envelopes of one queue that the process holds unacknowledged, on RabbitMQ.
    queue_prefetch: int = 8
    #: Most operations in one batch, where those on one record become one write; one envelope with
    #: more is a batch of its own.
    batch_max_ops: int = 16_000
    #: Most bytes of operations in one batch, unpacked, each of which takes about ten of memory; the
    #: batches of a target that are applied at once have twice as many at most.
    batch_max_bytes: int = 5_000_000
    #: Milliseconds that a batch waits for more envelopes.
    batch_linger_ms: int = 5
    #: Seconds for which a batch is tried again at once after a deadlock, lock timeout and the like.
    busy_timeout_s: float = 5.0
    #: Seconds after which nothing more is tried to find what a batch is refused, or slow, for; what
    #: is left then comes back, uncounted.
    isolation_timeout_s: float = 120.0
    #: How often an operation is tried that the target refuses for a reason that may pass; with a
    #: store, 20 times take between four and eight hours.
    refused_attempts: int = 20
    #: Seconds before its second try; each further pause is twice as long.
    refused_delay_s: float = 1.0
    #: The longest of these pauses, seconds; without a store a minute at most.
    refused_delay_max_s: float = 3600.0
    #: Seconds that a warm shutdown waits for batches that have begun.
    drain_timeout_s: float = 20.0
    #: Seconds after which a process ends that no longer takes what waits for it, though it could; a
    #: supervisor kills one that gives no sign of life for twice as long. Either starts it again.
    stall_timeout_s: float = 15.0
    #: Seconds between two collections of what lies behind the horizon.
    collect_interval_s: float = 3600.0
