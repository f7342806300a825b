"""Replays that ended long ago are deleted with their items, and no others."""

from __future__ import annotations

from syncpipe.core.audit import Act

ACT = Act("w1@h", "replay.purge", "state:finished,cancelled", "It is a test.")
DAY_S = 86400.0


def test_what_ended_long_ago_is_deleted_with_its_items(world):
    made = {}
    for name in ("old", "recent", "cancelled", "counting"):
        world.bury(world.operation(name), world.operation(name))
        made[name] = world.create()
        if name in {"old", "recent"}:
            world.run(made[name])
    for name in ("cancelled", "counting"):
        world.store.replays.cancel(made[name].id, ACT)
    world.replayer.step()
    world.replayer.step()
    world.query("UPDATE syncpipe.replays SET tally = NULL WHERE id = %s", made["counting"].id)
    world.query(
        "UPDATE syncpipe.replays SET ended = now() - interval '31 days' WHERE id <> %s",
        made["recent"].id,
    )
    before = world.store.audit.head().number

    forgotten = [world.store.replays.forget(ACT, keep_s=30 * DAY_S, limit=1) for _ in range(3)]

    assert forgotten == [1, 1, 0]
    left = {replay.id for replay in world.store.replays.latest(limit=10)}
    assert left == {made["recent"].id, made["counting"].id}
    items = world.query("SELECT replay::text, count(*) FROM syncpipe.replay_items GROUP BY 1")
    assert dict(items) == dict.fromkeys(left, 2)
    acts = [each.act for each in world.store.audit.records() if each.number > before]
    assert [act.details for act in acts] == [
        {"number": 1, "ids": [made[name].id]} for name in ("old", "cancelled")
    ]


def test_what_is_counted_anew_meanwhile_stays_with_its_items(world):
    world.bury(world.operation("k"))
    made = world.create()
    world.run(made)
    world.query("UPDATE syncpipe.replays SET ended = now() - interval '31 days'")
    world.query(
        "CREATE FUNCTION syncpipe.recount() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN UPDATE syncpipe.replays SET tally = NULL; RETURN NULL; END$$"
    )
    world.query(
        "CREATE TRIGGER recount AFTER DELETE ON syncpipe.replay_items"
        " EXECUTE FUNCTION syncpipe.recount()"
    )
    head = world.store.audit.head()
    try:
        assert world.store.replays.forget(ACT, keep_s=DAY_S, limit=10) == 0
    finally:
        world.query("DROP FUNCTION syncpipe.recount() CASCADE")
    assert world.store.replays.find(made.id).outcomes == {"applied": 1}
    assert world.query("SELECT count(*) FROM syncpipe.replay_items") == [(1,)]
    assert world.store.audit.head() == head
