"""Who somebody is, and what that allows."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from syncpipe.errors import AccessDenied

if TYPE_CHECKING:
    from collections.abc import Collection


class Role(enum.IntEnum):
    """What somebody may do; each may what those before it may."""

    #: Look, without what is in operations.
    VIEWER = 1
    #: Replay, edit, discard, restore, mute, pause, resume and cancel; purge and rescue queues.
    OPERATOR = 2
    #: See, filter by and export what is in operations, and purge.
    ADMIN = 3

    @property
    def word(self) -> str:
        """The role as it is written in configurations and messages."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who asks for something."""

    #: As the audit names them, such as ``ann@laptop`` or ``basic:ann``.
    actor: str
    #: What they may do.
    role: Role

    def require(self, role: Role, act: str) -> None:
        """Return if they may do what takes *role*; *act* says what, such as "replay".

        Raises:
            AccessDenied: they may not.

        """
        if self.role < role:
            raise AccessDenied(
                f"{self.actor} is {self.role.word}; to {act} takes the role {role.word}."
            )


#: Kinds of names that people have: an account of a machine, a role of the store's database that the
#: store's user is a member of, and the two ways to log in to Flower.
KINDS = ("cli", "postgres", "basic", "oauth")


@dataclass(frozen=True, slots=True)
class Access:
    """Who may do what, ``[access]``; of several lists with somebody, the last one counts."""

    #: Who may look, without seeing what is in operations: cli:USER, postgres:ROLE (whoever's store
    #: user is a member of it), basic:NAME and oauth:EMAIL (of Flower).
    viewers: tuple[str, ...] = ()
    #: Who may replay, edit, discard, restore, mute, pause, resume and cancel, and purge and rescue
    #: queues, too.
    operators: tuple[str, ...] = ()
    #: Who may see, filter by and export what is in operations, and purge, too.
    admins: tuple[str, ...] = ()
    #: Role of everybody else: viewer, operator or admin; none: they are refused.
    default: Literal["viewer", "operator", "admin", "none"] = "operator"

    @property
    def roles_of_database(self) -> frozenset[str]:
        """The PostgreSQL roles that are named."""
        named = {*self.viewers, *self.operators, *self.admins}
        return frozenset(
            name.removeprefix("postgres:") for name in named if name.startswith("postgres:")
        )

    def identity(self, actor: str, names: Collection[str]) -> Identity:
        """Return *actor*, who has all of *names*, with the highest role that any of them has.

        Raises:
            AccessDenied: none of them has any.

        """
        listed = {Role.ADMIN: self.admins, Role.OPERATOR: self.operators, Role.VIEWER: self.viewers}
        for role, named in listed.items():
            if not set(names).isdisjoint(named):
                return Identity(actor, role)
        if self.default == "none":
            known = ", ".join(sorted(names)) or "nobody"
            raise AccessDenied(f"{actor} has no role: [access] names none of {known}.")
        return Identity(actor, Role[self.default.upper()])
