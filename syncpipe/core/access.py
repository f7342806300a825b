"""Who somebody is, and what that allows."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from syncpipe.errors import AccessDenied


class Role(enum.IntEnum):
    """What somebody may do; each may what those before it may."""

    #: Look, without what is in operations.
    VIEWER = 1
    #: Replay, edit, discard, restore, mute, pause, resume and cancel.
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
