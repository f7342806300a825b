"""The wiring: which parts a configuration becomes.

Nothing is connected or imported before it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict, cast

from syncpipe.core.chain import derived
from syncpipe.core.collection import VersionSource
from syncpipe.core.masks import Masks
from syncpipe.deadletters.glances import Glances
from syncpipe.dictionaries import Directory
from syncpipe.errors import UnknownTarget
from syncpipe.producer.aio import AsyncClient as PlainAsyncClient
from syncpipe.producer.client import Client as PlainClient
from syncpipe.settings import Settings, load
from syncpipe.system import SystemClock, SystemRandom
from syncpipe.targets.http.options import HttpOptions
from syncpipe.targets.postgres.options import PostgresOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from syncpipe.audit import AuditLog
    from syncpipe.core.access import Identity
    from syncpipe.core.chance import Clock, Random
    from syncpipe.core.collection import Collection
    from syncpipe.core.compression import Dictionary
    from syncpipe.deadletters.letters import DeadLetters
    from syncpipe.deadletters.records import Records
    from syncpipe.pipeline import Pipeline
    from syncpipe.producer.compensation import Compensator
    from syncpipe.producer.options import ClientOptions
    from syncpipe.replay.service import Replays
    from syncpipe.settings.tree import TargetOptions
    from syncpipe.store.replays import Declared
    from syncpipe.store.store import OnCallStore, Store
    from syncpipe.targets.target import Target
    from syncpipe.transport.broker import Broker

#: Exit status of a worker process that would refuse again if it were started again at once, because
#: of its configuration or its clock (EX_CONFIG of sysexits.h).
REFUSED = 78
#: Exit status of a worker process that has ended itself because it no longer did its work, though
#: there was some and it could (EX_TEMPFAIL of sysexits.h): to be started again at once.
STALLED = 75


def _passing_key() -> bytes:
    return SystemRandom().bits(256).to_bytes(32)


@dataclass(frozen=True, slots=True)
class App:
    """The parts of one process."""

    #: What they are made from.
    settings: Settings
    #: Tells the time to all of them.
    clock: SystemClock
    #: Gives them random bits.
    random: SystemRandom
    #: Hashes masked values where the audit has no key.
    passing_key: bytes = field(default_factory=_passing_key, repr=False)
    #: What the audit has been told of just now.
    glances: Glances = field(default_factory=Glances, repr=False)

    def broker(self) -> Broker:
        """Return a new connection to the broker; the caller closes it."""
        from syncpipe.transport import open_broker  # noqa: PLC0415 -- kombu and redis are heavy

        broker = self.settings.broker
        return open_broker(broker.url, clock=self.clock, management_url=broker.management_url)

    def dictionaries(self) -> Directory:
        """Return the dictionaries of small envelopes."""
        return Directory(self.settings.dictionaries)

    def collections(self, target: str) -> dict[str, Collection]:
        """Return what is synchronised to *target*, by name."""
        declared = self.settings.collections
        return {name: each for name, each in declared.items() if target in each.targets}

    def declared(self, target: str) -> TargetOptions:
        """Return the options of a target.

        Raises:
            UnknownTarget: none of that name is declared.

        """
        options = self.settings.targets.get(target)
        if options is None:
            known = ", ".join(sorted(self.settings.targets)) or "none"
            raise UnknownTarget(f"There is no target {target!r}; declared: {known}.")
        return options

    def target(self, name: str) -> Target:
        """Return a new connection to a target; the caller closes it. Raises UnknownTarget."""
        match options := self.declared(name):
            case PostgresOptions():
                from syncpipe.targets.postgres.target import (  # noqa: PLC0415 -- psycopg is heavy
                    PostgresTarget,
                )

                return cast("Target", PostgresTarget(options, self.collections(name)))
            case HttpOptions():
                from syncpipe.targets.http.target import HttpTarget  # noqa: PLC0415 -- so is httpx2

                return HttpTarget(options, self.collections(name), self.clock)

    def store(self) -> OnCallStore | None:
        """Return a new connection to the store, which the caller closes; None without a store."""
        if not self.settings.store.dsn:
            return None
        from syncpipe.store.postgres.store import PostgresStore  # noqa: PLC0415 -- psycopg is heavy

        return PostgresStore(self.settings.store, self.settings.audit.secret())

    def records(self) -> Records:
        """Return what asks targets for records; nothing is opened yet. The caller closes it."""
        from syncpipe.deadletters.records import Records  # noqa: PLC0415 -- only people need it

        return Records(self.settings.collections, self.target)

    def dead_letters(
        self, store: OnCallStore, identity: Identity, records: Records | None = None
    ) -> DeadLetters:
        """Return what *identity* may do with the dead letters of *store*.

        It asks *records*, or targets of its own, and closes them when it is closed.
        """
        from syncpipe.deadletters.letters import DeadLetters  # noqa: PLC0415 -- only people need it

        records = self.records() if records is None else records
        return DeadLetters(
            store,
            identity,
            records,
            replays=self.replays(store, identity),
            masks=self.masks(),
            clock=self.clock,
            random=self.random,
            glances=self.glances,
        )

    def masks(self) -> Masks:
        """Return what is shown of the fields of each collection.

        Hashes are the same for everybody who has the key of the audit, or else in this process.
        """
        secret = self.settings.audit.secret()
        key = derived(secret, "masks") if secret else self.passing_key
        declared = self.settings.collections
        return Masks({name: each.mask for name, each in declared.items()}, key)

    def audit_log(self, store: OnCallStore, identity: Identity) -> AuditLog:
        """Return the audit in *store* as *identity* may see it."""
        from syncpipe.audit import AuditLog  # noqa: PLC0415 -- few need it

        return AuditLog(store.audit, identity, self.settings.audit.secret())

    def replayable(self) -> Declared:
        """Return what can be sent again, and what of it not as of now."""
        from syncpipe.store.replays import Declared  # noqa: PLC0415 -- few need it

        declared = self.settings.collections.values()
        return Declared(
            {target: frozenset(self.collections(target)) for target in self.settings.targets},
            {each.name for each in declared if each.version is VersionSource.SOURCE},
        )

    def replays(self, store: OnCallStore, identity: Identity) -> Replays:
        """Return the replays in *store*, which the caller closes, for *identity* to act on."""
        from syncpipe.replay.service import Replays  # noqa: PLC0415 -- few need it

        return Replays(store.replays, identity, self.replayable())

    def compensator(self) -> Compensator:
        """Return what makes compensations. Raises ConfigError where a function is not there."""
        from syncpipe.producer.compensation import Compensator  # noqa: PLC0415 -- workers need it

        return Compensator(self.settings.collections, clock=self.clock, random=self.random)

    def pipeline(self, target: str, worker: str, store: Store | None = None) -> Pipeline:
        """Return the pipeline that applies operations to *target* in the process *worker*.

        What is to be tried later, and what is known of groups, goes into *store*, which the caller
        closes.
        """
        import structlog  # noqa: PLC0415 -- only workers need these

        from syncpipe.pipeline import BatchLog, Pipeline  # noqa: PLC0415

        dictionaries = self.dictionaries()
        dictionaries.chosen(self.collections(target).values())  # read now, and missed now
        return Pipeline(
            target=self.target(target),
            collections=self.collections(target),
            broker=self.broker(),
            clock=self.clock,
            random=self.random,
            options=self.settings.worker,
            log=BatchLog(structlog.get_logger("syncpipe.pipeline"), target, worker),
            schedule=store.schedule if store else None,
            groups=store.groups if store else None,
            outcomes=store.outcomes if store else None,
            find=dictionaries.find,
        )


class _ClientParts(TypedDict):
    """What both clients are made of."""

    collections: Mapping[str, Collection]
    shards: int
    broker: Broker
    clock: Clock
    random: Random
    options: ClientOptions
    dictionaries: Mapping[str, Dictionary]


class Client(PlainClient):
    """A client made from the configuration, for services that use threads."""

    def __init__(self, config: str | Path | Settings | None = None) -> None:
        """Read the file *config*; None searches for it. Raises ConfigError when it has mistakes."""
        super().__init__(**_client_parts(config))


class AsyncClient(PlainAsyncClient):
    """A client made from the configuration, for services that run an event loop."""

    def __init__(self, config: str | Path | Settings | None = None) -> None:
        """Read the file *config*; None searches for it. Raises ConfigError when it has mistakes."""
        super().__init__(**_client_parts(config))


def build(settings: Settings) -> App:
    """Return the parts that *settings* describe."""
    return App(settings=settings, clock=SystemClock(), random=SystemRandom())


def _client_parts(config: str | Path | Settings | None) -> _ClientParts:
    settings = config if isinstance(config, Settings) else load(config).settings
    app = build(settings)
    return _ClientParts(
        collections=settings.collections,
        shards=settings.shards,
        broker=app.broker(),
        clock=app.clock,
        random=app.random,
        options=settings.client,
        dictionaries=app.dictionaries().chosen(settings.collections.values()),
    )
