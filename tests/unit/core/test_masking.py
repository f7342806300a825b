"""What is hidden of a dead letter, and what is left to work with."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.codec import encode
from syncpipe.core.deadletter import DeadLetter, operation_of
from syncpipe.core.masking import OWN_WORDS, masked_reason, shape, without_values, wording
from syncpipe.core.operation import Kind, Operation

ID = "0197a000-0000-7000-8000-00000000000a"


def letter(message, data=None, *, key="k-1", **members):
    id_ = bytes.fromhex(ID.replace("-", ""))
    operation = Operation(id_, Kind.PATCH, "orders", key, 7, data or {"a": 1})
    return DeadLetter(
        raw=encode(operation),
        queue="sp.crm.0.low",
        stage="apply",
        code="SP-E511",
        message=message,
        died_ms=1,
        worker="w",
        operation_id=ID,
        **members,
    )


def shown_message(letter):
    return without_values(letter.message, operation_of(letter))


def test_fields_are_shown_by_name_and_type():
    data = {"a": 1, "b": None, "c": ["x"], "d": {"e": "x"}, "f": Decimal(1), "g": "x", "h": True}

    assert shape(data) == {
        "a": "int",
        "b": "null",
        "c": "list of 1",
        "d": "dict of 1",
        "f": "Decimal",
        "g": "str",
        "h": "bool",
    }


def test_what_the_operation_holds_is_hidden_wherever_it_stands():
    data = {"a": "canary", "b": [{"c": "cana"}, 1234567], "d": "no", "e": b"\x01\xff"}
    text = 'canary of 1234567 in canaries "canary" no nobody 01ff k-1'

    shown = shown_message(letter(text, data))

    assert shown == '*** of *** in ***ries "***" *** nobody *** ***'


def test_of_postgresqls_messages_the_words_are_left():
    text = "Target 'crm' answered 23514: new row for relation \"orders\" violates check constraint."

    shown = masked_reason(letter(text, sqlstate="23514", constraint="positive"))

    assert shown.startswith("SP-E511 23514 positive Target ")
    assert shown.endswith(" violates check constraint.")


@pytest.mark.parametrize(
    "text",
    [
        'invalid input syntax for type integer: "ca"nary"',
        "ungültige Eingabesyntax für Typ integer: »canary«",
        "syntaxe en entrée invalide pour le type integer : « canary »",
        "Key (name)=(can(ary))) already exists.",
        "b'\\x01 canary' cannot be decoded",
    ],
)
def test_quoted_text_of_any_language_is_hidden(text):
    shown = masked_reason(letter(text, sqlstate="22P02"))

    assert "nary" not in shown
    assert shown.startswith("SP-E511 22P02 ")


@pytest.mark.parametrize("members", [{"sqlstate": "P0001"}, {"sqlstate": "ZZ123"}, {"status": 422}])
def test_words_from_elsewhere_are_left_out(members):
    shown = masked_reason(letter("the canary is dead", **members))

    assert shown == f"SP-E511 {members.get('sqlstate') or members['status']}"


def test_a_list_shows_words_alone():
    text = "The crm does not take 'canary' since 2026."
    assert wording(text, sqlstate=None, status=None) == "The crm does not take *** since ***."
    assert wording(text, sqlstate="23514", status=None) == "The crm does not take *** since ***."
    assert not wording(text, sqlstate="P0001", status=None)
    assert not wording(text, sqlstate=None, status=500)


def test_an_unreadable_message_has_no_values_to_hide():
    unreadable = replace(letter("cannot read b'canary'"), operation_id=None, raw=b"canary")

    assert masked_reason(unreadable) == "SP-E511 cannot read b***"
    assert shown_message(unreadable) == unreadable.message


@given(st.text(min_size=4, max_size=20), st.text(max_size=10), st.text(max_size=10))
def test_no_value_of_the_operation_is_ever_shown(value, before, after):
    value = value.replace("*", "x").replace("\0", "x").encode("utf-8", "ignore").decode() + "seed"

    assert value not in shown_message(letter(before + value + after, {"a": value}))
    assert value not in masked_reason(letter(before + value + after, {"a": value}))


@pytest.mark.parametrize("quote", ['"', "'", "`", "(", "“", "» «"])
def test_a_list_shows_nothing_of_a_value_that_holds_other_quotes(quote):
    said = f'invalid input syntax for type date: "ca{quote} and \' and nary"'
    text = f"Target 'crm' answered 22007: {said}."

    shown = wording(text, sqlstate="22007", status=None)

    assert shown == "Target *** answered ***: invalid input syntax for type date: ***."


def test_a_list_shows_nothing_that_functions_of_the_user_say_as_if_they_were_postgresql():
    text = f"Target 'crm' answered 23514, {OWN_WORDS}: the canary is dead."

    assert not wording(text, sqlstate="23514", status=None)


@pytest.mark.parametrize("cut", range(4, 60))
def test_what_was_cut_off_in_the_middle_of_a_value_is_hidden(cut):
    value = "canary that is longer than what is kept of a message in all"
    for end in ("", ".", "…", "…."):
        shown = shown_message(letter(f'not a date: "{value[:cut]}{end}', {"a": value}))
        assert shown == f'not a date: "***{end}'


@pytest.mark.parametrize(
    "written",
    [r"ca\"na\nry  é", r"ca\"na\nry  \u00e9", 'ca"na ry é', r"ca\"na\nry  \u00e9 and more"],
)
def test_a_value_is_hidden_as_json_and_in_one_line(written):
    value = 'ca"na\nry  é'

    assert "na" not in shown_message(letter(f"said {written}", {"a": value})).replace("and", "")
