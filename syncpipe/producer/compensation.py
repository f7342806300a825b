"""Makes what undoes an applied member of a group, by the user's own function if one is named."""

from __future__ import annotations

import importlib
import operator
import uuid
from typing import TYPE_CHECKING

from syncpipe.core.codec import decode_all, encode
from syncpipe.core.collection import VersionSource
from syncpipe.core.compensation import (
    Compensation,
    compensation_id,
    is_function,
    own_version,
    undoing,
)
from syncpipe.core.keys import key_values
from syncpipe.errors import CompensationFailed, ConfigError, SyncpipeError
from syncpipe.producer.draft import Draft, DraftLike, draft_of
from syncpipe.producer.intake import Intake
from syncpipe.producer.stamps import Stamper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncpipe.core.chance import Clock, Random
    from syncpipe.core.collection import Collection
    from syncpipe.core.operation import Operation
    from syncpipe.core.routing import Priority

    #: Returns what undoes an operation, or None for nothing. Called again where it raises, or where
    #: its process dies, so it should change nothing itself.
    Function = Callable[[Operation], DraftLike | None]

#: What a function leaves to us.
_OURS = ("id", "after", "delay", "not_before", "group_id")


class Compensator:
    """Makes compensations as collections declare them. Thread-safe if their functions are."""

    def __init__(
        self, collections: Mapping[str, Collection], *, clock: Clock, random: Random
    ) -> None:
        """Import the functions that *collections*, by name, name. Raises ConfigError."""
        self._collections = collections
        self._clock = clock
        self._intake = Intake(collections, 1, Stamper(clock, random))
        self._functions = {
            name: _function(name, each.compensation)
            for name, each in collections.items()
            if is_function(each.compensation)
        }

    def __call__(self, raw: bytes, target: str, priority: Priority) -> Compensation | None:
        """Return what undoes the operation *raw*, which *target* has applied, or None: nothing.

        It came with *priority*, and what undoes it goes so too, unless a function says otherwise.

        Raises:
            CompensationFailed: its collection's function raised, or returned what cannot be sent
                to *target*; so does whatever else goes wrong, because others are undone beside it.

        """
        try:
            return self._made(raw, target, priority)
        except CompensationFailed:
            raise
        except (Exception, SystemExit) as fault:
            what = fault.message if isinstance(fault, SyncpipeError) else type(fault).__name__
            raise CompensationFailed(
                f"What undoes an operation cannot be made: {what.rstrip('.')}."
            ) from fault

    def _made(self, raw: bytes, target: str, priority: Priority) -> Compensation | None:
        ((operation, _),) = decode_all(raw)
        collection = self._collections.get(operation.collection)
        if collection is None:
            return None
        if (function := self._functions.get(collection.name)) is not None:
            return self._drafted(function, operation, collection, target)
        undo = undoing(operation, collection, self._clock.now_ms())
        return None if undo is None else Compensation(undo, encode(undo), priority)

    def _drafted(
        self, function: Function, operation: Operation, collection: Collection, target: str
    ) -> Compensation | None:
        name = collection.compensation
        try:
            drafted = function(operation)
        except (Exception, SystemExit) as fault:  # whatever it is, others are compensated
            raise CompensationFailed(f"{name} raised {type(fault).__name__}.") from fault
        try:
            return None if drafted is None else self._accept(draft_of(drafted), operation, target)
        except SyncpipeError as error:
            raise CompensationFailed(
                f"What {name} returned cannot be sent: {error.message}"
            ) from error

    def _accept(self, draft: Draft, operation: Operation, target: str) -> Compensation:
        chosen = [name for name in _OURS if getattr(draft, name) is not None]
        if chosen:
            raise CompensationFailed(f"It chooses {', '.join(chosen)}, which is not its to choose.")
        collection = self._collections.get(draft.collection)
        if collection is not None and target not in collection.targets:
            raise CompensationFailed(f"{collection.name} does not go to {target}.")
        if collection is not None and draft.key == operation.key:
            draft = draft._replace(key=key_values(collection, operation.key))
        accepted = self._intake.accept(
            draft._replace(
                id=uuid.UUID(bytes=compensation_id(operation)),
                version=self._version(draft, collection, operation),
            )
        )
        ((undo, raw),) = decode_all(accepted.data)
        return Compensation(undo, raw, accepted.routes[0].priority)

    def _version(
        self, draft: Draft, collection: Collection | None, operation: Operation
    ) -> int | None:
        """Return the version of what *draft* asks for, None where its function has to give one."""
        if collection is None or (
            collection.version is VersionSource.SOURCE
            and (draft.version is not None or collection.name != operation.collection)
        ):
            return draft.version
        if draft.version is not None:
            raise CompensationFailed("It chooses a version, which is not its to choose.")
        return own_version(operation, collection, self._clock.now_ms())


def _function(collection: str, form: str) -> Function:
    module, _, name = form.partition(":")
    where = f"collections.{collection}.compensation"
    try:
        found = operator.attrgetter(name)(importlib.import_module(module))
    except Exception as fault:  # a module may raise anything while it is imported
        raise ConfigError(f"{form!r} of {where} cannot be imported: {fault!r}.") from fault
    if not callable(found):
        raise ConfigError(f"{form!r} of {where} is no function.")
    return found  # type: ignore[no-any-return]
