"""A target that applies any batches in any order through judge and resolve equals the reference."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core import delta, reference
from syncpipe.core.change import Change, recounted, resolve
from syncpipe.core.delta import Increment
from syncpipe.core.memory import Memory, judge, recall
from syncpipe.core.operation import Kind, Operation
from syncpipe.core.outcome import Outcome
from tests.unit.core.histories import histories


class NaiveRecord:
    """One record of an imaginary target: a document, a memory and a ledger."""

    def __init__(self) -> None:
        self.document: dict[str, Any] | None = None
        self.memory = Memory()
        self.ledger: dict[bytes, Increment] = {}

    def apply(self, batch: list[Operation]) -> list[Outcome]:
        outcomes = [judge(operation, self.memory, self.ledger) for operation in batch]
        effective = [
            operation
            for operation, outcome in zip(batch, outcomes, strict=True)
            if outcome is Outcome.APPLIED
        ]
        if effective:
            folded = delta.fold(effective)
            ledger = self.ledger.values() if recounted(self.memory, folded) else ()
            change = resolve(self.memory, folded, current=self.document or {}, ledger=ledger)
            self._write(change)
            self.ledger |= {
                o.id: Increment(o.id, o.stamp, o.fields)
                for o in effective
                if o.kind is Kind.INCREMENT
            }
        return outcomes

    def _write(self, change: Change) -> None:
        current = self.document or {}
        if change.replace:
            current = {name: v for name, v in current.items() if name in change.keep}
        else:
            current = {name: v for name, v in current.items() if name not in change.removes}
        self.document = {**current, **change.sets} if change.exists else None
        self.memory = recall(change.memory.newest, change.memory.detail())
        assert self.memory == change.memory


@given(st.data(), histories)
def test_any_batching_in_any_order_with_repetition_equals_the_reference(
    data: st.DataObject, history: list[Operation]
) -> None:
    delivered = data.draw(st.permutations(history + data.draw(st.permutations(history))[:4]))
    record = NaiveRecord()
    while delivered:
        size = data.draw(st.integers(1, len(delivered)))
        record.apply(delivered[:size])
        delivered = delivered[size:]

    assert record.document == reference.fold(history)
    assert record.apply(history) == [
        outcome for outcome in record.apply(history) if outcome is not Outcome.APPLIED
    ]
