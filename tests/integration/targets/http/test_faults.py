"""Whatever an endpoint does, the target says what it means, in time."""

from __future__ import annotations

import socket
import threading

import pytest

from syncpipe.core.outcome import Outcome
from syncpipe.errors import (
    Refused,
    RefusedForNow,
    TargetBusy,
    TargetMisconfigured,
    TargetThrottled,
    TargetUnavailable,
    TooSlow,
)
from syncpipe.resilience.classification import ErrorClass
from syncpipe.testing.clock import FakeClock
from tests.integration.targets.http.endpoint import (
    Endpoint,
    answers,
    closes,
    commits_then,
    drips,
    dumped,
    floods,
    hangs,
    resets,
    talks,
    truncates,
)
from tests.integration.targets.http.posting import apply, failing, outcomes, upsert
from tests.integration.targets.places import YOUNG, new_key, operation
from tests.patience import eventually

OK = b"HTTP/1.1 200 OK\r\n"


def test_an_endpoint_that_is_not_there_is_down(endpoint, opened):
    endpoint.stop()
    error = failing(opened(), TargetUnavailable)
    assert error.message == "Target 'test' cannot be reached: Connection refused."
    assert error.endpoint == "/sync/in"


def test_a_name_that_nobody_knows_is_an_outage(opened):
    target = opened(url="http://nowhere.invalid/in", connect_timeout_s=1)
    failing(target, TargetUnavailable)


def test_a_name_that_nobody_tells_in_time_is_an_outage(opened, monkeypatch):
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(60))
    # Where slow answers are a matter of the batch, what cannot be reached is down all the same.
    target = opened(connect_timeout_s=0.1, classify={"timeout": ErrorClass.TOO_SLOW})
    error = failing(target, TargetUnavailable)
    assert "Nobody could tell the address of 127.0.0.1" in error.message
    answered.set()


def test_of_several_addresses_the_first_that_answers_is_taken(endpoint, opened, monkeypatch):
    known = socket.getaddrinfo

    def found(host, port, *args, **options):
        names = ("127.0.0.2", "127.0.0.1") if host == "several" else (host,)
        return [entry for name in names for entry in known(name, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    target = opened(url=endpoint.url.replace("127.0.0.1", "several"))
    assert outcomes(target, upsert()) == [Outcome.APPLIED]


def test_a_connection_that_ends_before_the_request_may_be_tried_again(endpoint, opened):
    endpoint.slams = True
    target = opened()
    failing(target, TargetBusy)
    endpoint.slams = False
    assert outcomes(target, upsert()) == [Outcome.APPLIED]


@pytest.mark.parametrize("misdeed", [closes, resets, talks(b""), talks(b"HTTP/1.1 200")])
def test_a_connection_that_ends_before_the_answer_may_be_tried_again(endpoint, opened, misdeed):
    endpoint.planned.append(misdeed)
    error = failing(opened(), TargetBusy)
    assert error.message.startswith("Target 'test' ended the connection: ")


def test_an_endpoint_that_says_nothing_is_down(endpoint, opened):
    endpoint.planned.append(hangs)
    error = failing(opened(timeout_s=0.3, clock=FakeClock()), TargetUnavailable)
    assert error.message == "Target 'test' did not answer in time: timed out."


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nx-slow: ",
        OK + b"content-length: 1000000\r\n\r\n",
        OK + b"\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\nfffff\r\n",
        b"HTTP/1.1 503 Away\r\ncontent-length: 1000000\r\n\r\n",
    ],
    ids=["nothing", "header", "body", "until closed", "chunk", "error"],
)
def test_an_endpoint_that_drips_cannot_hold_us_beyond_the_whole_time(endpoint, opened, head):
    endpoint.planned.append(drips(head))
    failing(opened(timeout_s=0.5), TargetUnavailable)


def test_of_an_answer_whose_status_tells_enough_the_rest_is_not_waited_for(endpoint, opened):
    endpoint.planned.append(drips(b"HTTP/1.1 422 No\r\ncontent-length: 1000000\r\n\r\n"))
    failing(opened(timeout_s=3600), Refused)


def test_an_answer_that_came_before_its_request_says_nothing_of_it(endpoint, opened):
    def twice(handler, _):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" * 2)

    endpoint.planned += [twice, closes]
    target, operation = opened(), upsert(a=2)
    apply(target, upsert(a=1))
    failing(target, TargetBusy, operation)
    eventually(lambda: not endpoint.planned)
    assert outcomes(target, operation) == [Outcome.APPLIED]
    assert endpoint.effects[operation.uuid] == 1


def test_an_endpoint_that_says_wait_for_ever_cannot_hold_us_either(endpoint, opened):
    def waits(handler, _):
        handler.close_connection = True
        while not handler.server.endpoint.closing.wait(0.02):
            handler.connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")

    endpoint.planned.append(waits)
    failing(opened(timeout_s=0.5), TargetUnavailable)


