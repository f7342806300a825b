from __future__ import annotations

import pytest

from syncpipe.settings import check
from syncpipe.settings.mistake import did_you_mean

#: A target and a collection that are right, for tests that add one thing that is wrong.
TARGET = '[targets.ok]\ntype = "postgres"\ndsn = "host=h"\n'
COLLECTION = f'{TARGET}[collections.orders]\ntarget = "ok"\n'


def only(mistakes):
    assert len(mistakes) == 1, [str(mistake) for mistake in mistakes]
    return mistakes[0]


BROKEN = """\
shard = 4
shards = "many"
[client]
linger = 5
batch_max_ops = 0
max_block_s = "10 parsecs"
[worker]
threads = 1.5
[log]
level = "loud"
[targets.CRM]
type = "postgres"
dsn = "host=h"
[targets.bi]
type = "postgre"
[targets.x]
type = "postgres"
dsn = "${env:NOPE}"
[collections.orders]
target = "crm"
key = ["a", "b"]
key_types = ["str"]
[collections.Orders2]
target = ["bi", "bi"]
version = "sauce"
[collections.three]
target = "x"
fields = [
  "a",
  1,
]
[collections.five]
[brokers]
url = "redis://h"
"""


def test_all_mistakes_of_a_file_are_reported_at_once_with_their_lines(mistakes_of):
    found = [(each.line, each.key) for each in mistakes_of(BROKEN)]
    assert found == [
        (1, "shard"),
        (2, "shards"),
        (4, "client.linger"),
        (5, "client.batch_max_ops"),
        (6, "client.max_block_s"),
        (8, "worker.threads"),
        (10, "log.level"),
        (11, "targets.CRM"),
        (15, "targets.bi.type"),
        (18, "targets.x.dsn"),
        (20, "collections.orders.target"),
        (22, "collections.orders.key_types"),
        (23, "collections.Orders2"),
        (24, "collections.Orders2.target"),
        (25, "collections.Orders2.version"),
        (28, "collections.three.fields"),
        (32, "collections.five.target"),
        (33, "brokers"),
    ]


