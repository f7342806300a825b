"""Every error syncpipe raises, in one tree.

.. code-block:: text

    SyncpipeError
    ├── ConfigError                 SP-E100  the configuration is not usable
    │   ├── UnknownCollection       SP-E101
    │   ├── UnknownTarget           SP-E102
    │   ├── BrokerUnsupported       SP-E103
    │   └── TopologyConflict        SP-E104
    ├── InvalidOperation            SP-E200  refused before it was accepted; nothing was sent
    │   ├── InvalidKey              SP-E201
    │   ├── InvalidValue            SP-E202
    │   ├── InvalidVersion          SP-E203
    │   └── OperationTooLarge       SP-E204
    ├── EnvelopeError               SP-E300  bytes that are not a readable envelope
    │   ├── NotAnEnvelope           SP-E301
    │   ├── EnvelopeTruncated       SP-E302
    │   ├── ChecksumMismatch        SP-E303
    │   ├── UnknownFormat           SP-E304
    │   ├── EnvelopeTooLarge        SP-E305
    │   ├── MalformedEnvelope       SP-E306
    │   ├── DictionaryMissing       SP-E307
    │   └── DictionaryUnreadable    SP-E308
    ├── SendError                   SP-E400  the operation may not have been sent
    │   ├── BufferFull              SP-E401
    │   ├── BrokerUnavailable       SP-E402
    │   │   └── QueueMissing        SP-E406
    │   ├── DeliveryTimeout         SP-E403
    │   ├── BrokerFull              SP-E404
    │   └── ClientClosed            SP-E405
    ├── TargetError                 SP-E500  a target did not take operations
    │   ├── TargetUnavailable       SP-E501
    │   ├── TargetBusy              SP-E502
    │   ├── TargetMisconfigured     SP-E503
    │   ├── TargetThrottled         SP-E504
    │   ├── RefusedForNow           SP-E510
    │   │   └── TooSlow             SP-E515
    │   ├── Refused                 SP-E511
    │   ├── VersionAhead            SP-E512
    │   ├── TooLate                 SP-E513
    │   ├── UnexpectedMessage       SP-E514
    │   ├── Quarantined             SP-E516
    │   └── Cancelled               SP-E517
    ├── ServiceError                SP-E600  a process of ours cannot do its work
    │   ├── EmbeddedError           SP-E601
    │   │   ├── AlreadyRunning      SP-E606
    │   │   └── DirectoryClosed     SP-E607
    │   ├── ClockSkew               SP-E602
    │   ├── NotRunning              SP-E603
    │   ├── ChildFailed             SP-E604
    │   ├── Stalled                 SP-E605
    │   ├── CompensationFailed      SP-E608
    │   └── NothingHeard            SP-E609
    ├── StoreError                  SP-E700  the store cannot be asked
    │   ├── StoreUnavailable        SP-E701
    │   ├── StoreOutdated           SP-E702
    │   └── StoreMissing            SP-E703
    └── ActError                    SP-E800  what somebody on call wanted was not done
        ├── InvalidFilter           SP-E801
        ├── AccessDenied            SP-E802
        ├── AuditKeyMissing         SP-E803
        ├── NotPossible             SP-E804
        ├── AuditKeyDiffers         SP-E805
        ├── LossNotAccepted         SP-E806
        └── NothingLearned          SP-E807

A code is stable for ever and is what people search for; ``syncpipe explain CODE`` prints the class
docstring and the hint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping


class SyncpipeError(Exception):
    """Anything that goes wrong in syncpipe; catch it to catch them all."""

    #: Stable code, ``SP-E`` and three digits.
    code: ClassVar[str] = "SP-E000"
    #: Whether doing the same again later can succeed without anybody changing anything.
    retryable: ClassVar[bool] = False
    #: What to do next, as a sentence.
    hint: ClassVar[str] = "Run `syncpipe explain` with the code for more."

    def __init__(self, message: str) -> None:
        """Keep *message*, a sentence without code and hint."""
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        """Code, message and what to do."""
        return f"{self.code} {self.message} {self.hint}"


class ConfigError(SyncpipeError):
    """The configuration cannot be used; nothing was started."""

    code = "SP-E100"
    hint = "Run `syncpipe config check` to see every mistake at once."

    def __init__(self, message: str, *, unfit: Mapping[str, tuple[str, str]] | None = None) -> None:
        """Keep of each *unfit* option what is wrong and what to write instead, a sentence each."""
        super().__init__(message)
        self.unfit = unfit or {}


class UnknownCollection(ConfigError):
    """An operation names a collection that the configuration does not declare."""

    code = "SP-E101"
    hint = "Declare it as [collections.NAME] in the configuration, or correct the name."


class UnknownTarget(ConfigError):
    """A collection or command names a target that the configuration does not declare."""

    code = "SP-E102"
    hint = "Declare it as [targets.NAME] in the configuration, or correct the name."


class BrokerUnsupported(ConfigError):
    """The broker answers, but is of a kind on which messages cannot be kept safe."""

    code = "SP-E103"
    hint = "Use a single Redis (with replicas, if you like), not a node of a Redis Cluster."


class TopologyConflict(ConfigError):
    """A queue or exchange exists in the broker with other properties than ours must have."""

    code = "SP-E104"
    hint = "Drain and delete it, then run `syncpipe migrate` again; nothing was changed."


class InvalidOperation(SyncpipeError):
    """The operation was refused before it was accepted: nothing was buffered or sent."""

    code = "SP-E200"
    hint = "Correct the operation and call again."


class InvalidKey(InvalidOperation):
    """The key does not have the declared form.

    Every record has one canonical key text, so that two spellings never become two records:
    integers without sign or leading zeros, UUIDs in lower case with hyphens, text as it is.
    """

    code = "SP-E201"
    hint = "Give the key in its declared type and canonical spelling."


class InvalidValue(InvalidOperation):
    """A value inside the document cannot travel unchanged; the message names its path."""

    code = "SP-E202"
    hint = (
        "Use null, bool, int, finite float, Decimal, str, bytes, aware datetime, date, time, UUID, "
        "list, or dict with str keys, at most 64 levels deep."
    )


class InvalidVersion(InvalidOperation):
    """The version is missing, out of range, or of the wrong kind for the collection."""

    code = "SP-E203"
    hint = (
        'Give a positive 64-bit integer where the collection declares version = "source"; '
        'leave it out, or repeat the one of an earlier receipt, where it declares "hlc".'
    )


class OperationTooLarge(InvalidOperation):
    """The encoded operation is larger than 1 MiB."""

    code = "SP-E204"
    hint = "Split the document, or store the large part elsewhere and send a reference to it."


class EnvelopeError(SyncpipeError):
    """Bytes from the broker that cannot be read as an envelope; they are kept as a dead letter."""

    code = "SP-E300"
    hint = "The raw bytes are kept in the dead-letter queue; nothing was applied from them."


class NotAnEnvelope(EnvelopeError):
    """The bytes do not begin like an envelope: something else was put into our queue."""

    code = "SP-E301"


class EnvelopeTruncated(EnvelopeError):
    """The bytes end before the envelope does."""

    code = "SP-E302"


class ChecksumMismatch(EnvelopeError):
    """Header or body were altered after the envelope was sealed."""

    code = "SP-E303"


class UnknownFormat(EnvelopeError):
    """The envelope was written by a newer, or a long gone, release."""

    code = "SP-E304"
    hint = "Upgrade the workers before the producers, then replay the dead letter."


class EnvelopeTooLarge(EnvelopeError):
    """The envelope is, or unpacks to, more than the limit."""

    code = "SP-E305"


class MalformedEnvelope(EnvelopeError):
    """The checksum fits but the content is not what this format allows."""

    code = "SP-E306"


class DictionaryMissing(EnvelopeError):
    """A dictionary that small envelopes are compressed with is not there, or not whole.

    A client then compresses without it. A worker cannot open what was compressed with it.
    """

    code = "SP-E307"
    hint = (
        "Put its file into the directory that `dictionaries` names, on every machine with workers; "
        "`syncpipe dictionary list` shows what is there. Then replay the dead letters."
    )


class DictionaryUnreadable(EnvelopeError):
    """A dictionary that small envelopes are compressed with cannot be read just now.

    A client then compresses without it. What was compressed with it waits in the worker, uncounted.
    """

    code = "SP-E308"
    retryable = True
    hint = (
        "If it does not pass: the worker's user has to be able to read the directory that "
        "`dictionaries` names, and needs file descriptors for it."
    )


class SendError(SyncpipeError):
    """The operation is not confirmed. Sending it again with the same id and version is safe."""

    code = "SP-E400"
    retryable = True
    hint = "Send it again with the same id and version: it cannot be doubled."

    def __init__(
        self, message: str, *, operation_id: str | None = None, version: int | None = None
    ) -> None:
        """Keep the id and version to send again with, once an operation is known."""
        super().__init__(message)
        self.operation_id = operation_id
        self.version = version

    def __str__(self) -> str:
        """Code, message, what to do, and the operation."""
        text = super().__str__()
        if self.operation_id is None:
            return text
        return f"{text} [id {self.operation_id}, version {self.version}]"


class BufferFull(SendError):
    """The client's buffer stayed full for ``max_block``: the broker takes less than you give."""

    code = "SP-E401"
    hint = "Wait `retry_after` seconds and call again, or scale the workers."

    def __init__(
        self,
        message: str,
        retry_after: float,
        *,
        operation_id: str | None = None,
        version: int | None = None,
    ) -> None:
        """Keep *retry_after*, the seconds after which room is likely."""
        super().__init__(message, operation_id=operation_id, version=version)
        self.retry_after = retry_after