def test_an_endpoint_that_does_not_read_cannot_hold_us():
    with socket.create_server(("127.0.0.1", 0)) as deaf, Endpoint() as endpoint:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/in"
        target = endpoint.opened(url=url, timeout_s=0.5, compression="none")
        failing(target, TargetUnavailable, upsert(c="x" * 20_000_000))
        target.close()


def test_a_truncated_answer_is_repeated_with_one_effect(endpoint, opened):
    endpoint.planned.append(truncates)
    target, change = opened(), operation("increment", new_key(), YOUNG, {"n": 5})
    failing(target, TargetBusy, change)
    assert outcomes(target, change) == [Outcome.DUPLICATE]
    assert set(endpoint.effects.values()) == {1}


@pytest.mark.parametrize(
    ("misdeed", "kind"),
    [
        (answers(500), TargetUnavailable),
        (answers(502, b"<html>"), TargetUnavailable),
        (answers(503, retry_after="2"), TargetThrottled),
        (closes, TargetBusy),
        (resets, TargetBusy),
        (hangs, TargetUnavailable),
        (answers(200, b"garbage"), TargetMisconfigured),
    ],
)
def test_what_was_done_before_it_went_wrong_has_one_effect(endpoint, opened, misdeed, kind):
    endpoint.planned.append(commits_then(misdeed))
    # Its time is up only while it waits for the answer, and never before the request was sent.
    target = opened(timeout_s=0.3, clock=FakeClock()) if misdeed is hangs else opened()
    batch = [operation("increment", new_key(), YOUNG, {"n": 5}) for _ in range(20)]
    failing(target, kind, *batch)
    eventually(lambda: endpoint.effects.total() == 20)
    assert outcomes(opened(), *reversed(batch)) == [Outcome.DUPLICATE] * 20
    assert set(endpoint.effects.values()) == {1}
    first, second = endpoint.received
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.body == second.body


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_says_so(endpoint, opened, status):
    elsewhere = f"{endpoint.url}?token=hunter2"
    endpoint.planned.append(answers(status, b"moved", location=elsewhere))
    error = failing(opened(), TargetMisconfigured)
    assert "a redirect to http://127.0.0.1/sync/in, and none is followed" in error.message
    assert "hunter2" not in str(error)
    assert error.status == status
    assert len(endpoint.received) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (401, TargetMisconfigured),
        (404, TargetMisconfigured),
        (408, TargetUnavailable),
        (409, RefusedForNow),
        (410, TargetMisconfigured),
        (413, Refused),
        (415, TargetMisconfigured),
        (418, RefusedForNow),
        (422, Refused),
        (429, TargetThrottled),
        (500, TargetUnavailable),
        (501, TargetMisconfigured),
        (503, TargetUnavailable),
        (599, TargetUnavailable),
    ],
)
def test_a_status_means_what_the_table_says(endpoint, opened, status, kind):
    endpoint.planned.append(answers(status, {"message": "as it is"}))
    error = failing(opened(), kind)
    assert (error.status, error.endpoint) == (status, "/sync/in")
    refused = kind in {Refused, RefusedForNow}
    assert ("as it is" in error.message) is refused


def test_a_target_may_say_what_a_status_means(endpoint, opened):
    endpoint.planned.extend([answers(404), hangs])
    table = {"http 404": ErrorClass.REFUSED_TEMPORARY, "timeout": ErrorClass.TOO_SLOW}
    failing(opened(classify=table), RefusedForNow)
    failing(opened(classify=table, timeout_s=0.3, clock=FakeClock()), TooSlow)


@pytest.mark.parametrize("status", [429, 503])
def test_it_says_for_how_long_to_leave_it_alone(endpoint, opened, status):
    endpoint.planned.append(answers(status, retry_after="7"))
    assert failing(opened(), TargetThrottled).retry_after_s == 7.0


@pytest.mark.parametrize(
    "body",
    [
        b"garbage",
        b"<html>Welcome to the portal</html>",
        b"null",
        b"[]",
        b"{}",
        b'{"ok": true}',
        b'{"results": {}}',
        b'{"results": null}',
        b'{"results": [',
        b"[" * 50_000,
        b'{"results": [{"id": ' + b"9" * 5000 + b"}]}",
        b"\xff\xfe{",
        b"\x00",
    ],
)
def test_a_success_that_is_not_in_our_format_is_a_misconfiguration(endpoint, opened, body):
    endpoint.planned.append(answers(200, body))
    error = failing(opened(), TargetMisconfigured)
    assert error.message.startswith("Target 'test' answered 200, but its body ")


def test_what_speaks_no_http_is_a_misconfiguration(endpoint, opened):
    endpoint.planned.append(talks(b"SSH-2.0-OpenSSH_9.9\r\nmore\r\n\r\n"))
    assert "does not speak HTTP" in failing(opened(), TargetMisconfigured).message


def test_an_answer_without_end_is_not_read_to_its_end(endpoint, opened):
    endpoint.planned.append(floods)
    target = opened()
    assert "answered more than" in failing(target, TargetMisconfigured).message
    assert outcomes(target, upsert()) == [Outcome.APPLIED]


