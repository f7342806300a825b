"""What can be wrong with a target, by its type."""

from __future__ import annotations

import pytest

from tests.unit.settings.test_mistakes import TARGET, only

HUB = '[targets.hub]\ntype = "http"\nurl = "https://h/in"\n'


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        (f'{HUB}tokens = "t"', "Did you mean 'token'?"),
        (f'{HUB}health = "https://h/"', "Did you mean 'health_url'?"),
        (f"{HUB}compression = 'gz'", "Did you mean 'gzip'?"),
        (f"{TARGET}classify = {{ 23505 = 'transcient' }}", "Did you mean 'transient'?"),
        (f"{HUB}classify = {{ timeouts = 'outage' }}", "Did you mean 'timeout'?"),
        (f"{HUB}classify = {{ 409 = 'outage' }}", 'Write "http 409".'),
        (
            f"{HUB}classify = 5",
            "Write [targets.hub.classify], with its keys on the lines below it.",
        ),
    ],
)
def test_a_misspelt_word_brings_the_right_one(mistakes_of, text, suggestion):
    assert only(mistakes_of(text)).suggestion == suggestion


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        (
            f"{TARGET}classify = {{ 'http 409' = 'outage' }}",
            "targets.ok.classify.http 409",
            "No error is called 'http 409' here.",
        ),
        (
            f"{TARGET}classify = {{ 23505 = 'crash' }}",
            "targets.ok.classify.23505",
            "No answer means that a process of ours has died.",
        ),
        (
            f"{HUB}[targets.hub.classify]\n23505 = 'outage'",
            "targets.hub.classify.23505",
            "No error is called '23505' here.",
        ),
        (
            f"{HUB}classify = {{ 'http 409' = {{ a = 1 }} }}",
            "targets.hub.classify.http 409",
            "A table is not one of the choices.",
        ),
        (
            HUB.replace("https://h/in", "ftp://h/in"),
            "targets.hub.url",
            "No endpoint has such a URL.",
        ),
        (
            HUB.replace("https://h/in", "https://me:secret@h/in"),
            "targets.hub.url",
            "The URL holds a user or a password.",
        ),
        (
            HUB.replace("https://h/in", "https://h/in#there"),
            "targets.hub.url",
            "The URL holds a fragment, which is never sent.",
        ),
        (
            HUB.replace("https://h/in", "https://h:70000/in"),
            "targets.hub.url",
            "No endpoint has such a URL.",
        ),
        (HUB.replace("https://h/in", "https://h\\n/"), "targets.hub.url", "This is no URL."),
        (f"{HUB}health_url = 'health'", "targets.hub.health_url", "No endpoint has such a URL."),
        (
            f"{HUB}token = 'a b'",
            "targets.hub.token",
            "What stands here cannot be sent in a header.",
        ),
        (f"{HUB}token = 5", "targets.hub.token", "What stands here does not fit."),
        (
            f'{HUB}headers = {{ X-A = "a\\r\\nX-B: c" }}',
            "targets.hub.headers.X-A",
            "What stands here cannot be sent in a header.",
        ),
        (
            f"{HUB}headers = {{ 'X A' = 'a' }}",
            "targets.hub.headers.X A",
            "No header can be called 'X A'.",
        ),
        (
            f"{HUB}headers = {{ Content-Length = '5' }}",
            "targets.hub.headers.Content-Length",
            "Every request has its own Content-Length.",
        ),
        (
            f"{HUB}token = 't'\nheaders = {{ authorization = 'a' }}",
            "targets.hub.headers.authorization",
            "The token is sent in this header.",
        ),
        (
            f"{HUB}headers = {{ X-A = 'a', x-a = 'b' }}",
            "targets.hub.headers.X-A",
            "A header is named twice.",
        ),
        (
            f"{HUB}[collections.o]\ntarget = 'hub'\ntable = 'a.b'\nfields = ['c']",
            "collections.o.table",
            "None of its targets has tables.",
        ),
        (
            f"{HUB}[collections.o]\ntarget = 'hub'\nfields = ['c']",
            "collections.o.fields",
            "Without a table, nothing has these columns.",
        ),
    ],
)
def test_what_does_not_fit_together_is_a_mistake(mistakes_of, text, key, message):
    mistake = only(mistakes_of(text))
    assert (mistake.key, mistake.message) == (key, message)


def test_a_table_is_right_where_one_target_of_several_has_tables(mistakes_of):
    assert mistakes_of(f"{HUB}{TARGET}[collections.o]\ntarget=['hub','ok']\ntable='a.b'") == []


def test_collections_of_one_table_on_two_databases_may_share_an_endpoint(mistakes_of):
    here = "target = ['ok', 'hub']\ntable = 'a.b'\n"
    there = here.replace("ok", "other")
    targets = f"{HUB}{TARGET}{TARGET.replace('ok', 'other')}"
    assert mistakes_of(f"{targets}[collections.a]\n{here}[collections.b]\n{there}") == []


def test_a_target_has_no_keys_of_another_type(mistakes_of):
    mistake = only(mistakes_of(f'{HUB}dsn = "host=h"'))
    assert (mistake.key, mistake.line) == ("targets.hub.dsn", 4)


@pytest.mark.parametrize("secret", ["token = 'hunter2 x'", "headers = { X-A = 'hunter2\\n' }"])
def test_no_mistake_shows_a_secret(mistakes_of, secret):
    assert "hunter2" not in str(only(mistakes_of(HUB + secret.replace("'", '"'))))
