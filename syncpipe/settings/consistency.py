"""What must fit together although each value alone is right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from syncpipe.core.access import KINDS
from syncpipe.core.attempt import MAX_ATTEMPTS_KEPT
from syncpipe.core.collection import VersionSource
from syncpipe.core.compensation import DELETE, NEGATE, is_function
from syncpipe.core.masks import EVERY
from syncpipe.core.routing import TARGET_NAME
from syncpipe.dictionaries import NAME as DICTIONARY_NAME
from syncpipe.errors import ConfigError
from syncpipe.settings.endpoint import endpoint_findings, meaning_findings
from syncpipe.settings.mistake import did_you_mean
from syncpipe.settings.tree import BrokerSettings
from syncpipe.targets.http.options import HttpOptions
from syncpipe.targets.postgres.options import PostgresOptions
from syncpipe.transport.dialect import is_rabbitmq

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncpipe.core.access import Access
    from syncpipe.core.collection import Collection
    from syncpipe.resilience.options import GuardOptions
    from syncpipe.settings.tree import Settings
    from syncpipe.store.options import StoreOptions

#: What a collection may be called.
COLLECTION_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
#: Shortest horizon, seconds: a message may wait this long in a broker through an ordinary outage.
MIN_HORIZON_S = 24 * 3600
#: Shortest time after which a worker counts as stalled, seconds: it shows itself every second.
MIN_STALL_TIMEOUT_S = 2.0
#: Longest timeout of PostgreSQL, whose settings are 32-bit milliseconds, in whole days of seconds.
MAX_SERVER_TIMEOUT_S = 24 * 24 * 3600
#: Most shards: their numbers have at most five digits in the names of queues.
MAX_SHARDS = 99_999
#: Beginnings of broker URLs that we can open.
BROKER_SCHEMES = ("redis://", "rediss://", "redis+socket://", "amqp://", "amqps://")
_DSN = re.compile(r"postgres(ql)?://.+|.*\w\s*=.*", re.DOTALL)
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")

Path = tuple[str, ...]


class Fault(NamedTuple):
    """Something that does not fit."""

    #: The key to change.
    path: Path
    #: What is wrong, a sentence.
    message: str
    #: What to write instead, a sentence.
    suggestion: str


def faults(settings: Settings, written: frozenset[Path]) -> Iterator[Fault]:
    """Yield all that does not fit together; *written* are the paths that somebody has set."""
    declared = {path[1] for path in written if len(path) > 1 and path[0] == "targets"}
    yield from _broker_faults(settings)
    yield from _store_faults(settings)
    yield from _client_faults(settings)
    yield from _pause_faults(settings)
    yield from _stall_faults(settings)
    yield from _access_faults(settings.access)
    for name in sorted(declared):
        yield from _target_name_faults(name)
    for name in settings.targets:
        yield from _target_faults(settings, name)
        yield from _guard_faults(("targets", name), settings.guard(name))
        yield from _hang_faults(settings, name)
    for collection in settings.collections.values():
        yield from _name_faults(collection)
        yield from _target_list_faults(collection, declared)
        yield from _key_faults(collection)
        yield from _table_faults(collection, settings)
        yield from _horizon_faults(collection, settings, written)
        yield from _compensation_faults(collection)
        yield from _mask_faults(collection)
        yield from _dictionary_faults(collection, settings)
    yield from _shared_tables(settings)


def _broker_faults(settings: Settings) -> Iterator[Fault]:
    if settings.shards > MAX_SHARDS:
        yield Fault(("shards",), "There are too many.", f"Write at most {MAX_SHARDS}.")
    broker = settings.broker
    if not broker.url.startswith(BROKER_SCHEMES):
        known = ", ".join(BROKER_SCHEMES)
        yield Fault(("broker", "url"), "No broker has such a URL.", f"Begin it with {known}.")
    elif is_rabbitmq(broker.url):
        yield from _rabbitmq_faults(broker)
    elif broker.url != BrokerSettings().url:
        yield from _redis_faults(broker)


def _rabbitmq_faults(broker: BrokerSettings) -> Iterator[Fault]:
    """Yield what opening the broker would refuse."""
    from syncpipe.transport.rabbitmq.address import (  # noqa: PLC0415 - loads slowly
        address_of,
        management_of,
    )

    key = "url"
    try:
        address = address_of(broker.url)
        key = "management_url"
        management_of(broker.management_url, address)
    except ConfigError as error:
        yield Fault(("broker", key), error.message, "docs/rabbitmq.md says more.")


def _redis_faults(broker: BrokerSettings) -> Iterator[Fault]:
    """Yield what opening the broker would refuse."""
    from syncpipe.transport.redis_link import pool_of  # noqa: PLC0415 - loads slowly

    try:
        pool_of(broker.url)
    except ConfigError as error:
        hint = "Write redis://host:6379/0, rediss:// for TLS, or redis+socket:///path."
        yield Fault(("broker", "url"), error.message, hint)


def _client_faults(settings: Settings) -> Iterator[Fault]:
    client = settings.client
    if client.batch_max_bytes > client.buffer_max_bytes:
        yield Fault(
            ("client", "batch_max_bytes"),
            "A batch cannot be larger than the buffer.",
            f"Write at most {client.buffer_max_bytes}, or raise client.buffer_max_bytes.",
        )


def _pause_faults(settings: Settings) -> Iterator[Fault]:
    worker = settings.worker
    if worker.refused_attempts > MAX_ATTEMPTS_KEPT:
        hint = f"Write at most {MAX_ATTEMPTS_KEPT}, and longer pauses if it should take longer."
        yield Fault(("worker", "refused_attempts"), "No operation carries so many.", hint)
    if worker.refused_delay_max_s < worker.refused_delay_s:
        yield _short_pause("refused_delay")


def _stall_faults(settings: Settings) -> Iterator[Fault]:
    if settings.worker.stall_timeout_s < MIN_STALL_TIMEOUT_S:
        hint = f"Write at least {MIN_STALL_TIMEOUT_S:g}."
        yield Fault(("worker", "stall_timeout_s"), "A worker that is well is silent so long.", hint)


def _access_faults(access: Access) -> Iterator[Fault]:
    for field in ("viewers", "operators", "admins"):
        for name in getattr(access, field):
            kind, colon, rest = name.partition(":")
            if kind not in KINDS or not rest:
                known = [f"{each}:{rest if colon and rest else 'NAME'}" for each in KINDS]
                hint = did_you_mean(name, known) if colon else f"Write one of {', '.join(known)}."
                yield Fault(("access", field), f"{name!r} names nobody.", hint)


def _short_pause(name: str) -> Fault:
    hint = f"Raise it, or lower worker.{name}_s."
    return Fault(("worker", f"{name}_max_s"), "The longest pause is the shorter one.", hint)


def _target_name_faults(name: str) -> Iterator[Fault]:
    if not TARGET_NAME.fullmatch(name):
        hint = "Use up to 48 small letters, digits, - and _, a letter first: queues are named so."
        yield Fault(("targets", name), f"A target cannot be called {name!r}.", hint)


def _target_faults(settings: Settings, name: str) -> Iterator[Fault]:
    target = settings.targets[name]
    for below, fault, hint in meaning_findings(target):
        yield Fault(("targets", name, *below), fault, hint)
    if isinstance(target, PostgresOptions):
        yield from _database_faults(("targets", name), target)
        return
    for below, fault, hint in endpoint_findings(target):
        yield Fault(("targets", name, *below), fault, hint)


def _store_faults(settings: Settings) -> Iterator[Fault]:
    if settings.store.dsn:
        yield from _database_faults(("store",), settings.store)


def _database_faults(path: Path, options: PostgresOptions | StoreOptions) -> Iterator[Fault]:
    if options.dsn and not _DSN.fullmatch(options.dsn):
        hint = "Write postgresql://user@host/database, or host=… dbname=…."
        yield Fault((*path, "dsn"), "This is no connection string.", hint)
    for field in ("statement_timeout_s", "lock_timeout_s", "idle_in_transaction_timeout_s"):
        if getattr(options, field) > MAX_SERVER_TIMEOUT_S:
            hint = 'Write at most "24d".'
            yield Fault((*path, field), "PostgreSQL cannot count that far.", hint)
    if not _PLAIN_NAME.fullmatch(options.schema):
        hint = "Use small letters, digits and _."
        yield Fault((*path, "schema"), f"No schema of ours is {options.schema!r}.", hint)


def _guard_faults(path: Path, guard: GuardOptions) -> Iterator[Fault]:
    for key in ("max_share", "breaker_failure_ratio", "breaker_slow_ratio"):
        if getattr(guard, key) > 1:
            hint = "Write a number up to 1, such as 0.5."
            yield Fault((*path, key), "No share is larger than the whole.", hint)
    yield from _rate_faults(path, guard)
    if guard.breaker_probe_max_s < guard.breaker_probe_s:
        hint = "Raise it, or lower breaker_probe_s."
        yield Fault((*path, "breaker_probe_max_s"), "The longest pause is the shorter one.", hint)


def _hang_faults(settings: Settings, name: str) -> Iterator[Fault]:
    """Yield what would take a target for dead that is only slow at many operations of a batch."""
    target, worker = settings.targets[name], settings.worker
    call_s = target.timeout_s if isinstance(target, HttpOptions) else target.statement_timeout_s
    longest_s = worker.isolation_timeout_s + worker.busy_timeout_s + call_s
    sane = call_s <= MAX_SERVER_TIMEOUT_S  # or that is told already
    if sane and settings.guard(name).breaker_hang_s <= longest_s:
        hint = f"Write more than {longest_s:g}, the time that a batch may take."
        yield Fault(("targets", name, "breaker_hang_s"), "A batch may take longer.", hint)


def _rate_faults(path: Path, guard: GuardOptions) -> Iterator[Fault]:
    try:
        quota = guard.quota
    except ValueError:
        hint = 'Write a number, a slash and s, min or h, such as "1000/min".'
        yield Fault((*path, "rate"), f"{guard.rate!r} is no rate.", hint)
        return
    if guard.burst is not None and quota is None:
        yield Fault((*path, "burst"), "Without a rate it has no effect.", "Write a `rate` too.")


def _name_faults(collection: Collection) -> Iterator[Fault]:
    path = ("collections", collection.name)
    if not COLLECTION_NAME.fullmatch(collection.name):
        hint = "Use up to 48 small letters, digits and _, a letter first."
        yield Fault(path, f"A collection cannot be called {collection.name!r}.", hint)


def _target_list_faults(collection: Collection, declared: set[str]) -> Iterator[Fault]:
    path = ("collections", collection.name, "target")
    for target in dict.fromkeys(collection.targets):
        if target not in declared:
            hint = did_you_mean(target, declared) if declared else f"Write [targets.{target}]."
            yield Fault(path, f"No target {target!r} is declared.", hint)
    if len(set(collection.targets)) < len(collection.targets):
        yield Fault(path, "A target is named twice.", "Name each target once.")


def _key_faults(collection: Collection) -> Iterator[Fault]:
    path = ("collections", collection.name)
    parts, kinds = len(collection.key), len(collection.key_types)
    if parts != kinds:
        fault = f"There are {kinds} types for {parts} parts of the key."
        hint = "Give one type for each name in `key`, in the same order."
        yield Fault((*path, "key_types"), fault, hint)
    if len(set(collection.key)) < parts:
        yield Fault((*path, "key"), "A part is named twice.", "Name each part once.")


def _table_faults(collection: Collection, settings: Settings) -> Iterator[Fault]:
    path = ("collections", collection.name)
    if collection.table is None:
        if collection.fields is not None:
            hint = "Name the `table`, or leave `fields` out: documents take every field."
            yield Fault((*path, "fields"), "Without a table, nothing has these columns.", hint)
        return
    options = [settings.targets.get(target) for target in collection.targets]
    if all(isinstance(each, HttpOptions) for each in options):
        hint = "Leave it out, and `fields` too: an endpoint gets every field."
        yield Fault((*path, "table"), "None of its targets has tables.", hint)
        return
    schema, _, table = collection.table.partition(".")
    if not schema or not table or "." in table:
        hint = f"Write schema.table, such as public.{table or schema or 'orders'}."
        yield Fault((*path, "table"), f"{collection.table!r} is no table's full name.", hint)
    for each in options:
        if isinstance(each, PostgresOptions) and each.schema == schema:
            hint = "Name a table of your own, in another schema."
            yield Fault((*path, "table"), f"The schema {schema!r} is syncpipe's own.", hint)


def _horizon_faults(
    collection: Collection, settings: Settings, written: frozenset[Path]
) -> Iterator[Fault]:
    path = ("collections", collection.name, "horizon")
    if collection.version is VersionSource.SOURCE and path in written:
        hint = "Leave it out: source-versioned collections keep what they need for good."
        yield Fault(path, "The horizon has no effect here.", hint)
    elif collection.horizon_s < MIN_HORIZON_S:
        fault = "What waits in the broker can arrive later than this horizon."
        yield Fault(path, fault, 'Write at least "1d"; longer than any outage or replay.')
    elif collection.horizon_s <= settings.client.delivery_timeout_s:
        fault = "A client may send an operation again for longer than this horizon."
        yield Fault(path, fault, "Make it longer than client.delivery_timeout_s.")


def _compensation_faults(collection: Collection) -> Iterator[Fault]:
    path, form = ("collections", collection.name, "compensation"), collection.compensation
    if form and form not in {DELETE, NEGATE} and not is_function(form):
        hint = f"Write {DELETE}, {NEGATE}, or a function as package.module:function."
        yield Fault(path, f"Nothing is compensated by {form!r}.", hint)
    if form == NEGATE and collection.version is VersionSource.SOURCE:
        hint = "Leave it out, or name a function."
        yield Fault(path, "Source-versioned collections take no increments to negate.", hint)


def _mask_faults(collection: Collection) -> Iterator[Fault]:
    if collection.fields is None:
        return
    known = {*collection.fields, EVERY}
    for name in collection.mask:
        if name not in known:
            path = ("collections", collection.name, "mask", name)
            yield Fault(path, "None of its fields has this name.", did_you_mean(name, known))


def _dictionary_faults(collection: Collection, settings: Settings) -> Iterator[Fault]:
    path, name = ("collections", collection.name, "dictionary"), collection.dictionary
    if name and not DICTIONARY_NAME.fullmatch(name):
        hint = "Write the name that `syncpipe dictionary train` gave it, without a folder."
        yield Fault(path, f"No dictionary is called {name!r}.", hint)
    elif name and not settings.dictionaries:
        hint = "Name the directory of its file above all tables, as `dictionaries`."
        yield Fault(path, "There is no directory of dictionaries.", hint)


def _shared_tables(settings: Settings) -> Iterator[Fault]:
    owners: dict[tuple[str, str], str] = {}
    for collection in settings.collections.values():
        for target in dict.fromkeys(collection.targets):
            if collection.table is None or isinstance(settings.targets.get(target), HttpOptions):
                continue
            owner = owners.setdefault((target, collection.table), collection.name)
            if owner != collection.name:
                fault = f"Collection {owner!r} has this table on target {target!r}."
                hint = "Give each collection a table of its own."
                yield Fault(("collections", collection.name, "table"), fault, hint)