class BrokerUnavailable(SendError):
    """The broker cannot be asked, or refused the message; nothing of it was stored.

    An operation is sent again with its id and version.
    """

    code = "SP-E402"
    hint = "Check the broker and its URL, then try again."


class QueueMissing(BrokerUnavailable):
    """The broker has no such queue, so the message was stored nowhere."""

    code = "SP-E406"
    hint = "Run `syncpipe migrate` with the configuration that the producers and workers use."


class DeliveryTimeout(SendError):
    """The broker did not confirm in time: the message may or may not be stored."""

    code = "SP-E403"


class BrokerFull(SendError):
    """The broker is out of memory or disk, or a queue is at its length limit: it refuses messages.

    On RabbitMQ a queue refuses, too, while most of its nodes are away.
    """

    code = "SP-E404"
    hint = (
        "Let the workers drain the queue, give the broker memory or disk, or raise the queue's "
        "max-length; then send again."
    )


class ClientClosed(SendError):
    """The client was closed before the operation could be sent."""

    code = "SP-E405"
    retryable = False
    hint = "Create a new client; operations of a closed one must be sent again."


class TargetError(SyncpipeError):
    """A target did not take operations.

    *sqlstate* is the five-character SQLSTATE of PostgreSQL where there is one, *constraint* the
    name of the violated constraint; *status* is the status of HTTP where there is one, *endpoint*
    the path that answered. *unknown* is the code of an error of which nothing says what it means.
    """

    code = "SP-E500"
    hint = "Run `syncpipe target test NAME`."

    def __init__(
        self,
        message: str,
        *,
        sqlstate: str | None = None,
        constraint: str | None = None,
        status: int | None = None,
        endpoint: str | None = None,
        unknown: str | None = None,
    ) -> None:
        """Keep what the target said beside the *message*."""
        super().__init__(message)
        self.sqlstate = sqlstate
        self.constraint = constraint
        self.status = status
        self.endpoint = endpoint
        self.unknown = unknown