def test_every_mistake_says_what_to_do(mistakes_of):
    for mistake in mistakes_of(BROKEN):
        assert mistake.message.endswith(".")
        assert mistake.suggestion.endswith((".", "?"))
        assert str(mistake).startswith(f"{mistake.source.name}:{mistake.line}: ")


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("shard = 4", "Did you mean 'shards'?"),
        ("[brokers]", "Did you mean 'broker'?"),
        ("[client]\nlinger = 5", "Did you mean 'linger_ms'?"),
        ('[log]\nlevel = "warn"', "Did you mean 'warning'?"),
        (f'{TARGET}schemas = "s"', "Did you mean 'schema'?"),
        ('[targets.a]\ntype = "postgre"\ndsn = "host=h"', "Did you mean 'postgres'?"),
        (f'{TARGET}[collections.o]\ntarget = "okay"', "Did you mean 'ok'?"),
        (f'{COLLECTION}priority = "hihg"', "Did you mean 'high'?"),
        ('[collections.o]\ntarget = "crm"', "Write [targets.crm]."),
    ],
)
def test_a_misspelt_word_brings_the_right_one(mistakes_of, text, suggestion):
    assert only(mistakes_of(text)).suggestion == suggestion


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("client = 5", "client"),
        ("[[client]]\nlinger_ms = 5", "client"),
        ("collections = []", "collections"),
        ("[collections]\norders = 5", "collections.orders"),
        ("[shards]\ncount = 5", "shards"),
        ("[client.linger_ms]\nvalue = 5", "client.linger_ms"),
    ],
)
def test_tables_and_values_in_each_others_place_are_one_mistake(mistakes_of, text, key):
    assert only(mistakes_of(text)).key == key


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("shards = 100000", "shards", "There are too many."),
        ('[broker]\nurl = "kafka://h"', "broker.url", "No broker has such a URL."),
        (
            "[client]\nbatch_max_bytes = '2MB'\nbuffer_max_bytes = '1MB'",
            "client.batch_max_bytes",
            "A batch cannot be larger than the buffer.",
        ),
        (
            "[client]\nbatch_max_bytes = '1GiB'\nbuffer_max_bytes = '2GiB'",
            "client.batch_max_bytes",
            "No envelope holds so much.",
        ),
        (
            "[worker]\nrefused_attempts = 33",
            "worker.refused_attempts",
            "No operation carries so many.",
        ),
        (
            "[worker]\nrefused_delay_s = '2h'",
            "worker.refused_delay_max_s",
            "The longest pause is the shorter one.",
        ),
        (
            f"[worker]\nisolation_timeout_s = '4m'\n{TARGET}",
            "targets.ok.breaker_hang_s",
            "A batch may take longer.",
        ),
        (
            f"{TARGET}breaker_hang_s = 155",
            "targets.ok.breaker_hang_s",
            "A batch may take longer.",
        ),
        (
            f"{TARGET}breaker_probe_s = '1m'",
            "targets.ok.breaker_probe_max_s",
            "The longest pause is the shorter one.",
        ),
        (f"{TARGET}max_share = 1.5", "targets.ok.max_share", "No share is larger than the whole."),
        (
            "[worker]\nstall_timeout_s = 1.9",
            "worker.stall_timeout_s",
            "A worker that is well is silent so long.",
        ),
        (
            "[targets.a]\ntype = 'postgres'\ndsn = 'nonsense'",
            "targets.a.dsn",
            "This is no connection string.",
        ),
        (f"{TARGET}schema = 'A b'", "targets.ok.schema", "No schema of ours is 'A b'."),
        ("[store]\ndsn = 'nonsense'", "store.dsn", "This is no connection string."),
        (
            "[store]\ndsn = 'host=h'\nschema = 'A b'",
            "store.schema",
            "No schema of ours is 'A b'.",
        ),
        (
            "[store]\ndsn = 'host=h'\nlock_timeout_s = '30d'",
            "store.lock_timeout_s",
            "PostgreSQL cannot count that far.",
        ),
        (
            f"{TARGET}statement_timeout_s = '30d'",
            "targets.ok.statement_timeout_s",
            "PostgreSQL cannot count that far.",
        ),
        (
            f"{COLLECTION}key = ['a', 'a']",
            "collections.orders.key",
            "A part is named twice.",
        ),
        (
            f"{COLLECTION}fields = ['a']",
            "collections.orders.fields",
            "Without a table, nothing has these columns.",
        ),
        (
            f"{COLLECTION}table = 'orders'",
            "collections.orders.table",
            "'orders' is no table's full name.",
        ),
        (
            f"{COLLECTION}table = 'syncpipe.documents'",
            "collections.orders.table",
            "The schema 'syncpipe' is syncpipe's own.",
        ),
        (
            f"[client]\ndelivery_timeout_s = '3d'\n{COLLECTION}horizon = '3d'",
            "collections.orders.horizon",
            "A client may send an operation again for longer than this horizon.",
        ),
        (
            "[client]\nbatch_max_ops = 10_001",
            "client.batch_max_ops",
            "No envelope holds so many.",
        ),
        (
            f"{COLLECTION}dictionary = 'orders-0123456789abcdef'",
            "collections.orders.dictionary",
            "There is no directory of dictionaries.",
        ),
        (
            f"dictionaries = 'd'\n{COLLECTION}dictionary = 'd/orders-0123456789abcdef.zdict'",
            "collections.orders.dictionary",
            "No dictionary is called 'd/orders-0123456789abcdef.zdict'.",
        ),
        (
            f"{COLLECTION}horizon = '23h'",
            "collections.orders.horizon",
            "What waits in the broker can arrive later than this horizon.",
        ),
        (
            f"{COLLECTION}version = 'source'\nhorizon = '30d'",
            "collections.orders.horizon",
            "The horizon has no effect here.",
        ),
        (
            f"{COLLECTION}table = 'a.b'\n[collections.two]\ntarget = 'ok'\ntable = 'a.b'",
            "collections.two.table",
            "Collection 'orders' has this table on target 'ok'.",
        ),
    ],
)
def test_what_does_not_fit_together_is_a_mistake(mistakes_of, text, key, message):
    mistake = only(mistakes_of(text))
    assert (mistake.key, mistake.message) == (key, message)


def test_no_mistake_hides_another(mistakes_of):
    found = {
        each.key
        for each in mistakes_of(
            "[client]\nlinger_ms = '60s'\nbatch_max_bytes = '1GiB'\nbuffer_max_bytes = '1MB'\n"
            "[targets.CRM]\ntype = 'mysql'\n"
            "[targets.x]\ntype = 'postgres'\nschema = 'A b'\n"
            "[collections.orders]\nkey = ['a', 'a']\nkey_types = ['str']\ntable = 'q'\n"
            "horizon = '1h'\n"
        )
    }
    assert found == {
        *("client.linger_ms", "client.batch_max_bytes"),
        *("targets.CRM", "targets.CRM.type", "targets.x.dsn"),
        "targets.x.schema",
        *(f"collections.orders.{key}" for key in ("target", "key", "key_types", "table")),
        "collections.orders.horizon",
    }


def test_where_even_the_defaults_do_not_fit_the_rest_is_told_once(mistakes_of):
    assert only(mistakes_of("[client]\ndelivery_timeout_s = '1ms'")).key == "client.linger_ms"


def test_one_table_on_two_targets_is_right(mistakes_of):
    other = TARGET.replace("ok", "other")
    two = '[collections.two]\ntarget = "other"\ntable = "a.b"\n'
    assert mistakes_of(f"{other}{COLLECTION}table = 'a.b'\n{two}") == []


def test_a_collection_of_a_broken_target_is_not_blamed(mistakes_of):
    text = COLLECTION.replace('dsn = "host=h"', "dsn = 5")
    assert only(mistakes_of(text)).key == "targets.ok.dsn"


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("a = 1\nb = \n", 2, "Invalid value (column 5)."),
        ("a = 1\na = 2\n", 2, "Cannot overwrite a value (column 6)."),
        ('a = [\n"never closed"', 2, "Unclosed array."),
    ],
)
def test_a_file_that_is_not_toml_has_its_line(mistakes_of, text, line, fault):
    mistake = only(mistakes_of(text))
    assert mistake.line == line
    assert mistake.message == f"This is not TOML: {fault}"


