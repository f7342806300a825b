from __future__ import annotations

import pytest

from syncpipe.settings.secrets import mask


@pytest.mark.parametrize(
    "text",
    [
        "redis://:hunter2@host:6379/0",
        "redis://user:hunter2@host/0",
        "postgresql://me@corp:hunter2@host/db",
        "postgresql://me:hun/ter2@host/db",
        "postgresql://me:hun@ter2@host/db",
        "postgresql://host/db?user=me&password=hunter2&sslmode=require",
        "postgresql://host/db?sslpassword=hunter2",
        "host=h password=hunter2 dbname=d",
        "host=h PASSWORD = hunter2",
        r"host=h password='hun ter2 \' hunter2' dbname=d",
    ],
)
def test_no_part_of_a_password_is_shown(text):
    shown = mask(text)
    assert "hun" not in shown
    assert "ter2" not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "text",
    [
        "redis://localhost:6379/0",
        "redis+socket:///run/redis.sock",
        "postgresql://me@host:5432/db",
        "host=h dbname=d",
        "plain",
    ],
)
def test_what_holds_no_password_is_shown_as_it_is(text):
    assert mask(text) == text


def test_what_surrounds_a_password_stays_readable():
    assert mask("postgresql://me:hunter2@host/db") == "postgresql://me:***@host/db"
    assert mask("host=h password=hunter2 dbname=d") == "host=h password=*** dbname=d"


def test_what_is_no_text_is_left_alone():
    assert mask(5) == 5
    assert mask(("crm",)) == ("crm",)
