"""Nothing counts as applied that an answer does not say was applied."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.operation import Kind, Operation
from syncpipe.core.outcome import Outcome
from syncpipe.errors import (
    Refused,
    RefusedForNow,
    TargetError,
    TargetMisconfigured,
    TargetThrottled,
    TargetUnavailable,
    TooLate,
)
from syncpipe.resilience.classification import Classification, ErrorClass
from syncpipe.targets.http.results import OUTCOMES, Reading, UnreadableError

READING = Reading("hub", "/in", Classification(), lambda text: text)
OPERATIONS = [
    Operation(number.to_bytes(16, "big"), Kind.DELETE, "notes", f"k{number}", 1, None)
    for number in range(0xABC, 0xABF)
]
IDS = [operation.uuid for operation in OPERATIONS]
HELD = {Outcome.APPLIED, Outcome.MERGED, Outcome.DUPLICATE, Outcome.SUPERSEDED}


def read(*results, **said):
    body = json.dumps({"results": list(results)}).encode()
    return READING.results(OPERATIONS, body, **said)


def told(*statuses):
    """What becomes of the operations when the answer gives them these statuses."""
    return read(*({"id": id_, "status": s} for id_, s in zip(IDS, statuses, strict=False)))


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_success_is_applied(status):
    assert {result.outcome for result in told(status, status, status)} == {Outcome.APPLIED}


@pytest.mark.parametrize("word", OUTCOMES)
def test_a_word_is_the_outcome(word):
    (result, *_) = told(word, 200, 200)
    assert result.outcome is OUTCOMES[word]
    late = result.outcome is Outcome.TOO_LATE
    assert isinstance(result.error, TooLate) if late else result.error is None


@pytest.mark.parametrize(
    "status",
    [None, True, False, 200.0, "200", "ok", "APPLIED", "dead", 0, 100, 304, 600, -200, [], {}],
)
def test_anything_else_is_refused_for_now_and_unknown(status):
    (result, *_) = told(status, 200, 200)
    assert (result.outcome, type(result.error)) == (Outcome.RETRYING, RefusedForNow)
    assert result.error.unknown == "bad-result"


def test_what_has_no_result_is_refused_for_now_and_unknown():
    results = told(200)
    assert [result.outcome for result in results] == [Outcome.APPLIED, *[Outcome.RETRYING] * 2]
    assert [result.error.unknown for result in results[1:]] == ["no-result"] * 2


def test_what_has_two_results_is_refused_for_now_and_unknown():
    results = read(*({"id": IDS[0], "status": 200} for _ in range(2)))
    assert results[0].error.unknown == "two-results"


def test_results_of_others_say_nothing():
    extras = [{"id": "x", "status": 200}, {"status": 200}, {"id": 5, "status": 200}, None, "x", []]
    results = read(*extras, {"id": IDS[2], "status": 200})
    assert [result.outcome in HELD for result in results] == [False, False, True]


def test_results_may_come_in_any_order_with_more_members():
    results = read(*({"id": id_, "status": 200, "etag": 5} for id_ in reversed(IDS)))
    assert [result.operation for result in results] == OPERATIONS


def test_a_refusal_says_why():
    said = {"id": IDS[0], "status": 422, "code": "positive", "message": "total must\nbe positive."}
    error = read(said, *({"id": id_, "status": 200} for id_ in IDS[1:]))[0].error
    assert type(error) is Refused
    assert error.message == "Target 'hub' answered 422 (positive): total must be positive."
    assert (error.constraint, error.status, error.endpoint) == ("positive", 422, "/in")


@pytest.mark.parametrize("code", [5, "", None, ["x"], {"a": 1}])
@pytest.mark.parametrize("text", [5, "", None, ["x"]])
def test_what_is_no_text_does_not_say_why(code, text):
    said = {"id": IDS[0], "status": 422, "code": code, "message": text}
    error = read(said, {"id": IDS[1], "status": 200})[0].error
    assert error.message == "Target 'hub' answered 422."
    assert error.constraint is None


def test_a_long_explanation_is_cut():
    said = {"id": IDS[0], "status": 422, "code": "c" * 10**5, "message": "m" * 10**5}
    error = read(said, {"id": IDS[1], "status": 200})[0].error
    assert len(error.message) < 400
    assert len(error.constraint) < 400


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, TargetMisconfigured),
        (429, TargetThrottled),
        (500, TargetUnavailable),
        (503, TargetUnavailable),
    ],
)
def test_what_holds_for_all_is_nobodys_own_fault(status, kind):
    with pytest.raises(kind) as caught:
        read(*({"id": id_, "status": status, "message": "payload"} for id_ in IDS), retry_after_s=7)
    assert type(caught.value) is kind
    assert caught.value.message == f"Target 'hub' answered {status} for every operation."
    assert getattr(caught.value, "retry_after_s", 7) == 7


def test_what_is_said_differently_of_all_is_nobodys_own_fault_either():
    with pytest.raises(TargetThrottled):
        told(429, 503, 429)


@pytest.mark.parametrize("status", [401, 403, 408, 429, 500, 502, 503, 504])
def test_what_is_refused_like_nothing_else_is_its_own_fault(status):
    (result, *_) = told(status, 200, 200)
    assert result.outcome is Outcome.RETRYING
    assert type(result.error) is RefusedForNow
    assert (result.error.status, result.error.endpoint) == (status, "/in")


def test_what_a_target_calls_transient_is_an_operations_own_too_where_others_were_taken():
    reading = Reading(
        "hub", "/in", Classification({"http 409": ErrorClass.TRANSIENT}), lambda text: text
    )
    said = [{"id": id_, "status": s} for id_, s in zip(IDS, (409, 200, 200), strict=True)]
    (result, *_) = reading.results(OPERATIONS, json.dumps({"results": said}).encode())
    assert type(result.error) is RefusedForNow


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"results": 5}', b"[" * 10**5])
def test_what_is_not_in_our_format_is_no_answer(body):
    with pytest.raises(UnreadableError):
        READING.results(OPERATIONS, body)


def test_nothing_told_of_nothing_is_fine():
    assert READING.results([], b'{"results": []}') == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
STATUSES = st.sampled_from([*OUTCOMES, 200, 204, 404, 409, 422, 429, 500, 503]) | JSON
RESULTS = st.fixed_dictionaries(
    {"id": st.sampled_from(IDS) | JSON},
    optional={"status": STATUSES, "code": JSON, "message": JSON},
)


@given(st.lists(RESULTS | JSON, max_size=6))
def test_nothing_counts_as_applied_that_is_not_told_once_and_rightly(results):
    said = [each for each in results if isinstance(each, dict)]
    try:
        found = read(*results)
    except TargetError:
        return
    assert [result.operation for result in found] == OPERATIONS
    for result in found:
        if result.outcome in HELD:
            (entry,) = [each for each in said if each.get("id") == result.operation.uuid]
            status = entry["status"]
            good = type(status) is int and 200 <= status < 300
            assert good or (isinstance(status, str) and OUTCOMES.get(status) is result.outcome)
        else:
            assert result.error is not None


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read_or_refused(body):
    try:
        results = READING.results(OPERATIONS, body)
    except (UnreadableError, TargetError):
        return
    assert not any(result.outcome in HELD for result in results)


def test_ids_may_come_back_in_capitals():
    results = read(*({"id": id_.upper(), "status": 200} for id_ in IDS))
    assert {result.outcome for result in results} == {Outcome.APPLIED}