def test_the_rest_is_still_checked_beside_a_file_that_is_not_toml(mistakes_of):
    mistakes = mistakes_of("a = ", overrides=["nothing"])
    assert [mistake.line for mistake in mistakes] == [None, 1]


@pytest.mark.parametrize("content", [b"a = '\xff'", None])
def test_a_file_that_cannot_be_read_is_one_mistake(tmp_path, content):
    path = tmp_path / "file.toml"
    if content is not None:
        path.write_bytes(content)
    assert only(check(path, environ={})).source.name == str(path)
    assert "cannot be read" in only(check(tmp_path, environ={})).message


def test_mistakes_from_outside_name_the_variable_and_the_option(mistakes_of):
    environ = {"SYNCPIPE__SHARDS": "x", "SYNCPIPE__CLIENT__LINGER": "5", "SYNCPIPE__": "1"}
    mistakes = mistakes_of("", environ=environ, overrides=["log.level=loud", "=5"])
    assert sorted(str(mistake.source) for mistake in mistakes) == sorted(
        [*environ, "--set", "--set"]
    )


def test_what_a_reference_stands_for_is_not_shown(mistakes_of):
    mistake = only(mistakes_of('shards = "${env:SECRET}"', environ={"SECRET": "hunter2"}))
    assert mistake.message == "What '${env:SECRET}' stands for does not fit."


def test_without_anything_near_all_known_words_are_named():
    assert did_you_mean("xyz", ["b", "a"]) == "Known here: a, b."


@pytest.mark.parametrize(
    ("key", "url", "why"),
    [
        ("url", "amqp://me:sEcret@h:x/", "malformed host or port"),
        ("url", "amqp://me:sEcret@h/v?heartbeat=3", "leave them out"),
        ("url", "amqp://me:sEcret@a/v;amqp://b/x", "more than one RabbitMQ"),
        ("management_url", "ftp://me:sEcret@x", "none of http or https"),
        ("management_url", "http://me:sEcret@h:abc", "malformed host or port"),
        ("management_url", "http://h:99999", "malformed host or port"),
        ("management_url", "http://[::1", "malformed host or port"),
    ],
)
def test_what_rabbitmq_is_not_opened_with_is_a_mistake(mistakes_of, key, url, why):
    urls = {"url": "amqp://broker/v"} | {key: url}
    lines = "".join(f'{name} = "{value}"\n' for name, value in urls.items())

    mistake = only(mistakes_of(f"[broker]\n{lines}"))

    assert mistake.key == f"broker.{key}"
    assert why in mistake.message
    assert "sEcret" not in str(mistake)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis://:sEcret@h:x/0", "malformed host or port"),
        ("redis://:sEcret/@h:1/0", "malformed host or port"),
        ("redis://u:12/sEcret@h", "not the number of a database"),
        ("rediss://h/crm", "not the number of a database"),
        ("redis://h?socket_timeout=sEcret", "Invalid value for 'socket_timeout'"),
    ],
)
def test_what_redis_is_not_opened_with_is_a_mistake(mistakes_of, url, why):
    mistake = only(mistakes_of(f'[broker]\nurl = "{url}"'))
    assert mistake.key == "broker.url"
    assert why in mistake.message
    assert "sEcret" not in str(mistake)


@pytest.mark.parametrize(
    "url", ["redis://h", "rediss://u:p@[::1]:6/3", "redis+socket:///run/a%20b?virtual_host=2"]
)
def test_what_redis_is_opened_with_is_none(mistakes_of, url):
    assert mistakes_of(f'[broker]\nurl = "{url}"') == []


@pytest.mark.parametrize("url", ["amqps://me:s%2Fecret@[::1]:77/v", "amqp://"])
def test_what_rabbitmq_is_opened_with_is_none(mistakes_of, url):
    text = f'[broker]\nurl = "{url}"\nmanagement_url = "https://me@h/api-of/rabbit/"\n'
    assert mistakes_of(text) == []


@pytest.mark.parametrize("form", ["delete", "negate", "shop.orders:cancel", ""])
def test_a_compensation_is_a_word_or_a_function(mistakes_of, form):
    assert mistakes_of(f'{COLLECTION}compensation = "{form}"\n') == []


@pytest.mark.parametrize("form", ["remove", "shop.orders", "shop.orders:cancel()"])
def test_another_compensation_is_a_mistake(mistakes_of, form):
    mistake = only(mistakes_of(f'{COLLECTION}compensation = "{form}"\n'))
    assert mistake.key == "collections.orders.compensation"
    assert "delete, negate, or a function" in mistake.suggestion


def test_where_there_are_no_increments_none_are_negated(mistakes_of):
    text = f'{COLLECTION}version = "source"\ncompensation = "negate"\n'
    assert "no increments" in str(only(mistakes_of(text)))
