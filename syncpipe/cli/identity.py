"""Who runs a command, and what that allows."""

from __future__ import annotations

import os
import pwd
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncpipe.app import App
    from syncpipe.core.access import Identity
    from syncpipe.store.store import OnCallStore


def whoever(app: App, store: OnCallStore | None) -> Identity:
    """Return whoever runs this command, by the account of its process.

    They have the names ``cli:USER`` and, of the roles of PostgreSQL that [access] names,
    ``postgres:ROLE`` for each that the *store*'s user is a member of; none without a store.

    Raises:
        AccessDenied: [access] has no role for them.
        StoreUnavailable: it names roles of PostgreSQL, and the store cannot be asked.

    """
    access, user = app.settings.access, _account()
    names = {f"cli:{user}"}
    if store is not None and (roles := access.roles_of_database):
        names |= {f"postgres:{role}" for role in store.memberships(roles)}
    return access.identity(f"{user}@{socket.gethostname()}", names)


def _account() -> str:
    """Return the name of the account, or its number where it has none; variables do not count."""
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