class TargetUnavailable(TargetError):
    """The target is down or read-only: nothing is wrong with the operations, which wait."""

    code = "SP-E501"
    retryable = True
    hint = "Operations wait in the broker and go on by themselves when the target is back."


class TargetBusy(TargetError):
    """Deadlock, serialization failure, lock timeout or a cut connection: tried again at once."""

    code = "SP-E502"
    retryable = True
    hint = "Nothing to do; if it stays, look for long transactions on the target."


class TargetMisconfigured(TargetError):
    """The target would refuse everything: a missing table, column, right or database."""

    code = "SP-E503"
    retryable = True
    hint = (
        "Run `syncpipe target test NAME` and mend what it shows; operations wait meanwhile and go "
        "on by themselves."
    )


class TargetThrottled(TargetError):
    """The target takes no more for now, because it was asked too often.

    *retry_after_s* is how long it wants to be left alone, in seconds; None where it did not say.
    """

    code = "SP-E504"
    retryable = True
    hint = "Operations wait and go on by themselves; set `rate` of the target to what it takes."

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        sqlstate: str | None = None,
        constraint: str | None = None,
        status: int | None = None,
        endpoint: str | None = None,
    ) -> None:
        """Keep *retry_after_s* beside what the target said."""
        super().__init__(
            message, sqlstate=sqlstate, constraint=constraint, status=status, endpoint=endpoint
        )
        self.retry_after_s = retry_after_s


