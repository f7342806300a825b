from __future__ import annotations

import pytest

from syncpipe.core.collection import KeyType, VersionSource
from syncpipe.core.routing import Priority
from syncpipe.errors import ConfigError
from syncpipe.resilience.classification import ErrorClass
from syncpipe.settings import Settings, check, load

FILE = """\
shards = 4

[client]
linger_ms = "20ms"
max_block_s = 3

[targets.crm]
type = "postgres"
dsn = "postgresql://me:hunter2@host/db"

[targets.bi]
type = "postgres"
dsn = "${env:BI_DSN}"

[collections.orders]
target = ["crm", "bi"]
key = ["tenant", "id"]
key_types = ["str", "uuid"]
version = "source"
priority = "high"
table = "public.orders"
fields = ["status"]

[collections.notes]
target = "crm"
horizon = "2d"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def file(folder):
    path = folder / "syncpipe.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


ENVIRON = {"BI_DSN": "host=bi password=hunter2"}


@pytest.mark.usefixtures("folder")
def test_without_any_file_everything_has_its_default():
    loaded = load(environ={})
    assert loaded.settings == Settings()
    assert loaded.file is None
    assert {str(source) for source in loaded.sources.values()} == {"default"}


@pytest.mark.usefixtures("file")
def test_a_file_becomes_the_declared_types():
    settings = load(environ=ENVIRON).settings
    assert settings.shards == 4
    assert settings.client.linger_ms == 20
    assert settings.client.max_block_s == 3.0
    assert settings.targets["bi"].dsn == "host=bi password=hunter2"
    orders = settings.collections["orders"]
    assert orders.targets == ("crm", "bi")
    assert orders.key == ("tenant", "id")
    assert orders.key_types == (KeyType.STR, KeyType.UUID)
    assert orders.version is VersionSource.SOURCE
    assert orders.priority is Priority.HIGH
    assert (orders.table, orders.fields) == ("public.orders", ("status",))
    assert settings.collections["notes"].horizon_s == 2 * 86400
    assert settings.collections["notes"].targets == ("crm",)


@pytest.mark.usefixtures("file")
def test_each_layer_beats_the_one_below_it_and_says_so(folder):
    (folder / "night.toml").write_text(
        "[client]\nlinger_ms = 30\nbatch_max_ops = 30\nmax_block_s = 30\n", encoding="utf-8"
    )
    environ = {
        **ENVIRON,
        "SYNCPIPE__CLIENT__BATCH_MAX_OPS": "40",
        "SYNCPIPE__CLIENT__MAX_BLOCK_S": "40s",
    }
    loaded = load(
        profile="night", overrides=["client.max_block_s=50", "worker.threads=5"], environ=environ
    )
    client = loaded.settings.client
    assert (client.linger_ms, client.batch_max_ops, client.max_block_s) == (30, 40, 50.0)
    assert loaded.settings.worker.threads == 5
    sources = {key: str(source) for key, source in loaded.sources.items()}
    assert sources["shards"] == "syncpipe.toml:1"
    assert sources["client.linger_ms"] == "night.toml:2"
    assert sources["client.batch_max_ops"] == "SYNCPIPE__CLIENT__BATCH_MAX_OPS"
    assert sources["client.max_block_s"] == "--set"
    assert sources["client.delivery_timeout_s"] == "default"


@pytest.mark.usefixtures("folder")
def test_text_from_outside_becomes_the_declared_type():
    environ = {
        "SYNCPIPE__SHARDS": "16",
        "SYNCPIPE__LOG__FORMAT": "console",
        "SYNCPIPE__TARGETS__CRM__TYPE": "postgres",
        "SYNCPIPE__TARGETS__CRM__DSN": "host=5",
        "SYNCPIPE__COLLECTIONS__ORDERS__TARGET": "crm",
        "SYNCPIPE__COLLECTIONS__ORDERS__KEY": '["a", "b"]',
    }
    settings = load(environ=environ, overrides=["collections.orders.table=public.t"]).settings
    assert settings.shards == 16
    assert settings.log.format == "console"
    orders = settings.collections["orders"]
    assert orders.targets == ("crm",)
    assert orders.key == ("a", "b")
    assert orders.key_types == (KeyType.STR, KeyType.STR)
    assert orders.table == "public.t"


def test_the_first_place_with_a_file_counts(folder):
    places = ["config/syncpipe.toml", ".syncpipe/syncpipe.toml", "syncpipe.toml", "named.toml"]
    for number, place in enumerate(places, 1):
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_text(f"shards = {number}", encoding="utf-8")
        environ = {"SYNCPIPE_CONFIG": "named.toml"} if place == "named.toml" else {}
        assert load(environ=environ).settings.shards == number
    assert load("syncpipe.toml", environ={"SYNCPIPE_CONFIG": "named.toml"}).settings.shards == 3


@pytest.mark.usefixtures("file")
def test_the_environment_can_name_the_profile(folder):
    (folder / "night.toml").write_text("shards = 9", encoding="utf-8")
    assert load(environ={**ENVIRON, "SYNCPIPE_PROFILE": "night"}).settings.shards == 9


@pytest.mark.usefixtures("file")
def test_an_unknown_profile_is_a_mistake_that_names_the_others(folder):
    (folder / "night.toml").write_text("shards = 9", encoding="utf-8")
    [mistake] = check(profile="nite", environ=ENVIRON)
    assert mistake.message == "There is no profile 'nite'."
    assert mistake.suggestion == "Profiles there: night."


@pytest.mark.usefixtures("file")
def test_secrets_are_not_among_what_is_shown():
    loaded = load(environ=ENVIRON, overrides=["broker.url=redis://:hunter2@host/0"])
    shown = {entry.key: entry.value for entry in loaded.entries}
    assert shown["targets.crm.dsn"] == "postgresql://me:***@host/db"
    assert shown["targets.bi.dsn"] == "${env:BI_DSN}"
    assert shown["broker.url"] == "redis://:***@host/0"
    assert "hunter2" not in repr(loaded)


def test_tables_whose_names_are_free_come_together_from_every_layer(folder):
    (folder / "syncpipe.toml").write_text(
        """
