from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

import pytest

from syncpipe import app, settings
from syncpipe.core.collection import Collection
from syncpipe.dictionaries import Directory
from syncpipe.errors import ConfigError, UnknownCollection, UnknownTarget
from syncpipe.settings import BrokerSettings, Settings
from syncpipe.settings.tree import TARGET_TYPES
from syncpipe.store.options import StoreOptions
from syncpipe.targets.http.options import HttpOptions
from syncpipe.targets.postgres.options import PostgresOptions
from tests.unit.core.trained import dictionary

ORDERS = Collection("orders", targets=("crm", "bi"))
NOTES = Collection("notes", targets=("bi",))
SETTINGS = Settings(
    broker=BrokerSettings("redis+socket:///nowhere/redis.sock"),
    targets={name: PostgresOptions(name, "host=/nowhere") for name in ("crm", "bi")},
    collections={"orders": ORDERS, "notes": NOTES},
)


def test_a_target_gets_the_collections_that_go_there():
    parts = app.build(SETTINGS)
    assert parts.collections("crm") == {"orders": ORDERS}
    assert parts.collections("bi") == {"orders": ORDERS, "notes": NOTES}


def test_an_unknown_target_is_refused_with_the_known_ones():
    with pytest.raises(UnknownTarget, match="no target 'crn'; declared: bi, crm"):
        app.build(SETTINGS).target("crn")


@pytest.mark.parametrize("client", [app.Client, app.AsyncClient])
def test_a_client_without_its_dictionary_does_without(client, caplog):
    orders = replace(ORDERS, dictionary="orders-0123456789abcdef")
    settings = replace(SETTINGS, dictionaries="/nowhere", collections={"orders": orders})

    client(settings)

    (record,) = (each for each in caplog.records if each.name.startswith("syncpipe"))
    assert "orders has no dictionary here: SP-E307" in record.getMessage()


def test_a_client_has_the_dictionaries_of_its_collections(tmp_path):
    directory = Directory(str(tmp_path))
    name, _ = directory.add("orders", dictionary())
    orders = replace(ORDERS, dictionary=name)
    collections = {"orders": orders, "notes": NOTES}
    settings = replace(SETTINGS, dictionaries=str(tmp_path), collections=collections)

    chosen = app._client_parts(settings)["dictionaries"]

    assert {name: each.id for name, each in chosen.items()} == {"orders": dictionary().id}
    assert app.build(settings).dictionaries().find(dictionary().id).id == dictionary().id


#: Options of each type.
OPTIONS = {
    PostgresOptions: PostgresOptions("x", "host=/nowhere"),
    HttpOptions: HttpOptions("x", "https://nowhere.invalid/in"),
}


def test_every_type_has_options_here():
    assert set(OPTIONS) == set(TARGET_TYPES.values())


@pytest.mark.parametrize("options", OPTIONS.values(), ids=[kind.__name__ for kind in OPTIONS])
def test_there_is_a_target_for_every_type_of_options(options):
    target = app.build(Settings(targets={"x": options})).target("x")
    target.close()
    assert target.name == "x"


def test_a_target_is_made_from_its_options():
    target = app.build(SETTINGS).target("crm")
    target.close()
    assert target.name == "crm"
    assert "psycopg" in sys.modules


def test_there_is_a_store_where_the_configuration_names_one():
    assert app.build(SETTINGS).store() is None
    store = app.build(replace(SETTINGS, store=StoreOptions("host=/nowhere"))).store()
    store.close()


def test_a_client_knows_the_collections_of_its_configuration():
    with app.Client(SETTINGS) as client, pytest.raises(UnknownCollection):
        client.upsert("order", "1", {})


async def close_after_refusal(client):
    async with client:
        with pytest.raises(UnknownCollection):
            await client.upsert("order", "1", {})


def test_an_async_client_is_made_from_the_same_configuration():
    asyncio.run(close_after_refusal(app.AsyncClient(SETTINGS)))


def test_a_client_reads_the_file_that_it_is_given(tmp_path):
    (tmp_path / "mine.toml").write_text("[client]\nlinger = 5\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="linger"):
        app.Client(tmp_path / "mine.toml")


def test_a_client_without_arguments_searches_for_its_file(tmp_path, monkeypatch):
    (tmp_path / "syncpipe.toml").write_text(
        '[targets.crm]\ntype = "postgres"\ndsn = "host=h"\n[collections.orders]\ntarget = "crm"\n',
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    assert "orders" in settings.load(environ={}).settings.collections
    with app.Client() as client, pytest.raises(UnknownCollection, match="invoices"):
        client.upsert("invoices", "1", {})
