"""Who was noted when a process crashed goes alone; who is noted so again and again, not at all."""

from __future__ import annotations

import pytest

from syncpipe.core.operation import Kind, Operation
from syncpipe.errors import Quarantined
from syncpipe.pipeline import Message
from syncpipe.supervisor import Heartbeat
from workers.caution import Caution

OPERATION = Operation(bytes(16), Kind.DELETE, "orders", "1", 1, None)
OTHER = Operation(bytes([1]) * 16, Kind.DELETE, "orders", "2", 1, None)


def message(id_):
    return Message("sp.crm.0.normal", id_, b"")


@pytest.fixture
def heart(tmp_path):
    return Heartbeat(tmp_path / "0")


@pytest.fixture
def caution(heart):
    return Caution.beside(heart.path, threads=2, messages=8)


def crash(heart, *ids, operation=None):
    """Let a life crash while it applies messages, or a single one's *operation*."""
    life = Caution.beside(heart.path, threads=2, messages=8)
    with life.over("crm", [message(id_) for id_ in ids]) as (_, care):
        if operation is not None:
            care.begin(operation)
        heart.count_crash()


def test_without_a_supervisor_nobody_is_suspect():
    caution = Caution()

    with caution.over("crm", [message("a")]) as (messages, care):
        assert [each.id for each in messages] == ["a"]
        assert care is None
    assert not caution.suspects("crm", message("a"))


def test_everybody_in_a_batch_that_crashed_is_suspect_on_its_target(heart, caution):
    crash(heart, "a", "b")

    assert caution.suspects("crm", message("a"))
    assert caution.suspects("crm", message("b"))
    assert not caution.suspects("crm", message("c"))
    assert not caution.suspects("erp", message("a"))


def test_what_ended_well_is_no_suspect(heart, caution):
    with caution.over("crm", [message("a")]):
        pass
    heart.count_crash()

    assert not caution.suspects("crm", message("a"))


def test_other_processes_of_the_supervisor_learn_of_it(heart, tmp_path):
    other = Caution.beside(tmp_path / "1", threads=2, messages=8)

    crash(heart, "a")

    assert other.suspects("crm", message("a"))


def test_a_suspect_goes_with_care_and_an_operation_is_given_up_after_two_crashes(heart, caution):
    crash(heart, "a", "b")
    for _ in range(2):
        with caution.over("crm", [message("a")]) as (messages, care):
            assert messages[0].fault is None
            assert not care.gives_up(OPERATION)
        crash(heart, "a", operation=OPERATION)

    with caution.over("crm", [message("a")]) as (messages, care):
        assert messages[0].fault is None
        assert care.gives_up(OPERATION)
        assert not care.gives_up(OTHER)


def test_an_operation_that_is_noted_stands_there_instead_of_its_message(heart, caution):
    crash(heart, "a")
    for _ in range(5):
        crash(heart, "a", operation=OTHER)

    with caution.over("crm", [message("a")]) as (messages, _):
        assert messages[0].fault is None


def test_a_message_that_kills_before_any_operation_is_quarantined_whole(heart, caution):
    for _ in range(3):
        crash(heart, "a")

    with caution.over("crm", [message("a")]) as (messages, _):
        assert isinstance(messages[0].fault, Quarantined)


def test_in_company_nobody_is_quarantined_however_often(heart, caution):
    for _ in range(9):
        crash(heart, "a", "b")

    with caution.over("crm", [message("a"), message("b")]) as (messages, care):
        assert care is None
        assert [each.fault for each in messages] == [None, None]


def test_where_no_journal_can_be_made_everybody_works_without(tmp_path):
    caution = Caution.beside(tmp_path / "missing" / "0", threads=1, messages=1)

    with caution.over("crm", [message("a")]) as (messages, care):
        assert (len(messages), care) == (1, None)
