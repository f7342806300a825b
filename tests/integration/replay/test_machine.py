"""Replays whatever happens in whatever order: taken once, never done twice, and ending at last."""

from __future__ import annotations

from contextlib import suppress

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from syncpipe.core.operation import Kind
from syncpipe.errors import NotPossible, StoreUnavailable
from tests.integration.replay.test_trouble import Dies
from tests.integration.replay.world import act

ACTIVE = {"running", "canary", "paused"}
HOLDERS = """
    SELECT (SELECT count(*) FROM syncpipe.replay_items AS i
    JOIN syncpipe.replays AS r ON r.id = i.replay
    WHERE i.letter = d.id AND i.outcome IS NULL AND d.replay = i.replay
      AND (r.state IN ('running', 'canary', 'paused') OR i.sent IS NOT NULL))
    FROM syncpipe.dead_letters AS d WHERE d.state = 'replaying'
"""


class Replays(RuleBasedStateMachine):
    """Good letters are increments; bad ones are refused each time."""

    world = None

    def __init__(self):
        super().__init__()
        self.world.reset()
        self.good = self.bad = 0
        self.made = []

    @rule(good=st.integers(1, 30), bad=st.integers(0, 5))
    def bury(self, good, bad):
        world = self.world
        world.bury(*(world.operation("total", Kind.INCREMENT, {"n": 1}) for _ in range(good)))
        refused = [str(self.bad + number) for number in range(bad)]
        world.bury(
            *(world.operation(key, data={"parent": "x"}, collection="children") for key in refused)
        )
        self.good, self.bad = self.good + good, self.bad + bad

    @rule(
        text=st.sampled_from(["", "collection:orders", "collection:children"]),
        limit=st.none() | st.integers(1, 20),
        canary=st.integers(0, 5),
        rate=st.none() | st.just(10.0),
    )
    def create(self, text, **options):
        with suppress(NotPossible):
            self.made.append(self.world.create(text, **options))

    @rule(work=st.booleans())
    def step(self, work):
        self.world.step()
        if work:
            self.world.work()

    @rule()
    def die(self):
        killed = self.world.another(replaying=Dies(self.world.store.replaying))
        with suppress(StoreUnavailable):
            killed.step()

    @rule(seconds=st.sampled_from([1, 11, 61]))
    def pass_time(self, seconds):
        self.world.pass_time(seconds)

    @rule()
    def lose(self):
        for queue in self.world.broker.queues():
            self.world.broker.purge(queue)

    @rule(verb=st.sampled_from(["pause", "resume", "cancel"]), which=st.integers(0, 9))
    def obey(self, verb, which):
        if self.made:
            replay = self.made[which % len(self.made)]
            with suppress(NotPossible):
                getattr(self.world.store.replays, verb)(replay.id, act(verb))

    @invariant()
    def nothing_is_done_twice(self):
        document = self.world.document("total")
        assert document is None or document["n"] <= self.good

    @invariant()
    def each_letter_that_is_replaying_is_held_by_one(self):
        assert {holders for (holders,) in self.world.query(HOLDERS)} <= {1}

    def teardown(self):
        """Let everything go on to its end, as people would."""
        world = self.world
        for _ in range(60):
            for replay in map(world.find, self.made):
                if replay.state.value == "paused":
                    world.store.replays.resume(replay.id, act("resume"))
            for _ in self.made:
                world.step()
                world.work()
            world.pass_time(61)
            states = [world.find(replay).state.value for replay in self.made]
            if not ACTIVE.intersection(states) and "replaying" not in world.states().values():
                break
        found = list(world.states().values())
        assert not ACTIVE.intersection(states if self.made else [])
        assert set(found) <= {"open", "resolved"}
        document = world.document("total")
        assert (document["n"] if document else 0) == found.count("resolved")


def test_whatever_happens_in_whatever_order(world):
    class Machine(Replays):
        pass

    Machine.world = world
    few = hypothesis.settings.default.max_examples // 10
    run_state_machine_as_test(
        Machine,
        settings=hypothesis.settings(
            max_examples=few,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
