"""Where the demonstration runs: private services, a configuration for them, and workers."""

from __future__ import annotations

import json
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from syncpipe.app import STALLED, build
from syncpipe.audit.keyfile import provide
from syncpipe.demo.stream import COLLECTIONS
from syncpipe.settings import load, without_ours
from syncpipe.settings.listing import file_reference
from syncpipe.supervisor import Command, Heartbeat
from syncpipe.system import SystemRandom

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from syncpipe.app import App
    from syncpipe.embedded import Services
    from syncpipe.ops.management import ManagedTarget
    from syncpipe.store.store import Store

#: Name of the only target.
TARGET = "demo"
#: Name of the configuration, where the command line finds it.
CONFIG_NAME = "syncpipe.toml"
#: Name of the file with the key of the audit.
AUDIT_KEY_NAME = "audit.key"
#: A collection for people to play with, which the demonstration leaves alone.
PLAYGROUND = "orders"
#: Seconds that a worker has beyond its own drain timeout before it is killed.
_GRACE_S = 10.0
#: How many stall timeouts a worker may be silent before it is killed and started again.
_SILENT_TIMEOUTS = 2
#: Milliseconds that an operation of the stream waits for others of its queue: with 32 queues, the
#: default of a client that sends single operations would make envelopes of hardly more than one.
_LINGER_MS = 100
#: Bytes that the client holds before it makes the stream wait: it is faster than any broker, and
#: what waits in a large buffer would only be late.
_BUFFER_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Stage:
    """Private services with everything that the demonstration needs on them."""

    #: The services.
    services: Services
    #: The configuration that all processes use.
    config: Path
    #: The parts it describes.
    app: App

    @property
    def logs(self) -> Path:
        """Directory of the logs."""
        return self.services.state_dir / "logs"

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open the store until the end of the block. What it does raises StoreError."""
        with closing(cast("Store", self.app.store())) as store:
            yield store


def build_stage(services: Services) -> Stage:
    """Write a configuration for *services* and make the tables of target and store.

    The key of their audit stays the same as long as they keep their data. Nothing of the
    environment takes part. Raises TargetError, StoreError.
    """
    provide(_audit_key(services), SystemRandom())
    config = services.state_dir / CONFIG_NAME
    config.write_text(_configuration(services), encoding="utf-8")
    app = build(load(config, environ={}).settings)
    with (
        closing(cast("ManagedTarget", app.target(TARGET))) as target,
        closing(cast("Store", app.store())) as store,
    ):
        target.init()
        store.migrate()
    return Stage(services, config, app)


def worker_commands(stage: Stage, processes: int) -> tuple[Command, ...]:
    """Return what runs so many worker processes, each ready when the broker knows of it."""
    return tuple(_worker_command(stage, f"worker-{n}") for n in range(1, processes + 1))


def _worker_command(stage: Stage, name: str) -> Command:
    options = stage.app.settings.worker
    heart = Heartbeat(
        Path(stage.services.record.run_dir, f"{name}.heartbeat"),
        options.stall_timeout_s * _SILENT_TIMEOUTS,
    )
    return Command(
        name=name,
        argv=(
            *(sys.executable, "-m", "workers", "--name", name),
            *("--heartbeat", str(heart.path), "--config", str(stage.config)),
        ),
        env=without_ours(),
        log=stage.logs / f"{name}.log",
        ready=lambda: name in names_of_workers(stage),
        grace_s=options.drain_timeout_s + _GRACE_S,
        heartbeat=heart,
        stalled_status=STALLED,
    )


def names_of_workers(stage: Stage) -> set[str]:
    """Return the names of the workers that live, without their hosts. Raises BrokerUnavailable."""
    with stage.app.broker() as broker:
        return {worker.name.partition("@")[0] for worker in broker.workers()}


def dead_letters_of(stage: Stage) -> int:
    """Return how many dead letters the store keeps. Raises StoreError."""
    with stage.store() as store:
        return store.dead_letters.count()


def scheduled_in(store: Store) -> int:
    """Return how many operations are to be tried later. Raises StoreError."""
    return sum(each.count for each in store.schedule.outlook().values())


def _audit_key(services: Services) -> Path:
    return services.state_dir.absolute() / AUDIT_KEY_NAME


def _configuration(services: Services) -> str:
    tables: dict[str, Mapping[str, object]] = {
        "broker": {"url": services.redis_url},
        "client": {"linger_ms": _LINGER_MS, "buffer_max_bytes": _BUFFER_BYTES},
        "store": {"dsn": services.dsn},
        # Whoever may read this file may do anything with what it names.
        "access": {"default": "admin"},
        "audit": {"key": file_reference(_audit_key(services))},
        f"targets.{TARGET}": {"type": "postgres", "dsn": services.dsn},
        f"collections.{PLAYGROUND}": {"target": TARGET},
    }
    for name, key in COLLECTIONS.items():
        tables[f"collections.{name}"] = {
            "target": TARGET,
            "key": list(key),
            "key_types": ["str"] * len(key),
        }
    return "\n".join(_lines(tables.items()))


def _lines(tables: Iterable[tuple[str, Mapping[str, object]]]) -> Iterator[str]:
    """Write *tables* as TOML, which takes JSON's texts and lists of texts as they are."""
    yield "# Made for the private services beside it; made anew by each run."
    for name, keys in tables:
        yield f"\n[{name}]"
        yield from (f"{key} = {json.dumps(value)}" for key, value in keys.items())
    yield ""
