"""Acts that no transaction of the store does: who may, and what the audit says of them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

from syncpipe.cli.identity import whoever
from syncpipe.cli.options import opened_store
from syncpipe.cli.output import note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncpipe.app import App
    from syncpipe.core.access import Identity
    from syncpipe.store.store import OnCallStore


class Accountable(NamedTuple):
    """An operator, who is about to act."""

    #: Who.
    identity: Identity
    #: Where it is written down; None without a store, or without a key of the audit.
    store: OnCallStore | None

    def write(self, verb: str, subject: str, reason: str = "", **details: Any) -> None:
        """Write down what is about to be done. A store that is away keeps nobody from it.

        Raises:
            AuditKeyDiffers: the audit was written with another key.

        """
        from syncpipe.core.audit import Act
        from syncpipe.errors import StoreError

        if self.store is None:
            return
        try:
            head = self.store.audit.write(Act(self.identity.actor, verb, subject, reason, details))
        except StoreError as error:
            note(f"This is in no audit: {error}")
        else:
            note(f"Audit: {head}")


@contextlib.contextmanager
def accountable(app: App, act: str) -> Iterator[Accountable]:
    """Return whoever runs this command, if they may *act*, such as "purge queues".

    While the store is away, nobody has the names of its roles.

    Raises:
        AccessDenied: they may not.

    """
    from syncpipe.core.access import Role

    with opened_store(app) as store:
        identity = _identity(app, store)
        identity.require(Role.OPERATOR, act)
        yield Accountable(identity, store if app.settings.audit.key else None)


def _identity(app: App, store: OnCallStore | None) -> Identity:
    from syncpipe.errors import StoreError

    try:
        return whoever(app, store)
    except StoreError as error:
        note(f"Nobody can tell what roles of PostgreSQL you have: {error}")
        return whoever(app, None)
