"""Records of targets as they are now, and what dead letters would make of them."""

from __future__ import annotations

import enum
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncpipe.core.deadletter import operation_of
from syncpipe.core.memory import judge
from syncpipe.core.operation import Kind
from syncpipe.core.outcome import Outcome
from syncpipe.errors import ConfigError, InvalidKey, Refused, SyncpipeError, TargetError
from syncpipe.targets.target import Group, Present

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from syncpipe.core.collection import Collection
    from syncpipe.core.operation import Operation
    from syncpipe.store.deadletters import Kept
    from syncpipe.targets.target import Target


class Prospect(enum.Enum):
    """What a target would make of a dead letter's operation, if it came now as it was sent."""

    #: It would change the record.
    CHANGES = "changes"
    #: The record is newer: the operation would end as superseded.
    NEWER = "newer"
    #: It was applied after all.
    APPLIED = "applied"
    #: Nobody can say: no operation could be read, or the target cannot be asked.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Look:
    """A dead letter beside the record that it is about."""

    #: Its operation; None where none can be read.
    operation: Operation | None
    #: What would become of it.
    prospect: Prospect
    #: The record; None where it could not be read.
    present: Present | None = None
    #: Why it could not; empty otherwise.
    why: str = ""


_PROSPECTS = {Outcome.DUPLICATE: Prospect.APPLIED, Outcome.SUPERSEDED: Prospect.NEWER}
#: Where records are: a target and a collection.
_Place = tuple[str, str]


class Records:
    """Asks targets for records. Safe to use from several threads."""

    def __init__(
        self, collections: Mapping[str, Collection], opened: Callable[[str], Target]
    ) -> None:
        """Ask for records of *collections*; *opened* opens a target by its name."""
        self._collections = collections
        self._opened = opened
        self._targets: dict[str, Target] = {}
        self._lock = threading.Lock()

    def target(self, name: str) -> Target:
        """Return the target *name*, which stays ours. Raises UnknownTarget."""
        with self._lock:
            if name not in self._targets:
                self._targets[name] = self._opened(name)
            return self._targets[name]

    def collection(self, name: str | None, target: str | None) -> Collection | None:
        """Return the collection *name*; None unless it is declared, and goes to *target*."""
        collection = self._collections.get(name or "")
        return collection if collection is not None and target in collection.targets else None

    def look(self, letters: Sequence[Kept]) -> list[Look]:
        """Return each of *letters* beside its record: one question for each target and collection.

        Nothing is raised for a target that cannot be asked: the answer says so.
        """
        operations = [operation_of(kept.letter) for kept in letters]
        places: dict[_Place, list[int]] = defaultdict(list)
        looks = [Look(operation, Prospect.UNKNOWN, why=_UNREADABLE) for operation in operations]
        for number, (kept, operation) in enumerate(zip(letters, operations, strict=True)):
            if operation is not None:
                places[kept.letter.target or "", operation.collection].append(number)
        for (target, collection), numbers in places.items():
            asked = [operation for n in numbers if (operation := operations[n])]
            answers = self._look(target, collection, asked)
            for number, answer in zip(numbers, answers, strict=True):
                looks[number] = answer
        return looks

    def seen(self, target: str, collection: Collection, operation: Operation) -> bool:
        """Return whether *operation* is known to have been applied. Raises TargetError."""
        group = Group(collection, operation.key, (operation,))
        return operation.id in self.target(target).seen([group])

    def close(self) -> None:
        """Give back connections. Idempotent."""
        with self._lock:
            targets, self._targets = list(self._targets.values()), {}
        for target in targets:
            target.close()

    def _look(self, target: str, name: str, operations: Sequence[Operation]) -> list[Look]:
        collection = self.collection(name, target)
        if collection is None:
            why = f"the configuration declares no collection {name!r} of target {target!r}"
            return [Look(operation, Prospect.UNKNOWN, why=why) for operation in operations]
        try:
            return self._judged(self.target(target), collection, operations)
        except (Refused, InvalidKey) as error:
            if len(operations) > 1:
                middle = len(operations) // 2
                halves = operations[:middle], operations[middle:]
                return [look for half in halves for look in self._look(target, name, half)]
            return [_unknown(operation, error) for operation in operations]
        except (TargetError, ConfigError) as error:
            return [_unknown(operation, error) for operation in operations]

    def _judged(
        self, target: Target, collection: Collection, operations: Sequence[Operation]
    ) -> list[Look]:
        keys = list({operation.key: None for operation in operations})
        found = target.read(collection, keys)
        if found is None:
            why = f"target {target.name!r} cannot be asked for its records"
            return [Look(operation, Prospect.UNKNOWN, why=why) for operation in operations]
        counted = [Group(collection, o.key, (o,)) for o in operations if o.kind is Kind.INCREMENT]
        known = target.seen(counted) if counted else set()
        return [
            Look(o, _PROSPECTS.get(judge(o, present.memory, known), Prospect.CHANGES), present)
            for o in operations
            if (present := found[o.key])
        ]


_UNREADABLE = "no operation can be read from its bytes"


def _unknown(operation: Operation, error: SyncpipeError) -> Look:
    """Return that *operation* cannot be judged, in the words of *error* without any value."""
    return Look(operation, Prospect.UNKNOWN, why=f"the target could not be asked ({error.code})")