def test_a_compressed_answer_is_not_unpacked(endpoint, opened):
    endpoint.planned.append(answers(200, b"\x1f\x8b", content_encoding="gzip"))
    assert "a body in 'gzip', unasked" in failing(opened(), TargetMisconfigured).message


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("body", [None, b" \r\n"])
def test_a_success_without_a_word_is_all_applied(endpoint, opened, status, body):
    endpoint.planned.append(answers(status, None if status == 204 else body))
    assert outcomes(opened(), upsert(), upsert()) == [Outcome.APPLIED] * 2


@pytest.mark.parametrize("status", [203, 205, 206, 207, 226])
def test_a_half_success_without_a_word_says_nothing(endpoint, opened, status):
    endpoint.planned.append(answers(status))
    failing(opened(), TargetMisconfigured)


def test_each_operation_has_its_own_result(endpoint, opened):
    said = {
        "refused": {"status": 422, "code": "positive", "message": "total must be positive"},
        "conflict": {"status": 409},
        "unknown": {"status": 418},
        "late": {"status": "too_late", "message": "two years old"},
        "away": {"status": 503},
    }
    changes = {name: upsert(c=name) for name in (*said, "fine")}
    endpoint.judge = lambda item: said.get(item["data"]["c"])
    results = {r.operation.data["c"]: r for r in apply(opened(), *changes.values())}
    assert {name: result.outcome for name, result in results.items()} == {
        "refused": Outcome.DEAD,
        "conflict": Outcome.RETRYING,
        "unknown": Outcome.RETRYING,
        "late": Outcome.TOO_LATE,
        "away": Outcome.RETRYING,
        "fine": Outcome.APPLIED,
    }
    refused = results["refused"].error
    assert type(refused) is Refused
    assert refused.message == "Target 'test' answered 422 (positive): total must be positive."
    assert (refused.status, refused.constraint, refused.endpoint) == (422, "positive", "/sync/in")
    assert results["unknown"].error.unknown == "http 418"
    away = results["away"].error
    assert (type(away), away.status) == (RefusedForNow, 503)


def test_no_environment_changes_the_way(endpoint, opened, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        for each in (name, name.lower()):
            monkeypatch.setenv(each, "http://127.0.0.1:9/")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    assert outcomes(opened(), upsert()) == [Outcome.APPLIED]
    assert len(endpoint.received) == 1


def test_cookies_are_not_kept(endpoint, opened):
    endpoint.planned.append(answers(204, set_cookie="a=b; Path=/"))
    target = opened()
    apply(target, upsert())
    apply(target, upsert())
    assert "cookie" not in endpoint.received[-1].headers


@pytest.mark.usefixtures("kept")
def test_a_connection_is_used_again_and_replaced_when_it_has_ended(endpoint, opened):
    target = opened()
    for _ in range(3):
        apply(target, upsert())
    assert endpoint.connections == 1
    endpoint.stop()
    endpoint.start()
    assert outcomes(target, upsert()) == [Outcome.APPLIED]


def test_what_the_endpoint_repeats_of_our_secrets_is_masked(endpoint, opened):
    def echoes(handler, received):
        text = f"{received.headers['authorization']} {received.headers['x-key']}"
        handler.answer(422, {"message": text})

    def echoes_each(handler, received):
        text = f"not {received.headers['x-key']}"
        (item,) = received.operations
        result = {"id": item["id"], "status": 422, "code": text, "message": text}
        handler.answer(200, {"results": [result]})

    endpoint.planned.extend([echoes, echoes_each])
    target = opened(token="hunter2", headers={"X-Key": "hunter3"})
    error = failing(target, Refused)
    assert "Bearer *** ***" in error.message
    (result,) = apply(target, upsert())
    assert result.error.message == "Target 'test' answered 422 (not ***): not ***."
    for shown in (str(error), repr(error), str(result), repr(target._options)):
        assert "hunter" not in shown


def test_no_half_of_a_secret_stays_where_a_message_is_cut(endpoint, opened):
    target = opened(token="hunter" * 20)
    for length in (190, 200, 250, 290):
        text = "x" * length + "hunter" * 20
        endpoint.planned.append(answers(422, text.encode()))
        assert "hunter" not in str(failing(target, Refused))
        result = {"status": 422, "code": text, "message": text}
        endpoint.judge = lambda _, result=result: result
        (found,) = apply(target, upsert())
        assert "hunter" not in str(found)


def test_the_body_that_is_too_large_is_told_apart_by_the_number_of_operations(endpoint, opened):
    def small_only(handler, received):
        if len(received.operations) > 2:
            handler.answer(413)
        else:
            handler.answer(200, {"results": handler.server.endpoint.apply(received.batch)})

    endpoint.always = small_only
    target = opened()
    failing(target, Refused, *(upsert() for _ in range(3)))
    assert outcomes(target, upsert(), upsert()) == [Outcome.APPLIED] * 2


def test_an_empty_body_has_the_length_that_was_said(endpoint, opened):
    endpoint.planned.append(talks(OK + b"content-length: 0\r\n\r\n" + dumped({"results": []})))
    assert outcomes(opened(), upsert()) == [Outcome.APPLIED]