class RefusedForNow(TargetError):
    """The target refused one operation for a reason that may pass, such as a missing parent row."""

    code = "SP-E510"
    retryable = True
    hint = "It is tried again for a while; send what it depends on."


class TooSlow(RefusedForNow):
    """The target needed longer for one operation than a statement or request may take."""

    code = "SP-E515"
    hint = "It is tried again for a while; look at the target's triggers, indexes and load."


class Refused(TargetError):
    """The target refused one operation for good: it breaks a constraint or does not fit a type."""

    code = "SP-E511"
    hint = "Correct the data and send it as a new operation; the refused one is a dead letter."


class VersionAhead(TargetError):
    """The operation's version lies more than 60 seconds ahead of the target's clock.

    Applied, it would win against everything written until that time comes.
    """

    code = "SP-E512"
    hint = "Mend the producer's clock, then replay the dead letter."


class TooLate(TargetError):
    """The operation is older than the horizon and what would be needed to judge it is gone."""

    code = "SP-E513"
    hint = "Compare the record by hand; send a new operation if the change is still wanted."


class UnexpectedMessage(TargetError):
    """An operation in this lane does not belong there, or breaks its collection's declaration."""

    code = "SP-E514"
    hint = "Give producers and workers the same configuration, then replay the dead letter."


class Quarantined(TargetError):
    """The worker process died each time it applied this operation, so it is tried no more."""

    code = "SP-E516"
    hint = "Read the workers' log for how they died; mend that, then replay the dead letter."


class Cancelled(TargetError):
    """Another operation of its group ended dead before this one was applied."""

    code = "SP-E517"
    hint = "Look at the group's other dead letters; send the group again as new operations."


class ServiceError(SyncpipeError):
    """A process of ours cannot do its work."""

    code = "SP-E600"


class EmbeddedError(ServiceError):
    """A private Redis or PostgreSQL could not be started."""

    code = "SP-E601"
    hint = "Mend what the message names; `make clean` removes a broken state directory."


class AlreadyRunning(EmbeddedError):
    """Private services of this state directory run already, and are left alone."""

    code = "SP-E606"
    hint = "Use them (`syncpipe status`), or stop them first (`make down` or `syncpipe down`)."


class DirectoryClosed(EmbeddedError):
    """Started by root, PostgreSQL runs as another user, who may not enter its own directory.

    Each directory above it has to let everybody pass.
    """

    code = "SP-E607"
    hint = "Set TMPDIR to a directory that lets everybody pass, such as /tmp, or `chmod o+x` them."


class ClockSkew(ServiceError):
    """This machine's clock differs from the target's by more than 5 seconds."""

    code = "SP-E602"
    hint = "Synchronise the clocks (NTP), then start the worker again."


