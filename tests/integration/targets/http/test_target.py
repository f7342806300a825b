"""What an HTTP target sends, and what operators ask of it."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import zstandard

from syncpipe.errors import (
    TargetMisconfigured,
    TargetUnavailable,
)
from syncpipe.targets.target import Collected
from tests.integration.targets.http.endpoint import NOTES, answers
from tests.integration.targets.http.posting import apply, upsert
from tests.integration.targets.places import YOUNG, groups, new_key, operation
from tests.patience import eventually


def test_a_request_is_as_documented(endpoint, opened):
    target = opened(token="hunter2", headers={"X-Tenant": "acme"})
    key = new_key()
    changes = [
        operation("patch", key, YOUNG + 1, {"total": Decimal("1.50")}),
        operation("upsert", key, YOUNG, {"total": 1}),
    ]
    apply(target, *changes)
    (request,) = endpoint.received
    assert request.path == "/sync/in"
    headers = {name: request.headers[name] for name in ("authorization", "x-tenant", "user-agent")}
    assert headers == {
        "authorization": "Bearer hunter2",
        "x-tenant": "acme",
        "user-agent": "syncpipe",
    }
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"
    batch = request.batch
    assert (batch["format"], batch["target"]) == (1, "test")
    assert batch["batch"] == request.headers["idempotency-key"]
    assert [each["kind"] for each in batch["operations"]] == ["upsert", "patch"]
    assert batch["operations"][1]["data"] == {"total": "~f1.50"}
    assert batch["operations"][0]["version"] == f"{YOUNG:019}"


@pytest.mark.parametrize(
    ("compression", "unpack"),
    [
        ("gzip", gzip.decompress),
        ("zstd", zstandard.decompress),
        ("none", lambda body: body),
    ],
)
def test_a_body_is_compressed_as_it_says(endpoint, opened, compression, unpack):
    apply(opened(compression=compression), upsert())
    (request,) = endpoint.received
    said = request.headers.get("content-encoding")
    assert said == (None if compression == "none" else compression)
    assert json.loads(unpack(request.body))["format"] == 1


def test_the_same_operations_are_the_same_request_in_any_order(endpoint, opened):
    target = opened()
    batch = [upsert() for _ in range(10)]
    for operations in (batch, batch[::-1], batch[:9]):
        apply(target, *operations)
    first, second, other = endpoint.received
    assert (first.body, first.headers) == (second.body, second.headers)
    assert other.headers["idempotency-key"] != first.headers["idempotency-key"]


def test_operations_of_two_records_with_one_id_go_in_two_requests(endpoint, opened):
    changes = [operation("upsert", new_key(), YOUNG, {"a": i}, id_=77) for i in range(3)]
    other = upsert()
    assert len(apply(opened(), *changes, other)) == 4
    assert [len(request.operations) for request in endpoint.received] == [2, 1, 1]


def test_nothing_to_apply_asks_nobody(endpoint, opened):
    assert apply(opened()) == []
    assert endpoint.received == []


def test_without_a_word_of_health_a_connection_tells(endpoint, opened):
    target = opened()
    target.ping()
    eventually(lambda: endpoint.connections == 1)
    assert (endpoint.received, endpoint.health) == ([], [])
    endpoint.stop()
    with pytest.raises(TargetUnavailable):
        target.ping()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, None), (204, None), (500, TargetUnavailable), (404, TargetMisconfigured)],
)
def test_an_endpoint_that_has_a_word_for_its_health_is_asked(endpoint, opened, status, kind):
    endpoint.health_status = status
    target = opened(health_url=endpoint.health_url, token="hunter2")
    if kind is None:
        target.ping()
    else:
        with pytest.raises(kind):
            target.ping()
    (request,) = endpoint.health
    assert request.path == "/health"
    assert request.headers["authorization"] == "Bearer hunter2"
    assert endpoint.received == []


def test_it_knows_nothing_of_what_the_endpoint_keeps(opened):
    target, change = opened(), upsert()
    apply(target, change)
    assert target.seen(groups(NOTES, [change])) == set()
    assert target.collect(NOTES) == Collected()
    assert target.init() == []


def test_its_collections_take_every_field(opened):
    (found,) = opened().describe()
    assert (found.collection, found.table) == ("notes", "/sync/in")
    assert found.columns == (("*", "any field, as JSON"),)


def test_an_endpoint_that_is_as_it_should_be_passes(endpoint, opened):
    checks = opened(health_url=endpoint.health_url).test()
    assert [(check.name, check.ok) for check in checks] == [
        ("connect", True),
        ("health", True),
        ("empty batch", True),
    ]
    (request,) = endpoint.received
    assert request.operations == []


def test_what_is_not_as_it_should_be_is_told(endpoint, opened):
    endpoint.always = answers(401)
    checks = opened().test()
    assert [check.ok for check in checks] == [True, False]
    assert "answered 401 Unauthorized" in checks[1].detail
    endpoint.stop()
    assert [(check.name, check.ok) for check in opened().test()] == [("connect", False)]


def test_an_endpoint_may_refuse_an_empty_batch_only_in_our_format(endpoint, opened):
    endpoint.always = answers(200, {"results": []})
    assert all(check.ok for check in opened().test())
    endpoint.always = answers(200, {"ok": True})
    assert not all(check.ok for check in opened().test())


@pytest.mark.usefixtures("kept")
def test_more_batches_than_connections_wait_for_each_other(endpoint, opened):
    target = opened(pool_max=2)
    with ThreadPoolExecutor(8) as threads:
        batches = [threads.submit(apply, target, upsert()) for _ in range(40)]
        assert all(len(batch.result()) == 1 for batch in batches)
    assert endpoint.connections <= 2


def test_it_can_be_used_again_after_it_was_closed(opened):
    target = opened()
    apply(target, upsert())
    target.close()
    assert len(apply(target, upsert())) == 1