[targets.hub]
type = "http"
url = "https://h/in"
headers = { X-Tenant = "hunter2", X-Key = "${env:KEY}", X-Both = "k${env:KEY}" }
token = "hunter2"
[targets.hub.classify]
"http 409" = "refused-permanent"
timeout = "too-slow"
""",
        encoding="utf-8",
    )
    (folder / "night.toml").write_text(
        "[targets.hub.classify]\ntimeout = 'transient'\n[targets.hub.headers]\nX-New = 'n'\n",
        encoding="utf-8",
    )
    environ = {"KEY": "hunter3", "SYNCPIPE__TARGETS__HUB__CLASSIFY__DNS": "misconfigured"}
    loaded = load(profile="night", environ=environ)
    hub = loaded.settings.targets["hub"]
    assert hub.headers == {
        "X-Tenant": "hunter2",
        "X-Key": "hunter3",
        "X-Both": "khunter3",
        "X-New": "n",
    }
    assert hub.classify == {
        "http 409": ErrorClass.REFUSED_PERMANENT,
        "timeout": ErrorClass.TRANSIENT,
        "dns": ErrorClass.MISCONFIGURED,
    }
    shown = {entry.key: entry.value for entry in loaded.entries}
    assert shown["targets.hub.headers.X-Key"] == "${env:KEY}"
    assert {shown[f"targets.hub.{key}"] for key in ("token", "headers.X-Both")} == {"***"}
    assert shown["targets.hub.classify.timeout"] == "transient"
    assert str(loaded.sources["targets.hub.classify.timeout"]) == "night.toml:2"
    for secret in ("hunter2", "hunter3"):
        assert secret not in repr(loaded)


def test_values_are_shown_as_a_configuration_writes_them(folder):
    (folder / "syncpipe.toml").write_text(
        "[targets.crm]\ntype = 'postgres'\ndsn = 'host=h'\n[collections.o]\ntarget = 'crm'\n",
        encoding="utf-8",
    )
    shown = {entry.key: entry.value for entry in load(environ={}).entries}
    assert shown["collections.o.priority"] == "normal"
    assert shown["collections.o.key_types"] == ["str"]


def test_loading_lists_every_mistake(folder):
    (folder / "syncpipe.toml").write_text("shard = 1\n[log]\nlevel = 'loud'\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(environ={})
    assert "2 mistakes" in caught.value.message
    assert "syncpipe.toml:1: shard: There is no key 'shard' here." in caught.value.message
    assert "syncpipe.toml:3: log.level: 'loud' is not one of the choices." in caught.value.message


@pytest.mark.usefixtures("file")
def test_what_was_loaded_cannot_be_changed():
    settings = load(environ=ENVIRON).settings
    with pytest.raises(AttributeError):
        settings.shards = 5
    with pytest.raises(TypeError):
        settings.targets["x"] = settings.targets["crm"]
