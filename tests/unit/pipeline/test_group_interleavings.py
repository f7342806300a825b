"""Groups under whatever comes in between, against a model of a few lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.operation import Kind
from syncpipe.errors import (
    StoreUnavailable,
)
from syncpipe.pipeline import Done
from tests.unit.pipeline.group_bench import (
    G1,
    G2,
    Bench,
    operation,
    unrecorded,
)

STEPS = ["run", "lose", "unrecorded", "die", "sweep", "deliver", "away"]
steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5)), max_size=30)


@given(steps)
def test_whatever_comes_in_between_dead_groups_leave_nothing_and_others_everything(taken):
    """Six increments of two groups; the model adds up those of the living groups."""
    bench = Bench()
    members = [
        operation(
            "5",
            G1 if number % 2 else G2,
            collection="counts",
            kind=Kind.INCREMENT,
            data={"a": 10**number},
            version=number + 1,
        )
        for number in range(6)
    ]
    living = {G1, G2}
    left = set(range(6))
    for step, number in taken:
        member = members[number]
        if step in {"run", "lose", "unrecorded"}:
            # Its worker is killed after the commit, or finds the store away.
            failing = {"run": None, "lose": MemoryError(), "unrecorded": StoreUnavailable("away")}
            with unrecorded(bench, failing[step]):
                if bench.run(member).verdicts == (Done(),):
                    left.discard(number)
        elif step == "die":
            bench.kill(number, member.group_id)
            living.discard(member.group_id)
        elif step == "away":
            bench.store.groups.fail(StoreUnavailable("away"))
            bench.run(member)
            bench.store.groups.fail(None)
            bench.clock.advance(10)
        elif step == "sweep":
            bench.sweep()
        else:
            bench.deliver()
        bench.clock.advance(0.5)
    bench.clock.advance(60)
    for number in sorted(left):
        bench.run(members[number])
    bench.clock.advance(60)
    bench.sweep()
    bench.deliver()
    wanted = sum(10**n for n, each in enumerate(members) if each.group_id in living)
    record = bench.target.record("counts", "5") or {"a": 0}
    assert record["a"] == wanted
    assert set(bench.codes()) <= {"SP-E517"}