class NotRunning(ServiceError):
    """The services or workers that the command needs are not running."""

    code = "SP-E603"
    hint = "Start them with `make up KEEP=1`, or point the configuration at running ones."


class ChildFailed(ServiceError):
    """A process that we started ended, or did not answer, before it was ready."""

    code = "SP-E604"
    hint = "Mend what its log shows, then start again."


class Stalled(ServiceError):
    """Envelopes wait in the broker and none of them moves."""

    code = "SP-E605"
    hint = (
        "Read the workers' log (`syncpipe up` leaves it in .syncpipe/logs); `syncpipe target test "
        "NAME` shows what a target lacks."
    )


class CompensationFailed(ServiceError):
    """What should undo a member of a group could not be made by its collection's function."""

    code = "SP-E608"
    retryable = True
    hint = "Mend the function that `compensation` names and restart the workers; it is asked again."


class NothingHeard(ServiceError):
    """An operation was sent again several times, and no worker told what became of it."""

    code = "SP-E609"
    hint = "See that all workers are of this release and have this store, then replay it anew."


class StoreError(SyncpipeError):
    """The store, syncpipe's own memory, cannot be asked; nothing is lost meanwhile.

    Dead letters wait in the broker, and what is to be tried later stays unacknowledged.
    """

    code = "SP-E700"
    hint = "Check the store's database; everything goes on by itself."


class StoreUnavailable(StoreError):
    """The store's database does not answer, or refused a statement."""

    code = "SP-E701"
    retryable = True


class StoreOutdated(StoreError):
    """The store's tables are missing, or of another release."""

    code = "SP-E702"
    hint = "Run `syncpipe migrate`."


class StoreMissing(StoreError):
    """The configuration names no store, and this needs one."""

    code = "SP-E703"
    hint = (
        'Write [store] with dsn = "postgresql://…" in the configuration, then `syncpipe migrate`.'
    )


class ActError(SyncpipeError):
    """What somebody on call wanted was not done, and nothing was changed."""

    code = "SP-E800"


class InvalidFilter(ActError):
    """A filter that cannot be read; the column says where."""

    code = "SP-E801"
    hint = "A filter looks like `target:crm code:23505 age:>1h`; docs/filters.md lists the fields."

    def __init__(self, message: str, *, column: int) -> None:
        """Keep *column*, from 1, at which it cannot be read."""
        super().__init__(message)
        self.column = column


class AccessDenied(ActError):
    """Somebody's role does not allow what they wanted."""

    code = "SP-E802"
    hint = "Ask an admin, or have the role given under [access] in the configuration."


class AuditKeyMissing(ActError):
    """Nothing may be changed that cannot be audited, and the audit has no key."""

    code = "SP-E803"
    hint = (
        "Give [audit] a key in the configuration: `syncpipe audit key` makes one. Keep it outside "
        "the database."
    )


class NotPossible(ActError):
    """What somebody wanted cannot be done in the present state of its subject."""

    code = "SP-E804"
    hint = (
        "Nothing was changed. If it should be possible, look again: somebody may have been quicker."
    )


class AuditKeyDiffers(ActError):
    """The audit goes on with another key than this configuration has; nothing was changed."""

    code = "SP-E805"
    hint = (
        "Use the key that the audit was begun with everywhere; `syncpipe audit verify` tells "
        "whether entries were changed instead."
    )


class LossNotAccepted(ActError):
    """Changes would be lost, and nobody has said that this is meant: nothing was discarded.

    The target has nothing newer for their records, or cannot be asked.
    """

    code = "SP-E806"
    hint = "Replay them, or repeat it with --accept-loss if their changes are not wanted."


class NothingLearned(ActError):
    """No dictionary was made: there were too few samples, or they have too little in common."""

    code = "SP-E807"
    hint = (
        "Give more records, as your services send them, one JSON object a line: some thousands "
        "are best."
    )
