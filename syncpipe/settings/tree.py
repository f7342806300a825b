"""The frozen tree that a configuration becomes."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 -- the schema reads these annotations
from dataclasses import dataclass, field
from typing import Literal

from syncpipe.core.access import Access
from syncpipe.core.collection import Collection  # noqa: TC001 -- the schema reads these annotations
from syncpipe.pipeline.options import WorkerOptions
from syncpipe.producer.options import ClientOptions
from syncpipe.resilience.options import GuardOptions
from syncpipe.store.options import AuditOptions, StoreOptions
from syncpipe.targets.http.options import HttpOptions
from syncpipe.targets.postgres.options import PostgresOptions

#: Options of a target, whatever its type.
TargetOptions = PostgresOptions | HttpOptions
#: Options of a target, by the `type` that the configuration names.
TARGET_TYPES: Mapping[str, type[TargetOptions]] = {"postgres": PostgresOptions, "http": HttpOptions}


def type_of(options: TargetOptions) -> str:
    """Return the `type` that the configuration names for *options*."""
    return next(name for name, each in TARGET_TYPES.items() if isinstance(options, each))


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Where operations travel, ``[broker]``."""

    #: URL: redis://, rediss:// (TLS), redis+socket:///path for a unix socket, amqp:// or amqps://.
    url: str = field(default="redis://localhost:6379/0", repr=False)
    #: URL of RabbitMQ's management API; auto: port 15672 of the broker's host, with its user.
    management_url: str = field(default="auto", repr=False)


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What workers write about themselves, ``[log]``."""

    #: Least severe lines that are written: debug, info, warning or error.
    level: Literal["debug", "info", "warning", "error"] = "info"
    #: Form of the lines on stdout: json for machines, console for people.
    format: Literal["json", "console"] = "json"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be configured; what it does not name keeps its default."""

    #: Number of shards of every target: how many lanes can be worked on side by side.
    shards: int = 8
    #: Directory with the dictionaries of small envelopes, on every machine; empty: none.
    dictionaries: str = ""
    #: Where operations travel.
    broker: BrokerSettings = field(default_factory=BrokerSettings)
    #: Where syncpipe keeps its own memory.
    store: StoreOptions = field(default_factory=StoreOptions)
    #: What its audit of people's acts is chained with.
    audit: AuditOptions = field(default_factory=AuditOptions)
    #: Who may do what.
    access: Access = field(default_factory=Access)
    #: How clients buffer, wait and give up.
    client: ClientOptions = field(default_factory=ClientOptions)
    #: How worker processes batch, wait and give up.
    worker: WorkerOptions = field(default_factory=WorkerOptions)
    #: What workers write about themselves.
    log: LogSettings = field(default_factory=LogSettings)
    #: Where operations are applied, by name.
    targets: Mapping[str, TargetOptions] = field(default_factory=dict)
    #: How they are guarded, by name of the target, in whose table this stands.
    guards: Mapping[str, GuardOptions] = field(default_factory=dict)
    #: What is synchronised, by name.
    collections: Mapping[str, Collection] = field(default_factory=dict)

    def guard(self, target: str) -> GuardOptions:
        """Return how *target* is guarded."""
        return self.guards.get(target) or GuardOptions()
