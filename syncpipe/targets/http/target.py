"""An HTTP endpoint as a target."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from syncpipe.errors import Refused, RefusedForNow, TargetError
from syncpipe.resilience.classification import Classification
from syncpipe.targets.http.answer import one_line
from syncpipe.targets.http.batch import COMPRESSIONS, body_of, key_of, text_of
from syncpipe.targets.http.endpoint import Endpoint
from syncpipe.targets.http.results import Reading, UnreadableError, held
from syncpipe.targets.target import Check, Collected, Description, apply_one_by_one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from collections.abc import Collection as Keys

    from syncpipe.core.chance import Clock
    from syncpipe.core.collection import Collection
    from syncpipe.core.operation import Operation
    from syncpipe.core.outcome import Result
    from syncpipe.targets.http.answer import Answer
    from syncpipe.targets.http.options import HttpOptions
    from syncpipe.targets.target import Group, Judgement

#: Most bytes of an answer: so many, and so many more for each operation.
_ANSWER_BYTES, _RESULT_BYTES = 64 * 1024, 4 * 1024


class HttpTarget:
    """Posts operations to an HTTP endpoint; implements the port `Target`.

    Every operation is sent as it is, those of a record in version order: what they make of the
    record is for the endpoint to say, by their versions.
    """

    def __init__(
        self, options: HttpOptions, collections: Mapping[str, Collection], clock: Clock
    ) -> None:
        """Prepare for *collections*, those that this target takes; nothing is opened yet."""
        self.name = options.name
        self._options = options
        self._collections = collections
        self._clock = clock
        self._classification = Classification(options.classify)
        self._endpoint = Endpoint(options, clock, self._classification)
        self._reading = Reading(
            options.name, self._endpoint.path, self._classification, self._endpoint.masked
        )

    def now_ms(self) -> int:
        """Return this machine's clock: an endpoint has none that we could ask."""
        return self._clock.now_ms()

    def ping(self) -> None:
        """Return if the endpoint can be connected, or says that it is well where it has a word."""
        if self._options.health_url is None:
            self._endpoint.reach()
            return
        answer = self._endpoint.get(self._options.health_url)
        if not answer.is_success:
            raise self._error(answer)

    def seen(self, groups: Sequence[Group]) -> set[bytes]:  # noqa: ARG002 - nobody could tell
        """Return nothing: an endpoint cannot be asked what it knows."""
        return set()

    def read(
        self,
        collection: Collection,
        keys: Sequence[str],
    ) -> None:
        """Return that nobody can say: an endpoint cannot be asked for its records."""

    def apply(
        self,
        groups: Sequence[Group],
        *,
        now_ms: int,  # noqa: ARG002 - the endpoint has its own clock
    ) -> list[Result]:
        """Apply operations as `Target.apply` promises, as far as the endpoint honours what it gets.

        One request, unless somebody gave operations on two records the same id.
        """
        results: list[Result] = []
        for part in _parts(groups):
            results += self._apply(part)
        return results

    def apply_each(self, groups: Sequence[Group], *, now_ms: int) -> list[Judgement]:
        """Apply each group for itself, in a request of its own."""
        return apply_one_by_one(self, groups, now_ms=now_ms)

    def collect(
        self,
        collection: Collection,  # noqa: ARG002 - the endpoint keeps what it wants
        *,
        keep: Keys[str] = (),  # noqa: ARG002
    ) -> Collected:
        """Forget nothing: what is remembered lies with the endpoint."""
        return Collected()

    def init(self) -> list[str]:
        """Make nothing: what is needed lies with the endpoint."""
        return []

    def test(self) -> list[Check]:
        """Connect, ask whether the endpoint is well, and have it take an empty batch."""
        try:
            checks = [Check("connect", ok=True, detail=self._endpoint.reach())]
        except TargetError as fault:
            return [Check("connect", ok=False, detail=str(fault))]
        if self._options.health_url is not None:
            checks.append(_checked("health", self.ping, "well"))
        return [*checks, _checked("empty batch", self._offer_nothing, "accepted")]

    def describe(self) -> list[Description]:
        """Return that each collection may hold every field."""
        fields = (("*", "any field, as JSON"),)
        return [Description(name, self._endpoint.path, fields) for name in self._collections]

    def close(self) -> None:
        """End all connections. Idempotent."""
        self._endpoint.close()

    def _apply(self, operations: Sequence[Operation]) -> list[Result]:
        answer = self._post(operations)
        if not answer.is_success:
            raise self._error(answer)
        if answer.is_done:
            return held(operations)
        try:
            return self._reading.results(
                operations, answer.body, retry_after_s=answer.retry_after_s
            )
        except UnreadableError as fault:
            what = f"answered {answer.status}, but {fault}"
            raise self._endpoint.fault("unreadable", what) from fault

    def _post(self, operations: Sequence[Operation]) -> Answer:
        texts = [text_of(operation) for operation in operations]
        key = key_of(self.name, texts)
        body = body_of(self.name, key, texts)
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        compression = self._options.compression
        if compression in COMPRESSIONS:
            body = COMPRESSIONS[compression](body)
            headers["Content-Encoding"] = compression
        most_bytes = _ANSWER_BYTES + _RESULT_BYTES * len(operations)
        return self._endpoint.post(body, headers, most_bytes=most_bytes)

    def _offer_nothing(self) -> None:
        self._apply(())

    def _error(self, answer: Answer) -> TargetError:
        """Return the error for an *answer* that is no success.

        What the endpoint says beside may hold values, so only the dead letter of what it refuses
        repeats it, never a line of the log.
        """
        error = self._refusal(answer, "")
        why = one_line(self._endpoint.masked(answer.text)).rstrip(".")
        told = bool(why) and isinstance(error, Refused | RefusedForNow)
        return self._refusal(answer, f": {why}") if told else error

    def _refusal(self, answer: Answer, why: str) -> TargetError:
        message = f"Target {self.name!r} answered {_named(answer.status)}"
        if answer.location is not None:
            message += f", a redirect to {answer.location}, and none is followed"
        return self._classification.of_status(
            answer.status,
            self._endpoint.masked(f"{message}{why}."),
            endpoint=self._endpoint.path,
            retry_after_s=answer.retry_after_s,
        )


def _checked(name: str, look: Callable[[], None], well: str) -> Check:
    try:
        look()
    except TargetError as fault:
        return Check(name, ok=False, detail=str(fault))
    return Check(name, ok=True, detail=well)


def _named(status: int) -> str:
    """Return *status* with its name."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _parts(groups: Iterable[Group]) -> list[list[Operation]]:
    """Return the operations of *groups* so that each id is once in each part: answers go by id.

    In the order of their records and versions, so that the same operations are the same request.
    """
    parts: list[dict[bytes, Operation]] = []
    for group in sorted(groups, key=lambda group: (group.collection.name, group.key)):
        members = {operation.id: operation for operation in group.operations}
        part = next((part for part in parts if part.keys().isdisjoint(members)), None)
        if part is None:
            part = {}
            parts.append(part)
        part.update(members)
    return [list(part.values()) for part in parts]
