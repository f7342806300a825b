"""What the pages ask: store, broker and configuration, opened when first needed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from syncpipe.errors import StoreMissing
from syncpipe.ops import lanes
from syncpipe.ui import words
from syncpipe.ui.sampling import Sampler

if TYPE_CHECKING:
    from syncpipe.app import App
    from syncpipe.audit import AuditLog
    from syncpipe.core.access import Identity
    from syncpipe.deadletters.letters import DeadLetters
    from syncpipe.ops.lanes import Status
    from syncpipe.replay.service import Replays
    from syncpipe.store.store import OnCallStore
    from syncpipe.transport.broker import Broker

#: Questions to the store at once; each has a connection, and the sampler one more.
_AT_ONCE = 4


class Backend:
    """One for each process that shows pages. Safe to use from several threads."""

    def __init__(self, parts: App) -> None:
        """Prepare; nothing is opened yet."""
        most = max(parts.settings.store.pool_max, _AT_ONCE + 1)
        store = replace(parts.settings.store, pool_max=most)
        self.parts = replace(parts, settings=replace(parts.settings, store=store))
        #: Where whatever asks the store or the broker runs, so that it blocks no page.
        self.executor = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="syncpipe-ui")
        self.sampler = Sampler(self._look, parts.clock)
        self._lock = threading.Lock()
        self._store: OnCallStore | None = None
        self._broker: Broker | None = None
        self._records = self.parts.records()

    def store(self) -> OnCallStore:
        """Return the store. Raises StoreMissing."""
        with self._lock:
            if self._store is None:
                self._store = self.parts.store()
        if self._store is None:
            raise StoreMissing(
                "The configuration names no store: dead letters stay in the broker, in sp.dead."
            )
        return self._store

    def badge(self) -> str:
        """Return how many dead letters are open, for the tab; empty for none, or not known."""
        sample = self.sampler.latest()
        kept = sample.status.kept if sample and sample.status else None
        return words.number(kept) if kept else ""

    def identity(self, actor: str) -> Identity:
        """Return *actor* with the role that the configuration gives them. Raises AccessDenied."""
        return self.parts.settings.access.identity(actor, {actor})

    def letters(self, identity: Identity) -> DeadLetters:
        """Return what *identity* may do with dead letters. Raises StoreMissing."""
        return self.parts.dead_letters(self.store(), identity, self._records)

    def replays(self, identity: Identity) -> Replays:
        """Return what *identity* may do with replays. Raises StoreMissing."""
        return self.parts.replays(self.store(), identity)

    def audit(self, identity: Identity) -> AuditLog:
        """Return the audit as *identity* may see it. Raises StoreMissing."""
        return self.parts.audit_log(self.store(), identity)

    def close(self) -> None:
        """Give everything back. Idempotent."""
        self.sampler.close()
        self.executor.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            store, broker, self._store, self._broker = self._store, self._broker, None, None
        self._records.close()
        if store is not None:
            store.close()
        if broker is not None:
            broker.close()

    def _look(self) -> Status:
        settings = self.parts.settings
        if self._broker is None:
            self._broker = self.parts.broker()
        store = self.store() if settings.store.dsn else None
        return lanes.look(self._broker, list(settings.targets), settings.shards, store)
